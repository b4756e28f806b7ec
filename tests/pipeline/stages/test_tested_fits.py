"""Studies tested by folds, given splits and left-out groups, against explicit fits of each split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import open_features, open_results
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds
from tests.oracle import correlation, fit_and_score
from tests.small_recordings import ALPHAS, ORDERS, TEST, TRAIN

LABELS = {"stimuli": "tones", "network": "mel_librosa", "weights": "fixed", "bin_width": 50}
ALL = TRAIN + TEST
TALKERS = dict(zip(ALL, "abcabcabc", strict=True))
GIVEN = {"early": ["t1", "a1"], "late": ["t2", "a1"]}  # overlapping tests; a2 is not used in the second
UNUSED = {"early": [], "late": ["a2"]}


def write_tables():
    rows = [
        f"{split},{i},{'test' if i in tested else 'unused' if i in UNUSED[split] else 'train'}"
        for split, tested in GIVEN.items()
        for i in ALL
    ]
    Path("splits.csv").write_text("\n".join(["split,stimulus,part", *rows]))
    Path("stimuli.csv").write_text("\n".join(["stimulus,talker", *(f"{i},{t}" for i, t in TALKERS.items())]))


def outer_folds(n):
    """Stimuli of each outer fold."""
    return [[ALL[i] for i in fold] for fold in assign_folds(len(ALL), n, 0)]


def dealt(scheme, n_folds):
    """Test stimuli and inner folds of each split, by its label."""
    if scheme == "splits":
        train = {s: [i for i in ALL if i not in GIVEN[s] + UNUSED[s]] for s in GIVEN}
        return {
            s: (GIVEN[s], [[t[i] for i in fold] for fold in assign_folds(len(t), n_folds, 0)]) for s, t in train.items()
        }
    if scheme == "folds":
        outer = dict(zip("0123", outer_folds(4), strict=True))
    else:
        outer = {t: [i for i in ALL if TALKERS[i] == t] for t in "abc"}
    splits = {}
    for label, tested in outer.items():
        others = [fold for other, fold in outer.items() if other != label]
        inner = assign_folds(len(others), n_folds, 0)
        splits[label] = tested, [[i for k in fold for i in others[k]] for fold in inner]
    return splits


SCHEMES = {
    "folds": {"folds": 4},
    "splits": {"splits": "splits.csv"},
    "leave_out": {"leave_out": "talker", "table": "stimuli.csv"},
}


def explicit(session, splits, training, scaling):
    """Results of a session, each split fitted on stacked trials: r, fold_r, fold_alpha, cv_score."""
    counts = load_responses(StudyStore.open(Path("study")), "tones", 50.0, session)
    features = open_features("study")["tones", "mel_librosa", "fixed"]
    X = {i: resample(x.astype(float), 2 + counts.bins[i], axis=0) for i, x in features.iterate(0)}
    there = set(counts.train_ids)
    repeats = min(counts.trials(i).shape[0] for tested, _ in splits.values() for i in tested if i in there)
    found, predicted, recorded = [], [], []
    for tested, folds in splits.values():
        fold_of = {i: k for k, fold in enumerate(folds) for i in fold}
        trials = []
        for i in (i for i in ALL if i in fold_of and i in there):
            every = counts.trials(i)
            used = {"first": every[:1], "mean": [every.mean(axis=0)], "all": every}[training]
            trials += [(i, y) for y in used]
        absent = [i for i in fold_of if i not in there] if scaling == "shared" else []
        test = [i for i in tested if i in there]
        alpha, scores, r, prediction = fit_and_score(
            [X[i] for i, _ in trials],
            [y for _, y in trials],
            [X[i] for i in test],
            [counts.trials(i)[:repeats] for i in test],
            lags=range(2),
            lead_in=2,
            alphas=ALPHAS,
            folds=[[j for j, (i, _) in enumerate(trials) if fold_of[i] == k] for k in range(len(folds))],
            standardize=True,
            unheard=[[X[i] for i in absent if fold_of[i] == k] for k in range(len(folds))],
        )
        found.append((r, alpha, scores.max(axis=0)))
        predicted.append(prediction)
        recorded.append(np.concatenate([counts.trials(i)[:repeats] for i in test], axis=1))
    fold_r, fold_alpha, score = (np.array(part) for part in zip(*found, strict=True))
    predicted, recorded = np.concatenate(predicted), np.concatenate(recorded, axis=1)
    each = [[correlation(y[:, u], predicted[:, u]) for u in range(y.shape[1])] for y in recorded]
    return np.nan_to_num(each).mean(axis=0), fold_r, fold_alpha, score.mean(axis=0), repeats


@pytest.mark.parametrize(
    ("scheme", "solver", "training", "scaling", "n_folds"),
    [
        ("folds", "eigh", "all", "shared", 3),
        ("folds", "dual", "first", "per_session", 2),
        ("splits", "eigh", "first", "shared", 3),
        ("splits", "dual", "mean", "per_session", 3),
        ("leave_out", "cholesky", "first", "shared", 2),
    ],
)
def test_study__equals_the_explicit_fit_of_each_split(run_generic, scheme, solver, training, scaling, n_folds):
    write_tables()
    ridge = {"alphas": ALPHAS.tolist(), "solver": solver, "scaling": scaling, "n_folds": n_folds}
    run_generic(test=SCHEMES[scheme], ridge=ridge, training=training)
    ds, splits = open_results("study").sel(LABELS).sel(layer=0), dealt(scheme, n_folds)
    assert ds.split.values.tolist() == list(splits)
    used = set()
    for session in ORDERS:  # the last one lacks a sound
        found = ds.isel(unit=ds.session.values == session)
        r, fold_r, fold_alpha, score, repeats = explicit(session, splits, training, scaling)
        np.testing.assert_allclose(found.fold_r, fold_r, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.fold_alpha, fold_alpha, rtol=1e-12)
        np.testing.assert_allclose(found.r, fold_r.mean(axis=0) if scheme == "splits" else r, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.alpha, np.exp(np.log(fold_alpha).mean(axis=0)), rtol=1e-12)
        np.testing.assert_allclose(found.cv_score, score, rtol=1e-9, atol=1e-9)
        used.add(repeats)
    assert used == ({1, 2} if scheme == "splits" else {1})
