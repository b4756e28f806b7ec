"""Feature spaces of several networks in a study: as one model, in subsets, and beyond others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import Study, open_beyond, open_features, open_joint, open_partition, open_results, open_tree
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.results.tables import to_dataframe
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds
from tests.oracle import fit_and_score

MEL, OTHER = "mel_librosa", "mel_deepspeech2"
ALPHAS = [1.0, 1000.0]
LAST = {"tmin": 0.0, "tmax": 0.05}
SPACES = {"mel": {"network": MEL}, "other": {"network": OTHER, "layers": [0], "weights": "fixed"}}
STUDY = {
    "networks": [{"name": MEL}, {"name": OTHER}],
    "ridge": {"alphas": ALPHAS},
    "lags": LAST,
    "reliability": None,
}


def test_subsets__are_the_fits_of_their_features_and_parts_follow_from_them(write_study):
    write_study(
        **STUDY,
        joint=[{"name": "both", "spaces": [MEL, OTHER], "candidates": 4, "seed": 3}],
        partition=[
            {"name": "parts", "spaces": SPACES, "candidates": 4, "seed": 3},
            {"name": "some", "spaces": SPACES, "candidates": 4, "seed": 3, "subsets": [["other", "mel"], ["mel"]]},
        ],
        beyond=[{"spaces": [MEL], "candidates": 4, "seed": 3}],
    )
    report = Study.load("study.yaml").run(recipe=None)
    assert report.ok
    assert report.done["analyse"] == 4
    grid = open_results("study").squeeze(drop=True)
    joint, every = open_joint("study").squeeze(drop=True), open_partition("study").squeeze(["stimuli", "bin_width"])
    parts, some = (every.sel(partition=name) for name in ("parts", "some"))
    beyond = open_beyond("study").squeeze(drop=True)

    # Subsets are the fits that the study makes of the same features elsewhere.
    for label, network in (("mel", MEL), ("other", OTHER)):
        np.testing.assert_allclose(parts.r.sel(subset=label), grid.r.sel(network=network), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            parts.cv_score.sel(subset=label), grid.cv_score.sel(network=network), rtol=1e-9, atol=1e-12
        )
    np.testing.assert_allclose(parts.r.sel(subset="mel+other"), joint.r, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(beyond.r, joint.r, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(beyond.r_without, parts.r.sel(subset="mel"), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(beyond.gain, beyond.r - beyond.r_without, rtol=1e-9, atol=1e-12)

    # R^2 is that of the explicit fit, by its definition.
    session = str(parts.session.values[0])
    counts = load_responses(StudyStore.open(Path("study")), "timit", 50.0, session)
    features = open_features("study")["timit", MEL, "fixed"]
    X = {i: resample(features.frames(0, i).astype(float), 7 + counts.bins[i], axis=0) for i in features.layout.stimuli}
    *_, predicted = fit_and_score(
        [X[i] for i in counts.train_ids],
        [counts.train_trials[i] for i in counts.train_ids],
        [X[i] for i in counts.test_ids],
        [counts.test_trials[i] for i in counts.test_ids],
        lags=range(2),
        lead_in=7,
        alphas=ALPHAS,
        folds=assign_folds(len(counts.train_ids), 3, 0),
        standardize=True,
    )
    y, p = np.concatenate([counts.test_trials[i].mean(axis=0) for i in counts.test_ids]), predicted
    y, p = y - y.mean(axis=0), p - p.mean(axis=0)
    expected = 1 - ((y - p) ** 2).sum(axis=0) / (y**2).sum(axis=0)
    np.testing.assert_allclose(parts.r2.sel(subset="mel").values[: len(expected)], expected, rtol=1e-8, atol=1e-9)

    # Parts follow from R^2, and add up to that of all spaces, as the product measure does.
    mel, other, both = (parts.r2.sel(subset=name).values for name in ("mel", "other", "mel+other"))
    np.testing.assert_allclose(parts.unique.sel(subset="mel"), both - other, atol=1e-12)
    np.testing.assert_allclose(parts.unique.sel(subset="other"), both - mel, atol=1e-12)
    np.testing.assert_allclose(parts.shared.sel(subset="mel+other"), mel + other - both, atol=1e-12)
    np.testing.assert_allclose(parts["product"].sum("subset"), both, atol=1e-12)
    np.testing.assert_allclose(beyond.unique, both - mel, atol=1e-12)
    assert (np.abs(parts.unique) > 1e-6).any()

    # Of a chosen list what cannot be known is NaN, and nothing else.
    np.testing.assert_allclose(some.unique.sel(subset="other"), parts.unique.sel(subset="other"), atol=1e-12)
    assert some.r2.sel(subset="other").isnull().all()
    assert some.unique.sel(subset="mel").isnull().all()
    assert some.shared.isnull().all()

    tree, table = open_tree("study"), to_dataframe(parts)
    assert {"joint", "partition", "beyond"} <= set(tree.children)
    assert len(table) == 3 * parts.sizes["unit"]
    assert {"subset", "r2", "unique", "shared", "product", "channel"} <= set(table)
    assert Study.load("study.yaml").run(recipe=None).done == {}


def test_splits__are_each_partitioned_and_averaged(write_study):
    """Tested by folds: subsets are the fits of the grid in each split, and parts follow from the mean R^2."""
    write_study(
        **STUDY | {"ridge": {"alphas": ALPHAS, "n_folds": 2}},
        test={"folds": 3},
        joint=[{"name": "both", "spaces": SPACES, "candidates": 3}],
        partition=[{"name": "parts", "spaces": SPACES, "candidates": 3}],
        beyond=[{"spaces": [MEL], "candidates": 3}],
    )
    assert Study.load("study.yaml").run(recipe=None).ok
    grid, joint, parts, beyond = (
        found("study").squeeze(drop=True) for found in (open_results, open_joint, open_partition, open_beyond)
    )
    for name in ("r", "cv_score"):
        np.testing.assert_allclose(parts[name].sel(subset="mel+other"), joint[name], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(joint.band_weight.mean("space"), 1)
    for label, network in (("mel", MEL), ("other", OTHER)):
        of = grid.sel(network=network)
        assert of.fold_r.sizes["split"] == 3
        np.testing.assert_allclose(parts.r.sel(subset=label), of.fold_r.mean("split"), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(parts.cv_score.sel(subset=label), of.cv_score, rtol=1e-9, atol=1e-12)
    mel, other, both = (parts.r2.sel(subset=name).values for name in ("mel", "other", "mel+other"))
    np.testing.assert_allclose(parts.unique.sel(subset="mel"), both - other, atol=1e-12)
    np.testing.assert_allclose(parts.shared.sel(subset="mel+other"), mel + other - both, atol=1e-12)
    np.testing.assert_allclose(parts["product"].sum("subset"), both, atol=1e-12)
    np.testing.assert_allclose(beyond.unique, both - mel, atol=1e-12)
    assert np.isfinite(parts.r2).all()


def test_bad_spaces__are_named_before_anything_runs(write_study):
    def refused(pattern, **changes):
        write_study(**STUDY | changes)
        with pytest.raises(ConfigError, match=pattern):
            Study.load("study.yaml").run(recipe=None)

    two = [MEL, OTHER]
    refused("partition: nothing is not among the networks", partition=[{"name": "p", "spaces": [MEL, "nothing"]}])
    refused(
        "joint: .*layer 9 is not among",
        joint=[{"name": "p", "spaces": {"a": MEL, "b": {**SPACES["other"], "layers": [9]}}}],
    )
    refused(
        r"subsets: \[mel, third\] is not among the spaces; expected one or more of mel, other",
        partition=[{"name": "p", "spaces": SPACES, "subsets": [["mel", "third"]]}],
    )
    refused("mel is there twice", partition=[{"name": "p", "spaces": SPACES, "subsets": [["mel"], ["mel"]]}])
    refused("the only feature space", partition=[{"name": "p", "spaces": [MEL]}])
    refused("is there twice; label each space", joint=[{"name": "p", "spaces": [MEL, MEL]}])
    refused("partition lists p twice", partition=[{"name": "p", "spaces": two}, {"name": "p", "spaces": two}])
    seven = {f"s{k}": MEL for k in range(7)}
    refused(
        "partition: p: 7 feature spaces have 127 subsets; give at most 6", partition=[{"name": "p", "spaces": seven}]
    )
    refused(
        "beyond: p: 6 feature spaces; expected 5 at most",
        beyond=[{"name": "p", "spaces": dict(list(seven.items())[:6])}],
    )
    refused("a and b both have layer 0 of mel_librosa", joint=[{"name": "p", "spaces": {"a": MEL, "b": MEL}}])
    refused(
        "the study has weights reset, permuted of it; expected one of them",
        networks=[{"name": MEL}, {"name": "small_whisper", "weights": ["reset", "permuted"]}],
        joint=[{"name": "p", "spaces": [MEL, "small_whisper"]}],
    )
    write_study(**STUDY)
    Study.load("study.yaml").run(recipe=None)
    with pytest.raises(StoreError, match="`partition` in the study"):
        open_partition("study")
