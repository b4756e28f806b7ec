"""Banded ridge against explicit fits, plain ridge and himalaya; shares of the explained variance."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from himalaya.scoring import r2_score_split
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.banded import band_candidates, band_drives, fit_banded, lagged_bands, variance_shares
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.lags import drive
from distributed_trf.trf.moment_folds import fit_moments
from distributed_trf.trf.stream import moments_of
from tests.slow_banded import ALPHAS, LAGS, explicit, folds_of, simulated


@given(seed=st.integers(0, 2**32 - 1), solver=st.sampled_from(["eigh", "cholesky", "dual"]))
def test_fit__equals_explicit_fits_of_scaled_columns(seed, solver):
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 4, size=rng.integers(1, 4)).tolist()
    X, Y = simulated(rng, widths, 3)
    bands, candidates = lagged_bands(widths, 3), band_candidates(len(widths), 6, seed=1)
    candidates = np.maximum(candidates, 1e-9)  # a band of weight 0 has no explicit solution
    chosen, scores, weights = explicit(X, Y, bands, candidates)
    fit = fit_banded(folds_of(X, Y, solver), ALPHAS, bands, candidates)
    np.testing.assert_allclose(fit.cv_scores, scores, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(fit.alpha, [ALPHAS[a] for _, a in chosen])
    np.testing.assert_array_equal(fit.band_weights.T, [candidates[c] for c, _ in chosen])
    np.testing.assert_allclose(fit.weights, weights, rtol=1e-8, atol=1e-9 * np.abs(weights).max())


@pytest.mark.parametrize("solver", ["eigh", "cholesky", "dual"])
def test_equal_weights__are_plain_ridge(solver):
    X, Y = simulated(np.random.default_rng(0), [2, 3], 4)
    fit = fit_banded(folds_of(X, Y, solver), ALPHAS, lagged_bands([2, 3], 3), np.ones((1, 2)))
    plain = fit_moments([moments_of(X[k::3], Y[k::3], LAGS, 2) for k in range(3)], ALPHAS)
    np.testing.assert_allclose(fit.weights, plain.weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.intercept, plain.intercept, rtol=1e-9)
    np.testing.assert_array_equal(fit.alpha, plain.alpha)


def test_driving_band__has_nearly_all_of_the_explained_variance():
    rng = np.random.default_rng(1)
    widths = [4, 3, 5]
    X, Y = simulated(rng, widths, 3, n_trials=60, driving=1)
    # Decoys that follow the driving band, though not exactly.
    X = [np.hstack([x[:, 4:7] @ np.ones((3, 4)) * 0.2 + x[:, :4], x[:, 4:]]) for x in X]
    fit = fit_banded(
        folds_of(X[:45], Y[:45], "eigh"), np.logspace(-4, 3, 8), lagged_bands(widths, 3), band_candidates(3, 30, seed=0)
    )
    parts = band_drives(X[45:], fit.weights, LAGS, 2, widths)
    r2, share = variance_shares(np.concatenate(Y[45:]), parts)
    assert (share[1] > 0.9).all()
    np.testing.assert_allclose(share.sum(0), 1)
    whole = drive(X[45:], fit.weights, LAGS, 2)
    np.testing.assert_allclose(parts.sum(0), whole, rtol=1e-9, atol=1e-12)
    y, p = np.concatenate(Y[45:]), whole - whole.mean(0)
    y = y - y.mean(0)
    np.testing.assert_allclose(r2.sum(0), 1 - ((y - p) ** 2).sum(0) / (y**2).sum(0), rtol=1e-9)


@pytest.mark.parametrize("solver", ["eigh", "dual"])
def test_estimator__has_the_banded_fit_its_shares_and_its_plain_ridge(solver):
    rng = np.random.default_rng(6)
    widths = [2, 4]
    X, Y = simulated(rng, widths, 3, n_trials=30, driving=1)
    settings = {"tmin": 0.0, "tmax": 0.2, "sfreq": 10.0, "alphas": ALPHAS, "lead_in": 2, "solver": solver}
    dealt = [list(range(k, 24, 3)) for k in range(3)]
    trf = TRF(**settings, bands=widths, candidates=20, seed=7).fit(X[:24], Y[:24], folds=dealt)
    fit = fit_banded(folds_of(X[:24], Y[:24], "eigh"), ALPHAS, lagged_bands(widths, 3), band_candidates(2, 20, seed=7))
    np.testing.assert_allclose(trf.coef_.transpose(2, 1, 0).reshape(18, 3), fit.weights, rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(trf.band_weights_, fit.band_weights)
    np.testing.assert_allclose(trf.cv_scores_, fit.cv_scores, rtol=1e-9, atol=1e-12)
    shares = trf.shares(X[24:], Y[24:])
    assert (shares[1] > 0.9).all()
    np.testing.assert_allclose(shares.sum(0), 1)
    np.testing.assert_allclose(trf.shares(X[24:], [np.stack([y, y]) for y in Y[24:]]), shares)
    plain, equal = TRF(**settings), TRF(**settings, bands=widths, candidates=1)
    found = [t.fit(X[:24], Y[:24], folds=dealt).predict(X[24:])[0] for t in (plain, equal)]
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-9)


def test_estimator__names_bands_that_do_not_fit():
    X, Y = simulated(np.random.default_rng(7), [2, 2], 1)
    with pytest.raises(ConfigError, match=r"bands=\[2, 1\] have 3 features together, but X has 4"):
        TRF(0.0, 0.2, 10.0, lead_in=2, bands=[2, 1]).fit(X, Y)
    with pytest.raises(ConfigError, match="no bands to share"):
        TRF(0.0, 0.2, 10.0, lead_in=2).fit(X, Y).shares(X, Y)


def test_shares__are_those_of_himalaya():
    rng = np.random.default_rng(2)
    y, parts = rng.normal(size=(50, 4)), rng.normal(size=(3, 50, 4))
    y, parts = y - y.mean(0), parts - parts.mean(1, keepdims=True)
    np.testing.assert_allclose(variance_shares(y, parts)[0], r2_score_split(y, parts), rtol=1e-6)


def test_shares__of_repeats_are_those_of_their_mean_and_nothing_explained_is_nan():
    rng = np.random.default_rng(3)
    y, parts = rng.normal(size=(5, 40, 2)), rng.normal(size=(2, 40, 2))
    np.testing.assert_allclose(variance_shares(y, parts)[0], variance_shares(y.mean(0), parts)[0], rtol=1e-12)
    assert np.isnan(variance_shares(y, 9 * parts)[1]).all()


def test_candidates__begin_with_equal_weights_and_follow_the_seed():
    found = band_candidates(3, 20, seed=5)
    assert found.shape == (20, 3)
    np.testing.assert_array_equal(found[0], 1)
    np.testing.assert_allclose(found.mean(1), 1)
    np.testing.assert_array_equal(found, band_candidates(3, 20, seed=5))
    assert (found[4:] != band_candidates(3, 20, seed=6)[4:]).any()


def test_backend__follows_the_data():
    X, Y = simulated(np.random.default_rng(4), [2, 2], 3)
    device = strict.Device("device1")
    there = [[strict.asarray(a, device=device) for a in arrays] for arrays in (X, Y)]
    bands, candidates = lagged_bands([2, 2], 3), band_candidates(2, 5, seed=0)
    for solver in ("eigh", "cholesky", "dual"):
        here = fit_banded(folds_of(X, Y, solver), ALPHAS, bands, candidates)
        fit = fit_banded(folds_of(*there, solver), ALPHAS, bands, candidates)
        back = np.asarray(fit.weights.to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(back, here.weights, rtol=1e-8, atol=1e-12)


def test_bad_bands__are_named():
    X, Y = simulated(np.random.default_rng(5), [2, 2], 1)
    folds, bands = folds_of(X, Y, "eigh"), lagged_bands([2, 2], 3)
    with pytest.raises(ConfigError, match="not negative"):
        fit_banded(folds, ALPHAS, bands, np.array([[1.0, -1.0]]))
    with pytest.raises(DataError, match="bands 0 to 1, but candidates weigh 1"):
        fit_banded(folds, ALPHAS, bands, np.ones((1, 1)))
    with pytest.raises(ConfigError, match="1 or more"):
        band_candidates(2, 0, seed=0)
    with pytest.raises(ConfigError, match=r"bands\[1\]=0 must be a whole number, 1 or more"):
        lagged_bands([2, 0], 3)
    with pytest.raises(DataError, match="bands have 3 features together, but X has 4"):
        band_drives(X, np.zeros((12, 1)), LAGS, 2, [2, 1])
