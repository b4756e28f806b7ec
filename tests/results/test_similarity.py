"""Similarity of what is in a study's folder, against features and responses read and compared one by one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from distributed_trf import binned_features, cka, layer_similarity, open_features, response_similarity, rsa_ceiling
from distributed_trf.errors import DataError
from distributed_trf.store.results import session_units
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore

LEAD = 7
NETWORKS = ("mel_librosa", "mel_whisper")


def pairs(x):
    return pdist(x, "correlation").round(12)


def patterns(folder, network, stimuli, *, lag=0):
    features = open_features(folder)["timit", network, "fixed"]
    found = dict(binned_features(features, 0, 50))
    return [found[i][LEAD - lag : len(found[i]) - lag] for i in (stimuli or found)]


def responses_of(folder):
    store = StudyStore.open(folder)
    return {s: load_responses(store, "timit", 50.0, s) for s in session_units(store.results)}


def test_layer_similarity__is_cka_of_all_bins(saved_study, monkeypatch):
    found = layer_similarity(saved_study)
    one, other = (np.concatenate(patterns(saved_study, name, None)) for name in NETWORKS)
    values = {name: k for k, name in enumerate(found["network"].values)}
    k, m = (values[name] for name in NETWORKS)
    np.testing.assert_allclose(found.values[k, m], cka(one, other), atol=1e-12)
    np.testing.assert_allclose(found.values, found.values.T)
    np.testing.assert_allclose(np.diag(found.values), 1, atol=1e-12)
    monkeypatch.setattr("distributed_trf.results.layer_similarity.HELD_BYTES", 1)
    xr.testing.assert_allclose(layer_similarity(saved_study), found)
    assert layer_similarity(saved_study, networks=["mel_whisper"], debiased=False).shape == (1, 1)
    with pytest.raises(DataError, match="no features of net for timit; stored are timit, mel_"):
        layer_similarity(saved_study, networks=["net"])
    with pytest.raises(DataError, match="no features of stimulus set 'calls'; name one of timit as `stimuli`"):
        layer_similarity(saved_study, stimuli="calls")


@pytest.mark.parametrize(("items", "lag"), [("bins", 0), ("bins", 2), ("stimuli", 0)])
def test_response_similarity__is_the_mean_over_repeats(saved_study, items, lag):
    found = response_similarity(saved_study, items=items, lag=lag * 0.05)
    for session, responses in responses_of(saved_study).items():
        repeats, ids = min(responses.repeats), responses.test_ids
        trials = [responses.test_trials[i][:repeats].astype(float) for i in ids]
        features = patterns(saved_study, "mel_librosa", ids, lag=lag)
        if items == "stimuli":
            trials = [x.mean(axis=1, keepdims=True) for x in trials]
            features = [x.mean(axis=0, keepdims=True) for x in features]
        y, x = np.concatenate(trials, axis=1), np.concatenate(features)
        kept = [k for k in range(len(x)) if all(np.ptp(y[r, k]) > 0 for r in range(repeats))]
        of_responses = np.stack([pairs(y[r, kept]) for r in range(repeats)])
        of_layer = pairs(x[kept])
        expected = np.mean([spearmanr(of_layer, row).statistic for row in of_responses])
        here = found.sel(session=session)
        assert (here["n_items"], here["left_out"]) == (len(kept), len(x) - len(kept))
        np.testing.assert_allclose(here["similarity"].sel(representation="mel_librosa fixed 0"), expected, atol=1e-9)
        np.testing.assert_allclose([here["lower"], here["upper"]], rsa_ceiling(of_responses), atol=1e-9)
        assert here["lower"] < here["upper"]


def test_response_similarity__over_sessions_compares_with_the_mean_response_of_each(saved_study, tmp_path):
    found = response_similarity(saved_study, over="sessions", how="cosine")
    means = {}
    for session, responses in responses_of(saved_study).items():
        ids = (*responses.train_ids, *responses.test_ids)
        means[session] = np.concatenate([responses.trials(i).mean(axis=0) for i in ids])
    x = np.concatenate(patterns(saved_study, "mel_whisper", ids))
    kept = [k for k in range(len(x)) if all(np.ptp(y[k]) > 0 for y in means.values())]
    of_layer = pairs(x[kept])
    for session, y in means.items():
        of_session = pairs(y[kept])
        expected = of_layer @ of_session / np.linalg.norm(of_layer) / np.linalg.norm(of_session)
        np.testing.assert_allclose(
            found["similarity"].sel(session=session, representation="mel_whisper fixed 0"), expected, atol=1e-9
        )
    assert found["n_items"] == len(kept)
    found.to_netcdf(tmp_path / "found.nc", engine="scipy")


def test_unusable_requests__are_named(saved_study):
    with pytest.raises(DataError, match="no responses to timit on bins of 20 ms"):
        response_similarity(saved_study, bin_width=20.0)
    with pytest.raises(DataError, match=r"lag = 0\.4 s; expected 0 to the study's lead-in of 0\.35 s"):
        response_similarity(saved_study, lag=0.4)
    with pytest.raises(DataError, match="how = 'r'; expected one of spearman, cosine"):
        response_similarity(saved_study, how="r")
