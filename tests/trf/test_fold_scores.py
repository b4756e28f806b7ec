"""Held-out scores from moments against those of explicit predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.trf.crossval import fit_folds
from distributed_trf.trf.fold_collector import collect_trials
from distributed_trf.trf.fold_scores import SharedForms, form_of, forms, forms_where, gains
from distributed_trf.trf.kernel_folds import FoldTrials
from distributed_trf.trf.moment_folds import MomentFolds
from distributed_trf.trf.solvers import NEGLIGIBLE
from tests.hard_units import (
    ALPHAS,
    LAGS,
    LEAD_IN,
    features,
    folds_that_lack_trials,
    hard_units,
    validations,
)
from tests.oracle import lag_rows


def explicit_gain(X, Y, k, alpha):
    """What the weights add to R^2 on fold k of 3, in extended precision, and the sum of its two terms' sizes."""
    train = [i for i in range(len(X)) if i % 3 != k]
    rows, y = lag_rows([X[i] for i in train], LAGS, LEAD_IN), np.concatenate([Y[i] for i in train])
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    z = (rows - mean) / scale
    gram = z.T @ z + len(z) * alpha * np.eye(z.shape[1])
    w = np.linalg.solve(gram, z.T @ (y - y.mean(axis=0))).astype(np.longdouble)
    held, held_y = lag_rows(X[k::3], LAGS, LEAD_IN), np.concatenate(Y[k::3]).astype(np.longdouble)
    moved = ((held - mean) / scale).astype(np.longdouble) @ w
    spread = ((held_y - held_y.mean(axis=0)) ** 2).sum(axis=0)
    products = 2 * moved * (held_y - y.mean(axis=0)) / spread
    squares = moved**2 / spread
    return (products - squares).sum(axis=0), np.sqrt((products**2).sum(axis=0)) + squares.sum(axis=0)


@given(seed=st.integers(0, 2**32 - 1), duplicates=st.integers(0, 2), solver=st.sampled_from(["eigh", "cholesky"]))
@settings(max_examples=12)
def test_gains__are_what_explicit_predictions_add_to_r_squared_at_every_penalty(seed, duplicates, solver):
    """Relative to the gain's own size, which is 1e-15 where a penalty of 1e15 is all that is left."""
    rng = np.random.default_rng(seed)
    X = features(rng, 6, 4, 25, duplicates=duplicates)
    Y = hard_units(rng, X, 7)
    shared = 0
    for k, v in enumerate(validations(X, Y, solver)):
        found = gains(v, ALPHAS, unit_block=3)
        shared += sum(v.n * alpha >= v.solver.largest / NEGLIGIBLE for alpha in ALPHAS)
        for a, alpha in enumerate(ALPHAS):
            expected, size = explicit_gain(X, Y, k, alpha)
            assert (np.abs(found[a] - expected) <= 1e-9 * size).all()
    assert shared > 3 * 5  # otherwise the forms that large penalties share have not been tried


def test_base__is_the_r_squared_of_predicting_the_training_mean():
    rng = np.random.default_rng(0)
    X = features(rng, 6, 2, 20)
    Y = [y + i for i, y in enumerate(hard_units(rng, X, 4))]
    for k, v in enumerate(validations(X, Y)):
        train, held = np.concatenate([y for i, y in enumerate(Y) if i % 3 != k]), np.concatenate(Y[k::3])
        spread = ((held - held.mean(axis=0)) ** 2).sum(axis=0)
        expected = 1 - ((held - train.mean(axis=0)) ** 2).sum(axis=0) / spread
        np.testing.assert_allclose(v.base, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["eigh", "cholesky", "dual"])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_unit_that_never_varies_on_the_held_out_rows__has_r_squared_zero(solver, value):
    """As in scikit-learn; not the ratio of two roundings."""
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(12, 2)) for _ in range(6)]
    Y = [rng.normal(size=(10, 2)) for _ in X]
    for y in Y[::3]:
        y[:, 0] = value
    folds = [FoldTrials(X[k::3], Y[k::3]) for k in range(3)]
    collected = collect_trials(folds, LAGS, LEAD_IN, 1, solver=solver)
    found = fit_folds(collected, [1.0]).cv_scores[0]
    expected = []
    for k in range(3):
        rows = lag_rows([x for i, x in enumerate(X) if i % 3 != k], LAGS, LEAD_IN)
        y = np.concatenate([y for i, y in enumerate(Y) if i % 3 != k])
        mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
        z = (rows - mean) / scale
        w = np.linalg.solve(z.T @ z + len(z) * np.eye(6), z.T @ (y - y.mean(axis=0)))
        held = np.concatenate(Y[k::3])
        residual = held - y.mean(axis=0) - ((lag_rows(X[k::3], LAGS, LEAD_IN) - mean) / scale) @ w
        spread = ((held - held.mean(axis=0)) ** 2).sum(axis=0)
        varies = np.array([k > 0, True])
        expected.append(np.where(varies, 1 - (residual**2).sum(axis=0) / np.where(varies, spread, 1), 0))
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-9)


def test_shared_forms__are_those_of_each_penalty_over_the_rows_presented_to_the_units():
    rng = np.random.default_rng(9)
    X = features(rng, 6, 4, 20)
    folds = MomentFolds(folds_that_lack_trials(X, hard_units(rng, X, 30)), solver="eigh")
    for v in (of_group.of_units(slice(None)) for of_group in next(iter(folds.validations(21)))):
        shared, everyone = SharedForms(v), slice(0, v.base.shape[0])
        shifts = [v.n * alpha for alpha in ALPHAS if v.n * alpha >= v.solver.largest / NEGLIGIBLE]
        assert len(shifts) > 4
        for shift in shifts:
            w = v.solver.at(shift)(v.projected)
            np.testing.assert_allclose(shared.form(w, shift, everyone), form_of(v.quadratic, w, v.removed), rtol=1e-9)
    assert v.removed is not None


def test_forms_where__are_those_of_all_where_wanted():
    rng = np.random.default_rng(5)
    X = features(rng, 6, 3, 30)
    (v, *_) = validations(X, hard_units(rng, X, 9))
    wanted = rng.random((len(ALPHAS), 9)) < 0.3
    wanted[3] = False
    expected, found = forms(v, v.solver, ALPHAS, 512), forms_where(v, v.solver, ALPHAS, wanted, unit_block=2)
    np.testing.assert_allclose(found[wanted], expected[wanted], rtol=1e-11, atol=0)
