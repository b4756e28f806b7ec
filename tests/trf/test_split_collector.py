"""Fits of many splits from sums that all of them share, against the explicit fit of each split's own trials."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import DataError
from distributed_trf.trf.crossval import fit_folds, predict_folds
from distributed_trf.trf.fold_collector import FoldCollector
from distributed_trf.trf.kernel_folds import KernelFolds
from distributed_trf.trf.lags import drive, drive_rounding
from distributed_trf.trf.moment_folds import MomentFolds
from distributed_trf.trf.split_collector import SplitCollector
from distributed_trf.trf.splits import given_splits, nested_folds
from tests.oracle import fit_and_score

LAGS, LEAD_IN, ALPHAS = [-1, 0, 1, 2], 2, [1e-3, 1e-1, 1e1]


def simulated(rng, n_trials):
    """Trials of unequal length."""
    readout = rng.normal(size=(3, 2))
    X = [rng.normal(size=(LEAD_IN + t, 3)) + 5 for t in rng.integers(4, 12, n_trials)]
    return X, [x[LEAD_IN:] @ readout + rng.normal(size=(len(x) - LEAD_IN, 2)) for x in X]


def drawn_splits(rng, scheme, n):
    """Nested folds, of single stimuli or of groups, or given splits that overlap."""
    if scheme == "folds":
        return nested_folds(range(n), 4, 3, seed=1)
    if scheme == "groups":
        return nested_folds(["a", "b", "c", "d"] + rng.choice(list("abcd"), n - 4).tolist(), None, 2, seed=1)
    orders = [rng.permutation(n) for _ in range(3)]
    return given_splits(n, [o[3:] for o in orders], [o[:2] for o in orders], 2, seed=1)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    scheme=st.sampled_from(["folds", "groups", "given"]),
    solver=st.sampled_from(["eigh", "cholesky", "dual"]),
)
def test_each_split__equals_the_explicit_fit_of_its_own_trials(seed, scheme, solver):
    rng = np.random.default_rng(seed)
    X, Y = simulated(rng, 9)
    splits = drawn_splits(rng, scheme, len(X))
    collector = SplitCollector(splits, FoldCollector(LAGS, LEAD_IN, 0, [2], solver=solver))
    for i in rng.permutation(len(X)):
        collector.add(i, X[i], Y[i])
    for k, split in enumerate(splits.splits):
        fit = fit_folds(collector.folds(k), ALPHAS)
        training, tested = splits.members(split.training), splits.members(split.test)
        held_out = [[training.index(i) for i in splits.members(fold)] for fold in split.folds]
        alpha, scores, _, predicted = fit_and_score(
            [X[i] for i in training],
            [Y[i] for i in training],
            [X[i] for i in tested],
            [Y[i][None] for i in tested],
            lags=LAGS,
            lead_in=LEAD_IN,
            alphas=ALPHAS,
            folds=held_out,
            standardize=True,
        )
        np.testing.assert_allclose(fit.cv_scores, scores, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(fit.alpha, alpha)
        found = drive([X[i] for i in tested], fit.weights, LAGS, LEAD_IN) + fit.intercept
        np.testing.assert_allclose(found, predicted, rtol=1e-9, atol=1e-9)


def test_a_fold_without_trials__is_named():
    X, Y = simulated(np.random.default_rng(0), 6)
    for solver in ("eigh", "dual"):
        collector = SplitCollector(
            nested_folds(range(6), 6, 5, seed=0), FoldCollector(LAGS, LEAD_IN, 0, [1, 1], solver=solver)
        )
        for i in range(5):
            collector.add(i, X[i], Y[i], [True, i > 0])
        with pytest.raises(DataError, match="no trial of fold . was presented to group 0"):
            collector.folds(0)


def test_nothing_collected__is_refused():
    collector = SplitCollector(nested_folds(range(6), 3, 2, seed=0), FoldCollector(LAGS, LEAD_IN, 0, [2]))
    with pytest.raises(DataError, match="no trial was added"):
        collector.folds(0)


@pytest.mark.parametrize("solver", ["eigh", "dual"])
@pytest.mark.parametrize("scheme", ["folds", "given"])
def test_missing_trials__each_group_is_fitted_on_what_was_presented_to_it(scheme, solver):
    """With the scaling of its own trials, so that it is the fit of that group alone."""
    rng = np.random.default_rng(1)
    X, Y = simulated(rng, 12)
    splits = drawn_splits(rng, scheme, 12)
    lacks = [splits.members(split.training)[-1] for split in splits.splits[:2]]
    presented = [[True, i not in lacks] for i in range(12)]
    common = {"solver": solver, "scaling": "per_session"}
    both = SplitCollector(splits, FoldCollector(LAGS, LEAD_IN, 0, [1, 1], **common))
    alone = SplitCollector(splits, FoldCollector(LAGS, LEAD_IN, 0, [1], **common))
    for i in range(12):
        both.add(i, X[i], Y[i], presented[i])
        if presented[i][1]:
            alone.add(i, X[i], Y[i][:, 1:])
    for k, split in enumerate(splits.splits):
        fit, expected = fit_folds(both.folds(k), ALPHAS), fit_folds(alone.folds(k), ALPHAS)
        np.testing.assert_allclose(fit.weights[:, 1:], expected.weights, rtol=1e-8, atol=1e-10)
        tested = [X[i] for i in splits.members(split.test)]
        for folds, weights in ((both, fit), (alone, expected)):
            found = predict_folds(folds.folds(k), ALPHAS, tested, LAGS, LEAD_IN)
            driven = drive(tested, weights.weights, LAGS, LEAD_IN) + weights.intercept
            np.testing.assert_allclose(found.predicted + found.mean, driven, rtol=1e-9, atol=1e-9)
            np.testing.assert_array_equal(found.alpha, weights.alpha)
            np.testing.assert_allclose(found.cv_score, weights.cv_scores.max(axis=0), rtol=1e-9)
            bound = drive_rounding(tested, weights.weights, len(LAGS), weights.inverse)
            np.testing.assert_allclose(found.rounding[:, :1], bound[:, :1], rtol=1e-6)


@pytest.mark.parametrize(("solver", "method"), [("eigh", "_primal"), ("dual", "_eigen")])
def test_shared_training_sets__are_factorised_once(monkeypatch, solver, method):
    """Of 5 outer folds with 4 inner folds: 10 sets without two of them, and 5 without one; 25 if each did its own."""
    rng = np.random.default_rng(2)
    X, Y = simulated(rng, 10)
    splits = nested_folds(range(10), 5, 4, seed=0)
    kind = MomentFolds if solver == "eigh" else KernelFolds
    counted, own = [], getattr(kind, method)
    monkeypatch.setattr(kind, method, lambda *args: counted.append(1) or own(*args))
    collector = SplitCollector(splits, FoldCollector(LAGS, LEAD_IN, 0, [2], solver=solver))
    for i in range(10):
        collector.add(i, X[i], Y[i])
    shared = [fit_folds(collector.folds(k), ALPHAS) for k in range(5)]
    assert len(counted) <= 16  # five sets are kept, of six that wait for their second use at once
    for k in reversed(range(5)):  # in any order, and again
        fit = fit_folds(collector.folds(k), ALPHAS)
        np.testing.assert_allclose(fit.cv_scores, shared[k].cv_scores, rtol=1e-12)
        np.testing.assert_array_equal(fit.alpha, shared[k].alpha)


def test_shared_training_sets__of_some_of_the_features_are_not_those_of_all():
    rng = np.random.default_rng(3)
    X, Y = simulated(rng, 8)
    splits = nested_folds(range(8), 4, 3, seed=0)
    for solver in ("eigh", "dual"):
        every, some = (SplitCollector(splits, FoldCollector(LAGS, LEAD_IN, 0, [2], solver=solver)) for _ in range(2))
        for i in range(8):
            every.add(i, X[i], Y[i])
            some.add(i, X[i][:, [0, 2]], Y[i])
        for k in range(4):
            folds = every.folds(k)
            fit_folds(folds, ALPHAS)
            found = fit_folds(folds.of_features(np.array([0, 2]), 3), ALPHAS)
            np.testing.assert_allclose(found.cv_scores, fit_folds(some.folds(k), ALPHAS).cv_scores, rtol=1e-9)
