"""Fits from moments that were weighted, subtracted or merged, against the explicit fit of the trials they stand for."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf import arrays
from distributed_trf.config.study import RidgeSettings
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.lags import drive
from distributed_trf.trf.moment_folds import fit_moments
from distributed_trf.trf.stream import moments_of
from tests.oracle import fit_and_score

LAGS, LEAD_IN, ALPHAS = [-1, 0, 1, 2], 2, [1e-3, 1e-1, 1e1]
SOLVERS = st.sampled_from(["eigh", "cholesky"])


def simulated(rng, n_trials):
    """Trials of unequal length, and three to test on."""
    readout = rng.normal(size=(3, 2))
    X = [rng.normal(size=(LEAD_IN + t, 3)) + 5 for t in rng.integers(6, 20, n_trials + 3)]
    Y = [x[LEAD_IN:] @ readout + rng.normal(size=(len(x) - LEAD_IN, 2)) for x in X]
    return X[:n_trials], Y[:n_trials], X[n_trials:], [y[None] for y in Y[n_trials:]]


def check(folds, trials, X, Y, X_test, Y_test, solver):
    """Hold a fit of moments of folds against the explicit fit of trials, given by index for each fold."""
    order = [i for fold in trials for i in fold]
    borders = np.cumsum([0, *map(len, trials)])
    explicit_folds = [list(range(a, b)) for a, b in zip(borders, borders[1:], strict=False)]
    alpha, scores, _, predicted = fit_and_score(
        [X[i] for i in order],
        [Y[i] for i in order],
        X_test,
        Y_test,
        lags=LAGS,
        lead_in=LEAD_IN,
        alphas=ALPHAS,
        folds=explicit_folds,
        standardize=True,
    )
    fit = fit_moments(folds, ALPHAS, solver=solver)
    np.testing.assert_allclose(fit.cv_scores, scores, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(fit.alpha, alpha)
    np.testing.assert_allclose(drive(X_test, fit.weights, LAGS, LEAD_IN) + fit.intercept, predicted, rtol=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1),
    times=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(any), min_size=2, max_size=3),
    solver=SOLVERS,
)
def test_weighted__equals_the_explicit_fit_of_trials_that_stand_there_as_often(seed, times, solver):
    X, Y, X_test, Y_test = simulated(np.random.default_rng(seed), sum(map(len, times)))
    folds, repeated, first = [], [], 0
    for weights in times:
        trials = range(first, first + len(weights))
        first += len(weights)
        folds.append(moments_of([X[i] for i in trials], [Y[i] for i in trials], LAGS, LEAD_IN, weights))
        repeated.append([i for i, n in zip(trials, weights, strict=True) for _ in range(n)])
    check(folds, repeated, X, Y, X_test, Y_test, solver)


@given(seed=st.integers(0, 2**32 - 1), kept=st.integers(1, 4), taken=st.integers(1, 4), solver=SOLVERS)
def test_subtracted__equals_the_explicit_fit_of_the_trials_that_remain(seed, kept, taken, solver):
    X, Y, X_test, Y_test = simulated(np.random.default_rng(seed), 2 * (kept + taken))
    halves = [list(range(k, len(X), 2)) for k in range(2)]
    folds = [
        moments_of([X[i] for i in half], [Y[i] for i in half], LAGS, LEAD_IN)
        - moments_of([X[i] for i in half[kept:]], [Y[i] for i in half[kept:]], LAGS, LEAD_IN)
        for half in halves
    ]
    check(folds, [half[:kept] for half in halves], X, Y, X_test, Y_test, solver)


def test_folds__are_dealt_as_ever():
    """Literally, since every other test deals with the same function: who fitted before must find the same folds."""
    dealt = [[4, 6, 7], [0, 2, 3], [1, 5, 8, 9, 10]]  # the last fold takes the rest
    assert [fold.tolist() for fold in assign_folds(11, 3, 0)] == dealt
    assert [fold.tolist() for fold in assign_folds(11, 3, 1)] == [[5, 7, 10], [0, 1, 4], [2, 3, 6, 8, 9]]
    assert (TRF().n_folds, TRF().seed) == (RidgeSettings().n_folds, RidgeSettings().seed) == (3, 0)


@pytest.mark.parametrize("all_scores", [True, False])
def test_fit__of_many_units_holds_few_arrays_of_the_size_of_its_weights(all_scores):
    """Sums of three folds and the weights; whatever else there is, is a block or an array of some thousand units."""
    rng = np.random.default_rng(0)
    d, units = 64, 6000
    X = [rng.normal(size=(90, d)) for _ in range(3)]
    Y = [x @ rng.normal(size=(d, units)) + 5 * rng.normal(size=(90, units)) for x in X]
    trf = TRF(0, 0, 1, np.logspace(-5, 5, 20), standardize=False, all_scores=all_scores, solver="eigh")
    tracemalloc.start()
    try:
        trf.fit(X, Y, folds=[[0], [1], [2]])
        assert tracemalloc.get_traced_memory()[1] < 10 * 8 * d * units
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("all_scores", [True, False])
def test_many_units__take_one_array_of_the_size_of_their_products_which_is_their_weights(monkeypatch, all_scores):
    """Beside the folds' own: X'Y is merged, brought to coordinates and scored in blocks of units."""
    rng, k, n_units = np.random.default_rng(0), 60, 6000
    rows = [rng.normal(size=(70, k)) for _ in range(3)]
    folds = [moments_of([x], [x[:, :1] + rng.normal(size=(70, n_units))], [0], 0) for x in rows]
    monkeypatch.setattr(arrays, "CACHE_BYTES", 1 << 15)
    tracemalloc.start()
    fit = fit_moments(folds, ALPHAS, solver="eigh", all_scores=all_scores, unit_block=256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fit.weights.shape == (k, n_units)
    scores = len(ALPHAS) * n_units
    assert peak / 8 < 1.6 * k * n_units + 6 * scores
