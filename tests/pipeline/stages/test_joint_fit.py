"""Layers of a network as one model, in a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import Study, open_features, open_results
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.results.analyses import open_together
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds
from tests.oracle import fit_and_score

LABELS = {"stimuli": "timit", "network": "small_whisper", "weights": "reset", "bin_width": 50}
NETWORKS = [{"name": "small_whisper", "weights": ["reset"]}]


def test_one_penalty__equals_the_explicit_fit_of_layers_side_by_side(write_study):
    write_study(networks=NETWORKS, together=[{"network": "small_whisper", "layers": [0, 2], "bands": "none"}])
    report = Study.load("study.yaml").run(recipe=None)
    assert report.ok
    assert report.done["analyse"] == 1
    ds = open_together("study").sel(LABELS)
    assert ds.layer.values.tolist() == [0, 2]
    session = str(ds.session.values[0])
    counts = load_responses(StudyStore.open(Path("study")), "timit", 50.0, session)
    features = open_features("study")["timit", "small_whisper", "reset"]
    X = {
        i: np.hstack([resample(features.frames(k, i).astype(float), 7 + counts.bins[i], axis=0) for k in (0, 2)])
        for i in features.layout.stimuli
    }
    alpha, score, r, _ = fit_and_score(
        [X[i] for i in counts.train_ids],
        [counts.train_trials[i] for i in counts.train_ids],
        [X[i] for i in counts.test_ids],
        [counts.test_trials[i] for i in counts.test_ids],
        lags=range(5),
        lead_in=7,
        alphas=np.logspace(-5, 15, 21),
        folds=assign_folds(len(counts.train_ids), 3, 0),
        standardize=True,
    )
    found = ds.isel(unit=slice(0, 3))
    np.testing.assert_array_equal(found.alpha, alpha)
    np.testing.assert_allclose(found.cv_score, score.max(axis=0), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.r, r, rtol=1e-8, atol=1e-9)
    assert (found.band_weight == 1).all()
    explained = found.share.notnull().all("layer")
    np.testing.assert_allclose(found.share.sum("layer").values[explained], 1)


def test_bands__choose_a_penalty_for_each_layer_and_score_no_worse(write_study):
    write_study(networks=NETWORKS, together=[{"network": "small_whisper", "bands": "none"}], output="plain")
    assert Study.load("study.yaml").run(recipe=None).ok
    write_study(networks=NETWORKS, together=[{"network": "small_whisper", "candidates": 12}], output="banded")
    assert Study.load("study.yaml").run(recipe=None).ok
    plain, banded = (open_together(path).sel(LABELS) for path in ("plain", "banded"))
    assert (banded.cv_score >= plain.cv_score - 1e-12).all()
    assert (banded.band_weight.std("layer") > 0.1).any()
    np.testing.assert_allclose(banded.band_weight.mean("layer"), 1)
    assert banded.layer.values.tolist() == open_results("banded").layer.values.tolist()
    assert Study.load("study.yaml").run(recipe=None).done == {}


def test_bad_together__is_named_before_anything_runs(write_study):
    write_study(networks=NETWORKS, together=[{"network": "small_whisper", "layers": [99]}])
    with pytest.raises(ConfigError, match="layer 99 is not among those of the study"):
        Study.load("study.yaml").run(recipe=None)
    write_study(networks=NETWORKS, together=[{"network": "mel_whisper"}])
    with pytest.raises(ConfigError, match="mel_whisper is not among the networks"):
        Study.load("study.yaml")
    write_study(networks=NETWORKS)
    Study.load("study.yaml").run(recipe=None)
    with pytest.raises(StoreError, match="`together` in the study"):
        open_together("study")
