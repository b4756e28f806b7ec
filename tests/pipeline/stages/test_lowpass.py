"""Fits on low-passed features, against the explicit fit of features resampled there and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import Study, open_features, open_lowpass, open_results
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds
from tests.oracle import fit_and_score

MEL = [{"name": "mel_whisper"}]
SETTINGS = {"network": "mel_whisper", "layer": 0, "weights": "fixed"}
LABELS = {"stimuli": "timit", "network": "mel_whisper", "weights": "fixed", "layer": 0}


def bins(seconds, bin_width):
    return int((seconds + 1e-6 + bin_width / 2000) // (bin_width / 1000))


def test_lowpass__equals_the_explicit_fit_at_every_cut_and_bin_width(write_study):
    write_study(networks=MEL, bin_widths=[50, 100], lowpass=[{**SETTINGS, "lowpass_bins": [100, 400]}])
    report = Study.load("study.yaml").run(recipe=None)
    assert report.ok
    assert report.done["analyse"] == 4
    ds = open_lowpass("study")
    assert dict(ds.r.sizes) == {
        **dict.fromkeys(("stimuli", "network", "weights", "layer"), 1),
        **dict.fromkeys(("bin_width", "lowpass_bin"), 2),
        "unit": 6,
    }
    session = str(ds.session.values[0])
    features = open_features("study")["timit", "mel_whisper", "fixed"]
    seconds = dict(zip(features.layout.stimuli, features.layout.durations, strict=True))
    for bin_width, cut in ((50, 100), (50, 400), (100, 400)):
        counts = load_responses(StudyStore.open(Path("study")), "timit", bin_width, session)
        X = {}
        for i, frames in features.iterate(0):
            lowpassed = resample(frames.astype(float), bins(seconds[i], cut) + bins(0.35, cut), axis=0)
            X[i] = resample(lowpassed, counts.bins[i] + bins(0.35, bin_width), axis=0)
        alpha, score, r, _ = fit_and_score(
            [X[i] for i in counts.train_ids],
            [counts.train_trials[i] for i in counts.train_ids],
            [X[i] for i in counts.test_ids],
            [counts.test_trials[i] for i in counts.test_ids],
            lags=range(200 // bin_width + 1),
            lead_in=bins(0.35, bin_width),
            alphas=np.logspace(-5, 15, 21),
            folds=assign_folds(len(counts.train_ids), 3, 0),
            standardize=True,
        )
        found = ds.sel(LABELS).sel(bin_width=bin_width, lowpass_bin=cut).isel(unit=slice(0, 3))
        np.testing.assert_array_equal(found.alpha, alpha)
        np.testing.assert_allclose(found.cv_score, score.max(axis=0), rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(found.r, r, rtol=1e-8, atol=1e-9)


def test_lowpass__at_the_bin_width_is_the_ordinary_fit_to_the_last_bit(write_study):
    write_study(networks=MEL, lowpass=[{**SETTINGS, "lowpass_bins": [50, 200]}])
    assert Study.load("study.yaml").run(recipe=None).ok
    lowpass, fits = (ds.sel({**LABELS, "bin_width": 50}) for ds in (open_lowpass("study"), open_results("study")))
    for name in ("r", "alpha", "cv_score"):
        np.testing.assert_array_equal(lowpass[name].sel(lowpass_bin=50), fits[name])
    assert (lowpass.r.sel(lowpass_bin=200) != fits.r).all()
    assert lowpass.session.values.tolist() == fits.session.values.tolist()


def test_changed_cut__fits_what_is_new_and_nothing_else(write_study):
    write_study(networks=MEL, lowpass=[{**SETTINGS, "lowpass_bins": [100, 200]}])
    assert Study.load("study.yaml").run(recipe=None).ok
    write_study(networks=MEL, lowpass=[{**SETTINGS, "lowpass_bins": [100, 300]}])
    report = Study.load("study.yaml").run(recipe=None)
    assert (report.done["analyse"], report.skipped["analyse"]) == (1, 1)
    write_study(networks=MEL, lowpass=[{**SETTINGS, "lowpass_bins": [100, 300]}], ridge={"n_folds": 4})
    stale = [p for p in Study.load("study.yaml").status() if p.item.stage == "analyse"]
    assert [(p.state, p.reason) for p in stale] == [("stale", "changed: ridge")] * 2
    assert all(cost.flops > 0 and cost.written > 0 for p, cost in Study.load("study.yaml").plan() if p in stale)
    receipt = Path("study/receipts/analyse/lowpass-timit-mel_whisper-fixed-00-50ms-100ms.json")
    details = json.loads(receipt.read_text())["details"]
    assert details["units"] == 6
    alpha = open_lowpass("study").alpha.sel(lowpass_bin=100).values
    assert details["units_at_first_alpha"] == np.isclose(alpha, 1e-5, rtol=1e-6).sum()
    assert details["units_at_last_alpha"] == np.isclose(alpha, 1e15, rtol=1e-6).sum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lowpass_bins": [40, 100]}, r"lowpass: mel_whisper: lowpass_bins: 40 ms is below the bin width of 50 ms"),
        ({"lowpass_bins": [1000]}, "at 1000 ms a stimulus is one bin"),
        (
            {"lowpass_bins": [50, 6000]},
            r"lowpass_bins: 6000 ms: stimulus \d+ of timit, of \d\.\d+ s, .* are both shorter",
        ),
        ({"layer": 3}, "lowpass: mel_whisper: layer 3 is not among those of the study"),
        ({"weights": "trained"}, "lowpass: mel_whisper: weights 'trained' are not among fixed"),
        ({"network": "whisper_tiny"}, "lowpass: whisper_tiny is not among the networks"),
        ({"lowpass_bins": []}, "lowpass_bins"),
        ({"lowpass_bins": [-1]}, "lowpass_bins"),
    ],
)
def test_bad_lowpass__is_named_before_anything_runs(write_study, workplace, changes, message):
    write_study(networks=MEL, lowpass=[{**SETTINGS, "lowpass_bins": [100], **changes}])
    with pytest.raises(ConfigError, match=message):
        Study.load("study.yaml").run(recipe=None)
    assert not (workplace / "study").exists()


def test_bad_lowpass__at_whole_stimuli_or_named_twice(write_study):
    write_study(networks=MEL, bin_widths=[50, 100], lowpass=[{**SETTINGS, "lowpass_bins": [60]}])
    with pytest.raises(ConfigError, match="60 ms is below the bin width of 100 ms"):
        Study.load("study.yaml").run(recipe=None)
    write_study(networks=MEL, bin_widths=[50, 1000], lowpass=[{**SETTINGS, "lowpass_bins": [100]}])
    with pytest.raises(ConfigError, match="leave 1000 out of lowpass_bins and bin_widths"):
        Study.load("study.yaml").run(recipe=None)
    write_study(networks=MEL, lowpass=[{**SETTINGS, "lowpass_bins": [100]}, {**SETTINGS, "lowpass_bins": [200]}])
    with pytest.raises(ConfigError, match="lowpass lists mel_whisper, 0, fixed twice"):
        Study.load("study.yaml")
    write_study(networks=MEL)
    Study.load("study.yaml").run(recipe=None)
    with pytest.raises(StoreError, match="`lowpass` in the study"):
        open_lowpass("study")
