"""Products of unscaled lagged rows against explicit lagged matrices, and how many products fits take."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.fold_scores import Validation
from distributed_trf.trf.kernel_folds import FoldTrials, KernelFolds
from distributed_trf.trf.lags import LaggedRows
from distributed_trf.trf.row_products import RowProducts
from distributed_trf.trf.row_scores import RowValidation
from tests.oracle import lag_rows


def about(rows, others, by):
    """Products of rows with others about the mean of the rows ``by``."""
    mean = by.mean(axis=0)
    return (rows - mean) @ (others - mean).T


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    others=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    first=st.integers(-11, 6),
    n_lags=st.integers(1, 12),
    lead_in=st.integers(0, 4),
    n_features=st.integers(1, 4),
    offset=st.sampled_from([0.0, 5.0, 1e4]),
    data=st.data(),
)
def test_products__are_those_of_the_lagged_matrix(
    seed, lengths, others, first, n_lags, lead_in, n_features, offset, data
):
    """Trials shorter and longer than the lags, lags that none reaches, and rows centred by any of the trials."""
    rng, lags = np.random.default_rng(seed), list(range(first, first + n_lags))
    X, new = ([offset + rng.normal(size=(lead_in + t, n_features)) for t in ts] for ts in (lengths, others))
    some = st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=len(X), unique=True)
    products, rows, of_new = (
        RowProducts(X, lags, lead_in, "float64"),
        lag_rows(X, lags, lead_in),
        lag_rows(new, lags, lead_in),
    )
    left, right, by = (products.rows_of(data.draw(some)) for _ in range(3))
    size = offset**2 + 10
    found = [products.centred(left, right, by)]
    products.forget()
    found += [products.of_others(new, right, by), products.centred(left, right, by)]
    expected = [about(rows[left], rows[right], rows[by]), about(of_new, rows[right], rows[by])]
    for one, right_one in zip(found, [*expected, expected[0]], strict=True):
        np.testing.assert_allclose(one, right_one, rtol=1e-12, atol=1e-12 * n_lags * n_features * size)


def test_kernel__of_rows_close_to_one_another_beside_the_others_is_refused():
    """Its digits are gone: a fold of such rows takes their products anew."""
    rng = np.random.default_rng(0)
    far = [1e5 + rng.normal(size=(6, 3)) for _ in range(2)]
    products = RowProducts([*far, *(rng.normal(size=(6, 3)) for _ in range(2))], [0, 1], 1, "float64")
    of_far, all_rows = products.rows_of([0, 1]), products.rows_of(range(4))
    assert products.kernel(of_far, of_far) is None
    assert products.kernel(all_rows, all_rows) is not None
    assert products.kernel(of_far, all_rows) is not None


@pytest.mark.parametrize(("bins", "lead_in", "fits"), [(5, 5, True), (5, 6, False), (1, 0, True)])
def test_room__is_there_for_a_row_of_lead_in_beside_each_row(bins, lead_in, fits):
    assert RowProducts([np.zeros((lead_in + bins, 2))] * 3, [0], lead_in, "float64").fits is fits


@pytest.mark.parametrize("distance", [0.0, 1e3, 1e6])
def test_folds__of_trials_far_from_one_another_keep_the_digits_of_their_own_rows(distance):
    """Each third of the trials lies elsewhere; what trains together is close together in two folds of three."""
    rng = np.random.default_rng(1)
    X = [distance * (k % 3 == 2) + rng.normal(size=(12, 7)) for k in range(9)]
    Y = [x[:, :2] + rng.normal(size=(12, 2)) for x in X]
    folds, alphas = [[0, 3, 6], [1, 4, 7], [2, 5, 8]], [0.01, 1.0, 100.0]
    dual, primal = (TRF(0, 0.3, 10, alphas, standardize=False, solver=s).fit(X, Y, folds) for s in ("dual", "eigh"))
    np.testing.assert_array_equal(dual.alpha_, primal.alpha_)
    np.testing.assert_allclose(dual.cv_scores_, primal.cv_scores_, rtol=1e-9)


def trials(n=12, bins=8, n_features=5):
    rng = np.random.default_rng(2)
    X = [rng.normal(size=(bins, n_features)) for _ in range(n)]
    return X, [x[:, :3] + rng.normal(size=(bins, 3)) for x in X]


@pytest.fixture
def counted(monkeypatch):
    """Numbers of multiplications of rows of features, and of rows of the lagged matrix that were made."""
    counts, products, matrix = {"multiplied": [], "lagged": 0}, LaggedRows.products, LaggedRows.matrix

    def counting(rows, other, dtype):
        counts["multiplied"].append(rows is other)
        return products(rows, other, dtype)

    def making(rows, lags, responses=slice(None)):
        found = matrix(rows, lags, responses)
        counts["lagged"] += found.size
        return found

    monkeypatch.setattr(LaggedRows, "products", counting)
    monkeypatch.setattr(LaggedRows, "matrix", making)
    return counts


def test_unscaled__one_product_of_features_serves_all_lags_and_folds(counted):
    X, Y = trials()
    TRF(0, 1, 10, n_folds=4, standardize=False, solver="dual").fit(X, Y)
    assert counted["multiplied"] == [True]
    assert counted["lagged"] == 12 * 8 * 5 * 11  # once, for the weights


def test_unscaled__one_product_serves_all_splits(counted):
    X, Y = trials()
    trf = TRF(0, 1, 10, standardize=False, solver="dual")
    trf.cross_validate(X, Y, folds=6)
    assert counted["multiplied"] == [True] + [False] * 6  # each split predicts its test trials
    assert counted["lagged"] == 0


def test_scaled__operands_of_training_rows_are_made_once_for_their_own_products(counted):
    X, Y = trials()
    TRF(0, 1, 10, n_folds=3, solver="dual").fit(X, Y)
    d, rows, train, held = 5 * 11, 12 * 8, 8 * 8, 4 * 8
    assert counted["lagged"] == d * (3 * (train + train + held) + rows + rows)  # the last for the weights


@pytest.mark.parametrize(
    ("n_folds", "held", "precision", "kind"),
    [
        (3, 128, "float64", RowValidation),
        (3, 135, "float64", Validation),
        (3, 135, "float32", RowValidation),
        (2, 135, "float32", Validation),
        (5, 135, "float64", RowValidation),
    ],
)
def test_held_out_rows__are_predicted_where_they_are_few(n_folds, held, precision, kind):
    rng = np.random.default_rng(3)
    folds = [FoldTrials([rng.normal(size=(held, 4))], [rng.normal(size=(held, 2))]) for _ in range(n_folds)]
    dual = KernelFolds(folds, [0], 0, [2], precision=precision)
    assert type(next(dual.validations(3))[0]) is kind


def test_backend__products_never_leave_their_device():
    X, _ = trials(4)
    device = strict.Device("device1")
    there = RowProducts([strict.asarray(x, device=device) for x in X], [-1, 0, 1, 2], 2, "float64")
    here = RowProducts(X, [-1, 0, 1, 2], 2, "float64")
    rows = here.rows_of([1, 3])
    for found, expected in (
        (there.kernel(rows, rows), here.kernel(rows, rows)),
        (there.of_others(there.X[:1], rows, rows), here.of_others(X[:1], rows, rows)),
    ):
        assert found.device == device
        np.testing.assert_allclose(np.asarray(found.to_device(strict.Device("CPU_DEVICE"))), expected, rtol=1e-12)
