"""Predictions that vary by no more than rounding, and small ones that do."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.trf.banded import variance_shares
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.correlation_sums import CorrelationSums
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.lags import drive, drive_rounding


def fitted(rng, n_features, **parameters):
    X = [rng.normal(size=(60, n_features)) for _ in range(6)]
    Y = [rng.poisson(3, size=(60, 3)).astype(float) for _ in X]
    return TRF(0, 0.1, 20.0, alphas=[1.0], **parameters).fit(X, Y)


def against(rows, w, n_lags):
    """Trials of which each lagged row is what the weights of a unit do not see: constant over time."""
    g = w.reshape(n_lags, -1).astype(np.longdouble)
    basis = np.linalg.qr(g.T.astype(float))[0].astype(np.longdouble)
    for _ in range(2):
        rows = rows - (rows @ basis) @ basis.T
    return rows.astype(float)


@pytest.mark.parametrize("n_features", [5, 200])
@pytest.mark.parametrize("size", [1e-9, 1e6])
@pytest.mark.parametrize("bands", [None, [2]])
def test_prediction__that_cancels_but_for_rounding_is_flat_and_a_small_one_is_not(n_features, size, bands):
    rng = np.random.default_rng(n_features)
    bands = bands and {"bands": [2, n_features - 2], "candidates": 3}
    trf = fitted(rng, n_features, standardize=False, **(bands or {}))
    weights, lags, _ = trf._weights()
    unseen = [against(size * rng.normal(size=(t, n_features)), weights[:, 1], len(lags)) for t in (300, 41)]
    Y = [rng.normal(size=(2, len(x), 3)) for x in unseen]
    assert np.ptp(drive(unseen, weights, lags, 0)[:, 1]) > 0  # otherwise nothing was tried
    np.testing.assert_array_equal(np.isnan(trf.correlate(unseen, Y)), [False, True, False])
    if bands:
        assert np.isnan(trf.shares(unseen, Y)[:, 1]).all()
    # 1e-9 of what these sounds could drive, along the weights: r is that of the drive in extended precision
    along = weights[:n_features, 1] / np.linalg.norm(weights[:n_features, 1])
    seen = [x + 1e-9 * size * np.outer(rng.normal(size=len(x)), along) for x in unseen]
    rows = [np.vstack([np.zeros((2, n_features)), x]).astype(np.longdouble) for x in seen]
    exact = np.concatenate(
        [sum(x[2 - k : len(x) - k] @ w for k, w in enumerate(weights[:, 1].reshape(3, -1))) for x in rows]
    )
    expected = [np.corrcoef(np.concatenate([y[k, :, 1] for y in Y]), exact.astype(float))[0, 1] for k in range(2)]
    np.testing.assert_allclose(trf.correlate(seen, Y)[1], np.mean(expected), atol=1e-4)


@pytest.mark.parametrize("solver", ["eigh", "cholesky", "dual"])
def test_prediction__from_weights_that_are_rounding_is_flat(solver):
    """Training sounds live in the first features, the test sound in the last."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = [np.c_[rng.normal(size=(60, 2)), 1e-17 * rng.normal(size=(60, 2))] for _ in range(6)]
        Y = [rng.poisson(3, size=(60, 2)).astype(float) for _ in X]
        trf = TRF(0, 0.1, 100.0, alphas=[1.0], standardize=False, solver=solver).fit(X, Y)
        test = [np.c_[np.zeros((60, 2)), rng.normal(size=(60, 2))]]
        assert np.isnan(trf.correlate(test, [rng.poisson(3, size=(60, 2))])).all()


def test_prediction__of_features_of_very_different_sizes_is_not_flat():
    """What the weights of one column could do with the size of another says nothing."""
    rng = np.random.default_rng(0)
    sizes = np.array([1e-9, 1.0, 1e12])
    X = [sizes * rng.normal(size=(60, 3)) for _ in range(6)]
    Y = [(x / sizes) @ np.ones((3, 1)) + rng.normal(size=(60, 1)) for x in X]
    trf = TRF(0, 0, 20.0, alphas=[1e-9]).fit(X, Y)
    assert (trf.correlate(X, Y) > 0.5).all()
    alone = [x * [1, 0, 0] for x in X]
    assert (trf.correlate(alone, Y) > 0.2).all()


def test_drive_rounding__is_the_bound_of_explicit_rows_and_serves_both_correlations():
    rng = np.random.default_rng(1)
    X, weights, inverse = [rng.normal(size=(t, 2)) for t in (7, 4)], rng.normal(size=(6, 3)), rng.uniform(1, 2, size=6)
    weights[4], inverse[4] = 0, 0
    found = drive_rounding(X, weights, 3, inverse)
    z = np.divide(weights, inverse[:, None], out=np.zeros_like(weights), where=inverse[:, None] > 0)
    rows = [np.sum((np.tile(x, 3) * inverse) ** 2) for x in X]
    np.testing.assert_allclose(found, (8 * 2.0**-52) ** 2 * np.outer(rows, (z**2).sum(axis=0)), rtol=1e-12)

    predicted = [drive([x], weights, [0, 1, 2], 0) for x in X]
    Y = [rng.normal(size=(2, len(x), 3)) for x in X]
    power = np.array([((p - p.mean(axis=0)) ** 2).sum(axis=0) for p in predicted])
    whole = np.concatenate(predicted)
    of_all = ((whole - whole.mean(axis=0)) ** 2).sum(axis=0)
    for factor, flat in ((1.001, True), (0.999, False)):
        share = np.outer([0.25, 0.75], factor * of_all)
        assert (np.isnan(CorrelationSums.of(Y, predicted, share).r()) == flat).all()
        assert (np.isnan(CorrelationSums.of(Y, predicted, factor * power).r([0, 3])) == flat).all()
        assert (np.isnan(mean_over_repeats(np.concatenate(Y, axis=1), whole, factor * of_all)) == flat).all()
    y = whole + 0.1 * np.concatenate(Y, axis=1)[0]
    assert np.isnan(variance_shares(y, whole[None], 1.001 * of_all)[1]).all()
    assert (variance_shares(y, whole[None], 0.999 * of_all)[1] == 1).all()


def test_shares__of_a_unit_that_never_varies_are_none():
    rng = np.random.default_rng(2)
    r2, share = variance_shares(np.full((1001, 2), 0.1), 1e-20 * rng.normal(size=(2, 1001, 2)))
    assert np.isnan(r2).all()
    assert np.isnan(share).all()


def test_bands__leave_the_scales_of_columns_as_they_are():
    """Whatever weights units chose: a band of next to no weight would make of any prediction a flat one."""
    rng = np.random.default_rng(3)
    X = [rng.normal(size=(60, 4)) * [1, 2, 3, 4] for _ in range(6)]
    trf = TRF(0, 0, 1, bands=[2, 2], candidates=3).fit(X, [x[:, 2:] + rng.normal(size=(60, 2)) for x in X])
    assert (trf.band_weights_[1] > 1.9).all()
    np.testing.assert_allclose(trf.x_inverse_, 1 / (np.concatenate(X).std(axis=0) + 1e-6), rtol=1e-9)
