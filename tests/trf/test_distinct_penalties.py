"""Penalties that cannot differ, against scoring each of them by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.trf import row_scores
from distributed_trf.trf.crossval import fit_folds
from distributed_trf.trf.distinct_penalties import Distinct
from distributed_trf.trf.fold_collector import collect_trials
from distributed_trf.trf.fold_scores import Validation
from distributed_trf.trf.kernel_folds import FoldTrials
from distributed_trf.trf.row_scores import RowValidation
from distributed_trf.trf.search import search
from distributed_trf.trf.solvers import Diagonal
from tests.hard_units import LAGS, LEAD_IN, features, hard_units

MANY = np.logspace(-50, 49, 100).tolist()
"""Over 100 decades."""


def folds_of(rng, solver, sizes, precision="float64"):
    """Three folds of features of different sizes, and units: hard ones, one of them twice, one of zeros."""
    X = features(rng, 6, 3, 12)
    Y = hard_units(rng, X, 8)
    for i, y in enumerate(Y):
        y[:, 7] *= 1 if i % 3 else -1  # learnt from two folds, wrong on the third
    Y = [np.c_[y, y[:, -1:], 0 * y[:, :1]] for y in Y]
    X = [x * sizes[i % 3] for i, x in enumerate(X)]
    trials = [FoldTrials(X[k::3], Y[k::3]) for k in range(3)]
    return collect_trials(trials, LAGS, LEAD_IN, 100, solver=solver, standardize=False, precision=precision)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    solver=st.sampled_from(["eigh", "dual"]),
    sizes=st.sampled_from([(1.0, 1.0, 1.0), (1.0, 1e3, 1.0), (1e-4, 1e4, 1.0)]),
    screen=st.booleans(),
)
def test_search__finds_what_scoring_each_penalty_by_itself_finds(seed, solver, sizes, screen):
    folds = folds_of(np.random.default_rng(seed), solver, sizes)
    (found,) = search(folds.validations(100), MANY, screen=screen, unit_block=5)
    each = sum(np.concatenate([v.gains([alpha], 512) for alpha in MANY]) for (v,) in folds.validations(100)) / 3
    best = each.argmax(axis=0)
    np.testing.assert_array_equal(found.best, best)
    known = ~np.isnan(found.gain)
    assert known[best, np.arange(10)].all()
    np.testing.assert_allclose(found.gain[known], each[known], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.largest, each.max(axis=0), rtol=1e-9, atol=1e-14)
    assert found.best[8] == found.best[7]
    assert found.best[9] == 0  # of equals the smallest
    distinct = found.distinct
    assert len(distinct.first) < 60
    assert distinct.copies < 80


def test_wrong_on_every_fold__the_last_copy_is_the_best():
    """Whatever is learnt is wrong elsewhere, so that the heaviest penalty does the least harm, not the first copy."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 1))
    folds = [FoldTrials([x], [sign * x]) for sign in (1.0, -1.0)]
    for solver in ("eigh", "cholesky", "dual"):
        fit = fit_folds(collect_trials(folds, [0], 0, 100, solver=solver), MANY)
        assert fit.alpha[0] == MANY[-1]


def test_equals__have_the_same_score_to_the_last_bit():
    folds = folds_of(np.random.default_rng(1), "eigh", (1.0, 1.0, 1.0))
    scores = fit_folds(folds, MANY).cv_scores
    np.testing.assert_array_equal(scores[:30], np.broadcast_to(scores[0], (30, 10)))


def test_distinct__of_two_folds_tells_apart_what_differs_in_one():
    one, other = Distinct((0, 5, 6, 7), 8), Distinct((0, 4, 5, 6), 7)
    assert one | other == other | one == Distinct((0, 4, 5, 6, 7), 8)
    assert Distinct((0, 3), 4) | Distinct((0, 3, 4, 5), 6) == Distinct((0, 3, 4, 5), 6)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("predicted", [4, 1024])
def test_rows__score_as_their_products_do(monkeypatch, predicted, precision):
    """At every penalty, relative to the size of the score's terms; in blocks of penalties, too."""
    monkeypatch.setattr(row_scores, "PREDICTED", predicted)
    rng = np.random.default_rng(2)
    k, h, n_units = 12, 3, 40
    rows, b, t = (rng.normal(size=shape).astype(precision) for shape in [(h, k), (k, n_units), (k, n_units)])
    solver, base = Diagonal(np.sort(rng.uniform(1, 1e4, k)).astype(precision)), np.zeros(n_units)
    by_rows = RowValidation(solver, 50.0, b, t, rows, base)
    by_products = Validation(solver, 50.0, b, t, rows.T @ rows, None, base)
    alphas = np.logspace(-6, 16, 23).tolist()
    found, expected = by_rows.gains(alphas, 7), by_products.gains(alphas, 7)
    w = np.abs(b[:, None]) * solver.inverses([50.0 * alpha for alpha in alphas])[:, :, None]
    size = np.einsum("kau,ku->au", w, np.abs(t)) + np.einsum("hk,kau->hau", np.abs(rows), w).__pow__(2).sum(axis=0)
    assert (np.abs(found - expected) <= (1e-11 if precision == "float64" else 1e-4) * size).all()
    for one, two in zip(by_rows.terms(1e30, 7), by_products.terms(1e30, 7), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9 if precision == "float64" else 1e-3)
