"""Every solver against a QR solution in extended precision, on features whose sums about a common mean lose digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.moments import leave_one_out, merge
from distributed_trf.trf.stream import MomentStream, moments_of
from tests.oracle import explicit_moments, extended_ridge, lag_rows

SOLVERS = ["eigh", "cholesky", "dual"]
EPSILON = 2.0**-52


def column(rng, kind, n, deviation):
    """One feature of a trial of n rows."""
    x = rng.normal(size=n)
    if kind == "saturated but for the end":
        x = 25 + deviation * x
        x[-3:] = 20 + rng.normal(size=min(3, n))
    return {"sparse": np.maximum(x - 1.5, 0), "constant": np.full(n, 0.1)}.get(kind, x)


def features(rng, kinds, lengths, *, lead_in=0, offset=0.0):
    """Trials of the kinds of features asked for, and a copy of the first where ``copy`` is asked for."""
    deviations = 10.0 ** rng.integers(-9, -2, size=len(kinds))
    X = []
    for t in lengths:
        columns = [column(rng, kind, lead_in + t, e) for kind, e in zip(kinds, deviations, strict=True)]
        X.append(np.stack([columns[0] if k == "copy" else x for k, x in zip(kinds, columns, strict=True)], 1) + offset)
    return X


def largest_error(trf, X, Y, lead_in, lags, alpha, *, standardize):
    """Largest error of a prediction and what it may be.

    The normal equations' condition number times the size of predictions, and what the products of raw features and
    weights that a prediction is a sum of are rounded by: 128 units in the last place of both together.
    """
    rows, y = lag_rows(X, lags, lead_in), np.concatenate(Y)
    predict, condition = extended_ridge(rows, y, alpha, standardize=standardize)
    expected = predict(rows)
    found = np.concatenate(trf.predict(X)) - y.mean(axis=0)
    weights = np.abs(trf.coef_.transpose(2, 1, 0).reshape(rows.shape[1], -1))
    terms = (np.abs(rows) @ weights + np.abs(trf.intercept_)).max() + np.abs(y).max()
    size = float(np.abs(expected).max())
    return float(np.abs(found - expected).max()), size, 128 * EPSILON * (condition * size + terms)


@given(
    seed=st.integers(0, 2**32 - 1),
    kinds=st.lists(
        st.sampled_from(["plain", "saturated but for the end", "sparse", "constant", "copy"]), min_size=1, max_size=4
    ),
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=9) | st.lists(st.integers(1, 5), min_size=2, max_size=12),
    first=st.integers(-12, 3),
    n_lags=st.integers(1, 13),
    lead_in=st.sampled_from([0, 0, 3, 7]),
    offset=st.sampled_from([0.0, 16.0, 1e3, 1e6]),
    alpha=st.sampled_from([1e-5, 1e-3, 1e-1, 1e1]),
    standardize=st.booleans(),
)
@settings(max_examples=80)
def test_predictions__have_the_digits_that_the_condition_of_the_data_leaves(
    seed, kinds, lengths, first, n_lags, lead_in, offset, alpha, standardize
):
    """Lags may lie outside every trial, and there may be more columns than rows."""
    rng = np.random.default_rng(seed)
    X = features(rng, kinds, lengths, lead_in=lead_in, offset=offset)
    Y = [rng.normal(size=(t, 2)) for t in lengths]
    lags = list(range(first, first + n_lags))
    assume(any(-max(lengths) < lag < max(lengths) + lead_in for lag in lags))
    rows = lag_rows(X, lags, lead_in)
    if not standardize:
        alpha *= max(float(rows.std(axis=0).max()), 1e-9) ** 2  # relative to the features
    for solver in SOLVERS:
        trf = TRF(first / 10, lags[-1] / 10, 10.0, [alpha], 2, lead_in, standardize, solver=solver).fit(X, Y)
        error, _, allowed = largest_error(trf, X, Y, lead_in, lags, alpha, standardize=standardize)
        assert error <= allowed, solver
        constant = (rows == rows[0]).all(axis=0).reshape(n_lags, -1)
        np.testing.assert_array_equal(trf.coef_.transpose(0, 2, 1)[:, constant], 0)


@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("seed", range(4))
def test_lags_that_no_trial_reaches__have_no_weight(solver, seed):
    rng = np.random.default_rng(seed)
    longest = int(rng.integers(1, 5))
    lengths = [longest, *rng.integers(1, longest + 1, size=int(rng.integers(20, 60)))]
    X = features(rng, ["plain"] * int(rng.integers(1, 9)), lengths)
    Y = [x[:, :1] + rng.normal(size=(len(x), 1)) for x in X]
    trf = TRF(-0.3, 0.3, solver=solver).fit(X, Y)
    reached = np.abs(np.arange(-6, 7)) < longest
    np.testing.assert_array_equal(trf.coef_[:, :, ~reached], 0)
    assert (trf.coef_[:, :, reached] != 0).all()
    dual = TRF(-0.3, 0.3, solver="dual").fit(X, Y)
    np.testing.assert_array_equal(trf.alpha_, dual.alpha_)
    np.testing.assert_allclose(trf.coef_, dual.coef_, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("deviation", [1e-3, 1e-5, 1e-7, 1e-9])
def test_saturated_features__have_the_predictions_of_their_own_rows(solver, deviation):
    """As far as the products of raw features and weights allow that a prediction is a sum of: 25 / deviation of it."""
    rng = np.random.default_rng(0)
    X = [25 + deviation * rng.normal(size=(78, 4)) for _ in range(12)]
    for x in X:
        x[-3:] = 20 + rng.normal(size=(3, 4))
    Y = [rng.poisson(1.0, (60, 3)).astype(float) for _ in X]
    trf = TRF(0, 0.25, 20.0, [1e-3], lead_in=18, solver=solver).fit(X, Y)
    error, size, allowed = largest_error(trf, X, Y, 18, range(6), 1e-3, standardize=True)
    assert error <= min(allowed, 1e-9 * size * max(1, 1e-5 / deviation))
    assert trf.fallbacks_ == ()


KINDS = ["plain", "saturated but for the end", "sparse", "constant", "copy"]


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    first=st.integers(-3, 2),
    lead_in=st.integers(0, 4),
    offset=st.sampled_from([0.0, 1e3, 1e6]),
    block_rows=st.sampled_from([1, 25, 2048]),
    data=st.data(),
)
def test_sums__of_each_column_have_the_digits_of_its_own_rows(seed, lengths, first, lead_in, offset, block_rows, data):
    """Not those of the same feature at the lag where it varies most; and X'X is symmetric to the last bit."""
    rng, n, lags = np.random.default_rng(seed), len(lengths), list(range(first, first + 4))
    X = features(rng, KINDS, lengths, lead_in=lead_in, offset=offset)
    Y = [rng.normal(size=(t, 2)) for t in lengths]
    counts = data.draw(st.just([1] * n) | st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    stream = MomentStream(lags, lead_in, block_rows=block_rows)
    for x, y, count in zip(X, Y, counts, strict=True):
        stream.add(x, y, weight=count)
    gram, (cross,) = (moments := stream.moments()).gram, moments.cross
    order = [i for i, count in enumerate(counts) for _ in range(count)]
    rows, y = lag_rows([X[i] for i in order], lags, lead_in), np.concatenate([Y[i] for i in order])
    expected = explicit_moments(rows, y)
    root = np.sqrt(np.diag(expected["xx"]))
    slack = EPSILON * np.abs(rows).max(axis=0) * len(rows) ** 0.5  # of the means of blocks
    lost = 1e-11 * root + 8 * slack
    assert (np.abs(gram.xx - expected["xx"]) <= np.maximum.outer(lost, lost) * (root[:, None] + root)).all()
    assert (np.abs(cross.xy - expected["xy"]) <= lost[:, None] * np.sqrt(expected["yy"])).all()
    np.testing.assert_array_equal(gram.xx, gram.xx.T)
    constant = (rows == rows[0]).all(axis=0)
    for found in (gram, cross):
        np.testing.assert_array_equal(found.constant, np.where(constant, rows[0], np.nan))
        np.testing.assert_array_equal(found.x_mean[constant], rows[0][constant])
    np.testing.assert_array_equal(gram.xx[constant], 0)
    np.testing.assert_array_equal(cross.xy[constant], 0)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 6), block_rows=st.sampled_from([1, 60]))
