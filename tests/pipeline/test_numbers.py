"""The numbers of a study, against the slow obvious way from the same features and spikes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import Study, open_features, open_results
from distributed_trf.recordings.ucsf.reader import UCSFRecordings
from distributed_trf.trf.crossval import assign_folds
from tests.oracle import fit_and_score

WIDTH, LEAD_IN, LAGS = 0.05, 7, range(5)
ROUNDING = 1e-6  # seconds before a border of a bin that count as on it
ALPHAS = np.logspace(-5, 15, 21)


def bins(duration):
    return int((duration + 1e-6 + WIDTH / 2) // WIDTH)


def histograms(recordings, session, stimulus, n):
    """Counts (presentations, bins, channels) of one stimulus, one histogram per trial and channel."""
    spikes = recordings.spikes(session, "timit")
    edges = np.arange(n + 1) * WIDTH
    pairs = list(zip(spikes.times, spikes.trial, strict=True))
    trials = [k for k, s in enumerate(spikes.stimulus) if s == stimulus]
    return np.array(
        [np.stack([np.histogram(t[w == k] + ROUNDING, edges)[0] for t, w in pairs], axis=1) for k in trials]
    )


def explicit(recordings, session, network, weights, layer, *, folds=None, shared=True):
    """Alpha, best score and r of a session, the slow way.

    ``folds`` says in which fold each training stimulus of the set is, by default the common deal.
    """
    features, stimuli = open_features("study"), recordings.stimuli("timit")
    presented = set(recordings.spikes(session, "timit").stimulus)
    train, test = ([s for s in stimuli if s.is_test is which] for which in (False, True))
    own = [s for s in train if s.id in presented]
    if folds is None:
        folds = {train[i].id: k for k, fold in enumerate(assign_folds(len(train), 3, 0)) for i in fold}

    def feature(s):
        frames = features.sel(network=network, weights=weights, layer=layer, stimulus=s.id).values.astype(float)
        return resample(frames, LEAD_IN + bins(s.duration), axis=0)

    alpha, scores, r, _ = fit_and_score(
        [feature(s) for s in own],
        [histograms(recordings, session, s.id, bins(s.duration))[0] for s in own],
        [feature(s) for s in test],
        [histograms(recordings, session, s.id, bins(s.duration)) for s in test],
        lags=LAGS,
        lead_in=LEAD_IN,
        alphas=ALPHAS,
        folds=[[i for i, s in enumerate(own) if folds[s.id] == k] for k in range(3)],
        standardize=True,
        unheard=[
            [feature(s) for s in train if shared and s.id not in presented and folds[s.id] == k] for k in range(3)
        ],
    )
    return alpha, scores.max(axis=0), r


def agree(found, expected):
    """Whether a session's results are those of the explicit solution."""
    alpha, score, r = expected
    np.testing.assert_array_equal(found.alpha, alpha)
    np.testing.assert_allclose(found.cv_score, score, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.r, r, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("network", "weights", "layer"), [("small_whisper", "reset", 3), ("mel_whisper", "fixed", 0)])
def test_study__equals_the_explicit_solution(write_study, workplace, network, weights, layer):
    write_study(networks=[{"name": "small_whisper", "weights": ["reset"]}, {"name": "mel_whisper"}])
    assert Study.load("study.yaml").run(recipe=None).ok
    ds = open_results("study").sel(stimuli="timit", network=network, weights=weights, layer=layer, bin_width=50)
    recordings = UCSFRecordings(workplace / "recordings")
    start = 0
    for session in recordings.sessions:
        found = ds.isel(unit=slice(start, start + len(session.channels)))
        assert set(found.session.values) == {session.name}
        agree(found, explicit(recordings, session, network, weights, layer))
        start += len(session.channels)
    assert start == ds.sizes["unit"] == 6


@pytest.mark.parametrize("scaling", ["shared", "per_session"])
@pytest.mark.parametrize("folds", ["shared", "per_session"])
def test_session__that_lacks_seven_sentences_equals_its_own_explicit_solution(
    write_study, workplace, rewrite, scaling, folds
):
    session = sorted((workplace / "recordings/sessions").iterdir())[1]
    train = [s.id for s in UCSFRecordings(workplace / "recordings").stimuli("timit") if not s.is_test]
    deal = {train[i]: k for k, fold in enumerate(assign_folds(len(train), 3, 0)) for i in fold}
    kept = [next(i for i in train if deal[i] == k) for k in range(3)]  # so that no fold is left empty
    lost = [int(i) for i in train if i not in kept][:7]

    def forget(content):
        codes = content["trial"]["timitStimcode"]
        content["trial"]["timitStimcode"] = np.where(np.isin(codes, lost), 0, codes)

    for file in session.glob("*MUspk*"):
        rewrite(file, forget)
    write_study(networks=[{"name": "mel_whisper"}], ridge={"scaling": scaling, "folds": folds})
    assert Study.load("study.yaml").run(recipe=None).ok
    ds = open_results("study").sel(stimuli="timit", network="mel_whisper", weights="fixed", layer=0, bin_width=50)
    recordings = UCSFRecordings(workplace / "recordings")
    for session, columns in zip(recordings.sessions, (slice(0, 3), slice(3, 6)), strict=True):
        presented = set(recordings.spikes(session, "timit").stimulus)
        own = [i for i in train if i in presented]
        if folds == "per_session":
            deal = deal | {own[i]: k for k, fold in enumerate(assign_folds(len(own), 3, 0)) for i in fold}
        expected = explicit(recordings, session, "mel_whisper", "fixed", 0, folds=deal, shared=scaling == "shared")
        agree(ds.isel(unit=columns), expected)
    assert len(own) == len(train) - 7


def test_sessions__with_fewer_sentences_are_fitted_on_those_presented_to_them(write_study, workplace, rewrite):
    """A session without some training sentences does not change the others."""
    write_study(networks=[{"name": "mel_whisper"}], output="whole")
    Study.load("study.yaml").run(recipe=None)
    session = sorted((workplace / "recordings/sessions").iterdir())[1]

    def forget(content):
        codes = content["trial"]["timitStimcode"]
        content["trial"]["timitStimcode"] = np.where(np.isin(codes, [1, 2]), 0, codes)

    for file in session.glob("*MUspk*"):
        rewrite(file, forget)
    write_study(networks=[{"name": "mel_whisper"}], output="fewer")
    assert Study.load("study.yaml").run(recipe=None).ok
    whole, fewer = (open_results(path).r.sel(network="mel_whisper").values.ravel() for path in ("whole", "fewer"))
    np.testing.assert_allclose(fewer[:3], whole[:3], rtol=1e-12)
    assert np.isfinite(fewer[3:]).all()
    assert (fewer[3:5] != whole[3:5]).all()


def test_bin_width__may_be_any_of_several(write_study):
    write_study(networks=[{"name": "mel_whisper"}], bin_widths=[20, 50])
    assert Study.load("study.yaml").run(recipe=None).ok
    ds = open_results("study")
    assert ds.bin_width.values.tolist() == [20, 50]
    assert ds.r.notnull().all()
    driven = [0, 1, 3, 4]
    assert (ds.r.sel(bin_width=50)[..., driven] > ds.r.sel(bin_width=20)[..., driven]).all()  # counts per bin grow
