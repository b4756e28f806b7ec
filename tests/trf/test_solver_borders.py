"""Every solver gives the explicit solution where shapes and numbers are at the border of what it takes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf import TRF
from distributed_trf.errors import DataError
from tests.oracle import fit_and_score

SOLVERS = ("auto", "eigh", "cholesky", "dual")
ALPHAS = [1e-4, 1e-2, 1.0, 1e2]


def trials(rng, n_trials, n_bins, n_features, n_units):
    X = [rng.normal(size=(n_bins, n_features)) for _ in range(n_trials)]
    mixed = rng.normal(size=(n_features, n_units)) / n_features
    return X, [x @ mixed + 0.3 * rng.normal(size=(n_bins, n_units)) for x in X]


def check(X, Y, test, *, n_lags=1, standardize, folds, **options):
    """Hold all solvers against the explicit fit."""
    expected = fit_and_score(
        X, Y, test[0], [y[None] for y in test[1]],
        lags=range(n_lags), lead_in=0, alphas=ALPHAS, folds=folds, standardize=standardize,
    )  # fmt: skip
    for solver in SOLVERS:
        trf = TRF(0.0, (n_lags - 1) / 10, 10.0, ALPHAS, solver=solver, standardize=standardize, **options)
        trf.fit(X, Y, folds)
        np.testing.assert_allclose(trf.cv_scores_, expected[1], rtol=1e-9, atol=1e-9, err_msg=solver)
        np.testing.assert_array_equal(trf.alpha_, expected[0], err_msg=solver)
        np.testing.assert_allclose(trf.correlate(*test), expected[2], rtol=1e-9, atol=1e-9, err_msg=solver)
        np.testing.assert_allclose(np.concatenate(trf.predict(test[0])), expected[3], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("n_units", [1, 5])
@pytest.mark.parametrize("more", [-3, 0, 3])
def test_about_as_many_rows_as_columns__one_unit_and_more(more, n_units, standardize):
    """12 columns, and 9 to 15 rows in all."""
    rng = np.random.default_rng(more + 10 * n_units)
    X, Y = trials(rng, 3, 4 + more // 3, 4, n_units)
    check(X, Y, trials(rng, 2, 30, 4, n_units), n_lags=3, standardize=standardize, folds=[[0], [1], [2]])


@settings(max_examples=25, deadline=None)
@given(
    n_bins=st.integers(1, 3), n_features=st.integers(1, 6), n_units=st.integers(1, 3), n_trials=st.integers(4, 9),
    standardize=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_as_many_folds_as_trials__of_a_bin_or_a_few(n_bins, n_features, n_units, n_trials, standardize, seed):
    """With one bin in each trial, as one value for each sound, a fold is a single row of a kernel."""
    rng = np.random.default_rng(seed)
    X, Y = trials(rng, n_trials, n_bins, n_features, n_units)
    folds = [[i] for i in range(n_trials)]
    check(X, Y, trials(rng, 3, 20, n_features, n_units), standardize=standardize, folds=folds)


@pytest.mark.parametrize("standardize", [True, False])
def test_features_in_half_precision__are_the_numbers_that_they_are(standardize):
    rng = np.random.default_rng(5)
    X, Y = trials(rng, 6, 20, 5, 3)
    halves = [x.astype(np.float16) for x in X]
    exact = [x.astype(np.float64) for x in halves]
    for solver in SOLVERS:
        one, other = (TRF(tmax=0.1, solver=solver, standardize=standardize).fit(x, Y) for x in (halves, exact))
        np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(one.alpha_, other.alpha_)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(("precision", "size"), [("float32", 1e16), ("float64", 1e150)])
def test_large_features__are_fitted_up_to_the_range_of_a_precision_and_refused_beyond(
    solver, standardize, precision, size
):
    rng = np.random.default_rng(1)
    X, Y = trials(rng, 6, 40, 6, 2)
    scale = 1.0 if standardize else size**2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options = {"solver": solver, "standardize": standardize, "precision": precision, "tmax": 0.1}
        plain = TRF(alphas=ALPHAS, **options).fit(X[:4], Y[:4])
        large = TRF(alphas=np.multiply(ALPHAS, scale), **options).fit([x * size for x in X[:4]], Y[:4])
        r = large.correlate([x * size for x in X[4:]], Y[4:])
        np.testing.assert_allclose(r, plain.correlate(X[4:], Y[4:]), atol=1e-4 if precision == "float32" else 1e-9)
        with pytest.raises(DataError, match=rf"X\[3\] reaches .*beyond .* are no {precision} numbers .*scale"):
            TRF(alphas=ALPHAS, **options).fit([*X[:3], X[3] * size * 1e4], Y[:4])