def test_constants__are_those_of_the_rows_that_are_merged_or_presented_to_a_group(seed, n, block_rows):
    """Each trial's features are constant at one of two values, or vary."""
    rng, lags = np.random.default_rng(seed), [0, 1]
    values, presented = rng.choice([0.1, 7.3, np.nan], size=(n, 3)), rng.random((n, 2)) < 0.7
    X = [np.where(np.isnan(v), rng.normal(size=(21, 3)), v) for v in values]
    Y = [rng.normal(size=(20, 2)) for _ in X]

    def expected(trials):
        rows = lag_rows([X[i] for i in trials], lags, 1)
        return np.where((rows == rows[0]).all(axis=0), rows[0], np.nan)

    stream = MomentStream(lags, 1, groups=[1, 1], block_rows=block_rows)
    for x, y, h in zip(X, Y, presented, strict=True):
        stream.add(x, y, presented=h.tolist())
    whole = stream.moments()
    np.testing.assert_array_equal(whole.gram.constant, expected(range(n)))
    for g, cross in enumerate(whole.cross):
        own, lost = (np.flatnonzero(presented[:, g] == h) for h in (True, False))
        if len(own):
            np.testing.assert_array_equal(cross.constant, expected(own))
        if len(own) and len(lost):
            rest = whole.gram.without(cross.missing, cross.constant)
            np.testing.assert_array_equal(rest.constant, expected(own))
            np.testing.assert_array_equal(rest.xx[~np.isnan(rest.constant)], 0)
            np.testing.assert_array_equal(rest.xx, rest.xx.T)
    parts = [moments_of([x], [y], lags, 1) for x, y in zip(X, Y, strict=True)]
    np.testing.assert_array_equal(merge(parts).gram.constant, expected(range(n)))
    for k, rest in enumerate(leave_one_out(parts)):
        np.testing.assert_array_equal(rest.gram.constant, expected([i for i in range(n) if i != k]))
        np.testing.assert_array_equal(rest.gram.xx, rest.gram.xx.T)
