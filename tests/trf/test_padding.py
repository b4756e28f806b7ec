"""Trials padded with the mean of the training rows, against explicit rows that are padded so."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf import load_trf, save_trf
from distributed_trf.errors import ConfigError
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.lags import FeatureMeans, outside_of, padded, with_outside
from distributed_trf.trf.stream import MomentStream
from tests.oracle import lag_rows, r_squared, solve_ridge

SOLVERS = ["eigh", "cholesky", "dual"]
ALPHAS = [1e-3, 1e-1, 1e1]


def trials(rng, lengths, n_features, lead_in, offset):
    """Features, the last of them constant, and responses to the first."""
    X = [rng.normal(size=(lead_in + t, n_features)) + offset for t in lengths]
    for x in X:
        x[:, -1] = offset + 0.1
    return X, [x[lead_in:, :1] - offset + rng.normal(size=(len(x) - lead_in, 2)) for x in X]


@pytest.mark.parametrize("solver", SOLVERS)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(3, 20), min_size=4, max_size=7),
    n_features=st.integers(1, 4),
    first=st.integers(-4, 3),
    n_lags=st.integers(1, 5),
    lead_in=st.integers(0, 3),
    offset=st.sampled_from([0.0, 30.0, 1e3]),
    standardize=st.booleans(),
)
@settings(max_examples=15)
def test_fit__equals_that_of_rows_padded_with_each_training_sets_mean(
    solver, seed, lengths, n_features, first, n_lags, lead_in, offset, standardize
):
    rng = np.random.default_rng(seed)
    X, Y = trials(rng, lengths, n_features, lead_in, offset)
    lags, n = list(range(first, first + n_lags)), len(X)
    folds, scores = [list(range(k, n, 2)) for k in range(2)], np.zeros((3, 2), dtype=np.longdouble)
    for held in folds:
        train = [i for i in range(n) if i not in held]
        mean = np.concatenate([X[i] for i in train]).mean(axis=0)
        mean[-1] = offset + 0.1
        rows, other = (lag_rows([X[i] for i in some], lags, lead_in, mean) for some in (train, held))
        y, held_y = (np.concatenate([Y[i] for i in some]) for some in (train, held))
        for a, alpha in enumerate(ALPHAS):
            predict, intercept = solve_ridge(rows, y, alpha, standardize=standardize)
            scores[a] += r_squared(held_y, predict(other), intercept) / 2
    trf = TRF(first / 10, lags[-1] / 10, 10.0, ALPHAS, lead_in=lead_in, standardize=standardize, solver=solver)
    trf.set_params(padding="mean").fit(X, Y, folds=folds)
    np.testing.assert_allclose(trf.cv_scores_, scores.astype(float), rtol=1e-8, atol=1e-9)
    mean = np.concatenate(X).mean(axis=0)
    np.testing.assert_allclose(trf.padding_, mean, rtol=1e-12)
    np.testing.assert_array_equal(trf.coef_[:, -1], 0)
    X_test, _ = trials(rng, [5, 1], n_features, lead_in, offset)
    for u, alpha in enumerate(trf.alpha_):
        predict, intercept = solve_ridge(
            lag_rows(X, lags, lead_in, mean), np.concatenate(Y)[:, u : u + 1], alpha, standardize=standardize
        )
        expected = predict(lag_rows(X_test, lags, lead_in, mean)) + intercept
        np.testing.assert_allclose(np.concatenate(trf.predict(X_test))[:, u], expected[:, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_offset__costs_correlation_with_zeros_and_nothing_with_the_mean(solver):
    """As of a spectrogram in dB without a lead-in, at an offset of 16 deviations."""
    rng = np.random.default_rng(0)
    X, weights = [rng.normal(size=(40, 6)) for _ in range(12)], rng.normal(size=(30, 1))
    Y = [lag_rows([x], range(5), 0) @ weights + 1.5 * rng.normal(size=(40, 1)) for x in X]

    def r(padding, offset):
        moved = [x + offset for x in X]
        trf = TRF(solver=solver, padding=padding).fit(moved[:8], Y[:8])
        return trf.correlate(moved[8:], Y[8:])[0], trf.predict(moved[8:])[0]

    assert r("zero", 0)[0] > 0.94
    assert r("zero", 16)[0] < 0.91
    here, predicted = r("mean", 0)
    assert here > 0.94
    for offset in (16, 1e3, 1e6):
        found = r("mean", offset)
        np.testing.assert_allclose(found[0], here, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found[1], predicted, rtol=0, atol=1e-13 * (offset + 100) * 10)


def test_bands_shares_scores_and_a_saved_model__are_padded_alike(tmp_path):
    rng = np.random.default_rng(1)
    X, Y = trials(rng, [20] * 8, 4, 0, 1e3)
    plain = TRF(alphas=[1.0], padding="mean").fit(X, Y)
    banded = TRF(alphas=[1.0], padding="mean", bands=[1, 3], candidates=1).fit(X, Y)
    np.testing.assert_allclose(banded.predict(X)[0], plain.predict(X)[0], rtol=1e-9, atol=1e-9)
    centred, _ = trials(np.random.default_rng(1), [20] * 8, 4, 0, 0.0)
    shares = TRF(alphas=[1.0], padding="mean", bands=[1, 3], candidates=1).fit(centred, Y).shares(centred, Y)
    np.testing.assert_allclose(banded.shares(X, Y), shares, rtol=1e-6)
    save_trf(plain, tmp_path / "a1.zarr")
    loaded = load_trf(tmp_path / "a1.zarr")
    assert loaded.padding == "mean"
    np.testing.assert_array_equal(loaded.predict(X)[0], plain.predict(X)[0])
    np.testing.assert_array_equal(loaded.correlate(X, Y), plain.correlate(X, Y))


@pytest.mark.parametrize("solver", SOLVERS)
def test_backend__follows_the_data_and_never_leaves_its_device(solver):
    X, Y = trials(np.random.default_rng(2), [9, 12, 7, 8], 3, 1, 16.0)
    device = strict.Device("device1")
    there = [[strict.asarray(a, device=device) for a in arrays] for arrays in (X, Y)]
    here, found = (TRF(n_folds=2, lead_in=1, solver=solver, padding="mean").fit(*data) for data in ((X, Y), there))
    for name in ("cv_scores_", "coef_", "intercept_", "padding_"):
        back = np.asarray(getattr(found, name).to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(back, getattr(here, name), rtol=1e-8, atol=1e-10)
    assert found.predict(there[0])[0].device == device


def test_padding__that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="padding='edge' must be one of zero, mean"):
        TRF(padding="edge").fit([np.ones((9, 1))] * 4, [np.ones((9, 1))] * 4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_feature__that_varies_only_in_held_out_trials_has_no_weight_in_that_fold(solver):
    """Far from the mean of all trials it is constant in the others, and so it is where it is padded."""
    rng = np.random.default_rng(3)
    X, Y = trials(rng, [9] * 6, 3, 0, 0.0)
    for i, x in enumerate(X):
        x[:, -1] = 1e3 if i else rng.normal(size=9)
    folds, lags, scores = [[0, 1, 2], [3, 4, 5]], [0, 1, 2], []
    for held, train in (folds, folds[::-1]):
        mean = np.concatenate([X[i] for i in train]).mean(axis=0)
        rows, other = (lag_rows([X[i] for i in some], lags, 0, mean) for some in (train, held))
        y, held_y = (np.concatenate([Y[i] for i in some]) for some in (train, held))
        predict, intercept = solve_ridge(rows, y, 1e-3, standardize=True)
        scores.append(r_squared(held_y, predict(other), intercept))
    trf = TRF(0.0, 0.2, 10.0, [1e-3], solver=solver, padding="mean").fit(X, Y, folds=folds)
    np.testing.assert_allclose(trf.cv_scores_[0], np.mean(scores, axis=0).astype(float), rtol=1e-8)


def test_padded_products__are_symmetric_to_the_last_bit():
    rng = np.random.default_rng(4)
    X, Y = trials(rng, [9, 12, 7], 8, 0, 16.0)
    fill = rng.normal(size=8)
    means = FeatureMeans.of(X)
    stream = MomentStream([0, 1, 2], 0, outside=outside_of(means.mean))
    for x, y in zip(X, Y, strict=True):
        stream.add(with_outside(x, means.mean), y)
    xx = padded(stream.moments(), fill, np.full(8, np.nan)).gram.xx
    np.testing.assert_array_equal(xx, xx.T)
    rows = lag_rows(X, [0, 1, 2], 0, means.mean + fill)
    moved = rows - rows.mean(axis=0)
    np.testing.assert_allclose(xx, moved.T @ moved, rtol=1e-9, atol=1e-11)
