"""Kernels of bands against those of scaled columns, and how many products a search over band weights takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.trf import training_kernels
from distributed_trf.trf.banded import band_candidates, fit_banded, lagged_bands
from distributed_trf.trf.fold_collector import collect_trials
from distributed_trf.trf.kernel_folds import FoldTrials
from distributed_trf.trf.scaled_gram import BandFactor
from distributed_trf.trf.scaled_rows import ScaledRows
from distributed_trf.trf.training_kernels import TrainingKernels
from tests.oracle import lag_rows

LAGS = [-1, 0, 1, 2]


def trials(rng, widths, n=6):
    X = [rng.normal(size=(2 + t, sum(widths))) for t in rng.integers(3, 9, n)]
    return X, [x[2:, :2] + rng.normal(size=(len(x) - 2, 2)) for x in X]


@given(
    seed=st.integers(0, 2**32 - 1),
    widths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    weights=st.lists(st.sampled_from([0.0, 1e-3, 0.5, 3.0]), min_size=3, max_size=3),
    standardize=st.booleans(),
    by_lag=st.booleans(),
    data=st.data(),
)
@settings(max_examples=60)
def test_kernels__are_those_of_columns_scaled_by_the_roots_of_their_bands_weights(
    seed, widths, weights, standardize, by_lag, data
):
    """Also where a feature changes its band with the lag."""
    rng = np.random.default_rng(seed)
    X, _ = trials(rng, widths)
    some = st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=len(X), unique=True).map(tuple)
    train, centring, held = (data.draw(some) for _ in range(3))
    bands = rng.integers(0, 3, sum(widths) * len(LAGS)) if by_lag else lagged_bands(widths, len(LAGS))
    factor = BandFactor(bands, np.array(weights))
    if not (factor.of_columns(X[0]) > 0).any():
        return
    kernels = TrainingKernels(X, ScaledRows(LAGS, 2, standardize=standardize, precision="float64", pad_with_mean=False))
    rows = [lag_rows([X[i] for i in part], LAGS, 2) for part in (train, held, centring)]
    scale = rows[2].std(axis=0) + 1e-6 if standardize else np.ones(rows[2].shape[1])
    varies = (rows[2] != rows[2][0]).any(axis=0)
    z, other = (
        np.where(varies, (r - rows[2].mean(axis=0)) / scale * np.sqrt(factor.weights)[bands], 0) for r in rows[:2]
    )
    for _ in range(2):  # made, and kept
        of, kernel = kernels.of(train, centring, factor)
        if standardize or (varies | (rows[0] == rows[2][0]).all(axis=0)).all():
            size = np.abs(z @ z.T).max() + np.abs(other @ z.T).max() + 1
            np.testing.assert_allclose(kernel, z @ z.T, rtol=1e-9, atol=1e-10 * size)
            np.testing.assert_allclose(kernels.between(held, of), other @ z.T, rtol=1e-9, atol=1e-10 * size)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("spare", [training_kernels.SPARE, 0.0])
def test_banded__is_the_same_in_both_forms_whether_or_not_kernels_are_kept(monkeypatch, standardize, spare):
    monkeypatch.setattr(training_kernels, "SPARE", spare)
    widths, alphas = [3, 2, 4], [1e-2, 1.0, 1e2]
    X, Y = trials(np.random.default_rng(1), widths, 9)
    folds = [FoldTrials(X[k::3], Y[k::3]) for k in range(3)]
    bands, tried = lagged_bands(widths, len(LAGS)), band_candidates(3, 8, seed=0)
    tried[-1] = [0.0, 1.5, 1.5]
    dual, primal = (
        fit_banded(collect_trials(folds, LAGS, 2, 3, standardize=standardize, solver=solver), alphas, bands, tried)
        for solver in ("dual", "eigh")
    )
    np.testing.assert_array_equal(dual.alpha, primal.alpha)
    np.testing.assert_array_equal(dual.band_weights, primal.band_weights)
    for name in ("cv_scores", "weights", "intercept", "inverse"):
        np.testing.assert_allclose(getattr(dual, name), getattr(primal, name), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n_candidates", [4, 12])
def test_banded__products_of_rows_are_as_many_for_any_number_of_band_weights(monkeypatch, n_candidates):
    made, products = [], ScaledRows.products

    def counting(rows, of, X, scaling):
        made.append(1)
        return products(rows, of, X, scaling)

    monkeypatch.setattr(ScaledRows, "products", counting)
    widths = [30, 20, 40]
    X, Y = trials(np.random.default_rng(2), widths, 9)
    folds = collect_trials([FoldTrials(X[k::3], Y[k::3]) for k in range(3)], list(range(20)), 2, 3, solver="dual")
    fit_banded(folds, [1e-2, 1.0], lagged_bands(widths, 20), band_candidates(3, n_candidates, seed=0))
    assert len(made) == 3 * (3 + 3 + 1)  # of each band: training sets of three folds, held-out rows, and all trials
