"""``TRF`` against the explicit solution, against other people's software, and on other backends."""

from __future__ import annotations

import json
from pathlib import Path

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.estimator import TRF
from tests.oracle import fit_and_score, lag_matrix

LOCUST = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "locust"


def trials(rng, n_trials, n_features, n_units, lead_in, *, n_repeats=None, offset=0.0, shortest=8):
    """Random trials of unequal length whose responses follow their features."""
    lengths = rng.integers(shortest, 25, size=n_trials)
    weights = rng.normal(size=(n_features, n_units))
    X = [rng.normal(size=(lead_in + t, n_features)) + offset for t in lengths]
    means = [x[lead_in:] @ weights for x in X]
    if n_repeats is None:
        return X, [m + rng.normal(size=m.shape) for m in means]
    return X, [m + rng.normal(size=(n_repeats, *m.shape)) for m in means]


@given(
    seed=st.integers(0, 2**32 - 1),
    n_trials=st.integers(4, 9),
    n_features=st.integers(1, 4),
    n_units=st.integers(1, 4),
    first=st.integers(-3, 3),
    n_lags=st.integers(1, 5),
    lead_in=st.integers(0, 6),
    standardize=st.booleans(),
    solver=st.sampled_from(["eigh", "cholesky", "dual"]),
    offset=st.sampled_from([0.0, 30.0]),
    shortest=st.sampled_from([1, 8]),
    beside=st.sampled_from(["nothing", "a copy", "a constant"]),
)
def test_fit__equals_the_explicit_lag_matrix(
    seed, n_trials, n_features, n_units, first, n_lags, lead_in, standardize, solver, offset, shortest, beside
):
    rng = np.random.default_rng(seed)
    X, Y = trials(rng, n_trials, n_features, n_units, lead_in, offset=offset, shortest=shortest)
    X_test, Y_test = trials(rng, 3, n_features, n_units, lead_in, n_repeats=2, offset=offset)
    if beside != "nothing":
        X, X_test = (
            [np.hstack([x, x[:, :1] if beside == "a copy" else np.ones((len(x), 1))]) for x in xs] for xs in (X, X_test)
        )
    lags = list(range(first, first + n_lags))
    alphas = [1e-3, 1e-1, 1e1]
    folds = [list(range(k, n_trials, 2)) for k in range(2)]
    alpha, scores, r, predicted = fit_and_score(
        X, Y, X_test, Y_test, lags=lags, lead_in=lead_in, alphas=alphas, folds=folds, standardize=standardize
    )
    trf = TRF(first / 10, lags[-1] / 10, 10.0, alphas=alphas, lead_in=lead_in, standardize=standardize, solver=solver)
    trf.fit(X, Y, folds=folds)
    np.testing.assert_allclose(trf.cv_scores_, scores, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(trf.alpha_, alpha)
    np.testing.assert_allclose(np.concatenate(trf.predict(X_test)), predicted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(trf.score(X_test, Y_test), r, rtol=1e-9, atol=1e-9)


def test_fit__equals_sklearn_at_the_chosen_penalty():
    rng = np.random.default_rng(1)
    X, Y = trials(rng, 6, 3, 4, 2)
    trf = TRF(0.0, 0.2, 10.0, alphas=[0.05], lead_in=2, standardize=False).fit(X, Y)
    rows, y = np.concatenate([lag_matrix(x, [0, 1, 2], 2) for x in X]), np.concatenate(Y)
    peer = Ridge(alpha=0.05 * rows.shape[0]).fit(rows, y)
    np.testing.assert_allclose(trf.coef_, peer.coef_.reshape(4, 3, 3).transpose(0, 2, 1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(trf.intercept_, peer.intercept_, rtol=1e-9)


def test_fit__recovers_a_known_response_at_its_lag():
    rng = np.random.default_rng(2)
    X = [rng.normal(size=(300, 2)) for _ in range(6)]
    Y = [3 + 2 * np.vstack([np.zeros((2, 1)), x[:-2, 1:]]) for x in X]
    trf = TRF(0.0, 0.2, 20.0).fit(X, Y)
    expected = np.zeros((1, 2, 5))
    expected[0, 1, 2] = 2
    np.testing.assert_allclose(trf.coef_, expected, atol=1e-4)
    np.testing.assert_allclose(trf.intercept_, 3, atol=1e-4)
    np.testing.assert_allclose(trf.lags_, [0, 0.05, 0.1, 0.15, 0.2])
    assert trf.alpha_ == trf.alphas[0]


def test_fit__splitting_units_changes_nothing():
    rng = np.random.default_rng(3)
    X, Y = trials(rng, 6, 3, 5, 0)
    whole = TRF(0.0, 0.2, 10.0).fit(X, Y)
    for u in range(5):
        alone = TRF(0.0, 0.2, 10.0).fit(X, [y[:, u : u + 1] for y in Y])
        np.testing.assert_allclose(alone.coef_[0], whole.coef_[u], rtol=1e-9, atol=1e-12)
        assert alone.alpha_[0] == whole.alpha_[u]


def test_penalty__intercept_is_never_shrunk():
    rng = np.random.default_rng(4)
    X, Y = trials(rng, 6, 2, 1, 0)
    Y = [y + 100 for y in Y]
    trf = TRF(0.0, 0.1, 10.0, alphas=[1e12]).fit(X, Y)
    np.testing.assert_allclose(np.concatenate(trf.predict(X)), np.concatenate(Y).mean(), rtol=1e-9)


def test_score__survives_a_penalty_beside_which_the_weights_vanish():
    rng = np.random.default_rng(5)
    X, Y = trials(rng, 6, 2, 3, 0)
    gentle, brutal = (TRF(0.0, 0.0, 10.0, alphas=[a]).fit(X, Y).score(X, Y) for a in (1e6, 1e15))
    np.testing.assert_allclose(brutal, gentle, atol=1e-5)


def test_constant_unit__is_nan_and_counted():
    rng = np.random.default_rng(6)
    X, Y = trials(rng, 6, 2, 3, 0)
    for y in Y:
        y[:, 1] = 0.1
    trf = TRF(0.0, 0.1, 10.0).fit(X, Y)
    assert trf.n_constant_ == 1
    np.testing.assert_array_equal(np.isnan(trf.score(X, Y)), [False, True, False])
    np.testing.assert_array_equal(np.isnan(trf.alpha_), [False, True, False])
    np.testing.assert_array_equal(trf.coef_[1], 0)
    np.testing.assert_allclose(trf.predict(X)[0][:, 1], 0.1)


def test_repeat_without_a_spike__counts_as_zero_in_the_mean():
    rng = np.random.default_rng(7)
    X, Y = trials(rng, 6, 2, 1, 0)
    trf = TRF(0.0, 0.1, 10.0).fit(X, Y)
    with_silent = [np.stack([y, np.zeros_like(y)]) for y in Y]
    np.testing.assert_allclose(trf.score(X, with_silent), trf.score(X, Y) / 2, rtol=1e-12)
    assert np.isnan(trf.score(X, [np.zeros_like(y) for y in with_silent])).all()


def test_backend__follows_the_data_and_never_leaves_its_device():
    """Arrays of array-api-strict on a device that is not the host refuse numpy, as cupy arrays do."""
    rng = np.random.default_rng(8)
    X, Y = trials(rng, 6, 3, 4, 2)
    X_test, Y_test = trials(rng, 2, 3, 4, 2, n_repeats=3)
    for y in Y:
        y[:, 2] = 1.0
    here = TRF(0.0, 0.2, 10.0, lead_in=2).fit(X, Y)
    device = strict.Device("device1")

    def there(arrays):
        return [strict.asarray(a, device=device) for a in arrays]

    trf = TRF(0.0, 0.2, 10.0, lead_in=2).fit(there(X), there(Y))
    assert trf.coef_.device == device
    for name in ("alpha_", "cv_scores_", "coef_", "intercept_", "lags_"):
        back = np.asarray(getattr(trf, name).to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(back, getattr(here, name), rtol=1e-9, atol=1e-12)
    r = trf.score(there(X_test), there(Y_test))
    np.testing.assert_allclose(
        np.asarray(r.to_device(strict.Device("CPU_DEVICE"))), here.score(X_test, Y_test), rtol=1e-9
    )


@pytest.mark.skipif(not LOCUST.is_dir(), reason="the locust recording is not part of the repository")
def test_locust__every_lambda_gives_the_correlations_of_mtrfpy():
    expected = json.loads((LOCUST / "expected_mtrf.json").read_text())
    data = np.load(LOCUST / "locust_co200.npz")
    n, fs = expected["n_stim"], expected["fs"]
    X, Y = ([data[f"{kind}_{i}"] for i in range(n)] for kind in ("stim", "resp"))
    for text, peer in expected["fixed_lambda"].items():
        predicted, r = [], []
        for test in range(n):
            train = [i for i in range(n) if i != test]
            m = sum(Y[i].shape[0] for i in train)
            trf = TRF(0.0, 0.02, fs, alphas=[float(text) * fs * len(train) / m], n_folds=2, standardize=False)
            trf.fit([X[i] for i in train], [Y[i] for i in train])
            predicted += trf.predict([X[test]])
            r.append(trf.score([X[test]], [Y[test]]))
        whole = np.corrcoef(np.concatenate(predicted)[:, 0], np.concatenate(Y)[:, 0])[0, 1]
        np.testing.assert_allclose(np.mean(r), peer["r_trial"][0], atol=1e-9, rtol=0)
        np.testing.assert_allclose(whole, peer["r_oof"][0], atol=1e-9, rtol=0)


@pytest.mark.skipif(not LOCUST.is_dir(), reason="the locust recording is not part of the repository")
def test_locust__real_data_agree_with_the_explicit_solution():
    data = np.load(LOCUST / "locust_co200.npz")
    X, Y = ([data[f"{kind}_{i}"] for i in range(10)] for kind in ("stim", "resp"))
    folds, alphas = [[0, 1], [2, 3, 4], [5, 6, 7]], np.logspace(-5, 15, 21)
    test = [Y[i].T[:, :, None] for i in (8, 9)]
    alpha, scores, r, _ = fit_and_score(
        X[:8], Y[:8], X[8:], test, lags=range(-2, 21), lead_in=0, alphas=alphas, folds=folds, standardize=True
    )
    trf = TRF(-0.002, 0.02, 1000.0).fit(X[:8], Y[:8], folds=folds)
    np.testing.assert_array_equal(trf.alpha_, alpha)
    np.testing.assert_allclose(trf.cv_scores_, scores, atol=1e-9)
    np.testing.assert_allclose(trf.score(X[8:], test), r, atol=1e-9)


def test_sklearn__clone_copies_the_parameters():
    copy = clone(TRF(tmax=0.3, seed=5))
    assert (copy.tmax, copy.seed) == (0.3, 5)
    with pytest.raises(ConfigError, match="no parameter 'alpha'"):
        copy.set_params(alpha=1)


GOOD_X, GOOD_Y = [np.ones((10, 2))] * 4, [np.ones((10, 1))] * 4


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.ones((4, 10, 2)), GOOD_Y, "non-empty list"),
        ([], [], "non-empty list"),
        ([np.ones(10)] * 4, GOOD_Y, r"X\[0\] has shape \(10,\)"),
        ([*GOOD_X[:3], np.ones((10, 3))], GOOD_Y, r"X\[3\] has 3 features, expected 2"),
        ([*GOOD_X[:3], np.full((10, 2), np.nan)], GOOD_Y, r"X\[3\] holds 20 values that are NaN or Inf"),
        ([*GOOD_X[:3], np.full((10, 2), np.inf)], GOOD_Y, r"X\[3\] holds 20 values that are NaN or Inf"),
        (GOOD_X, GOOD_Y[:3], "X has 4 trials but Y is a list of 3"),
        (GOOD_X, [*GOOD_Y[:3], np.ones((9, 1))], r"Y\[3\] has 9 bins but X\[3\] has 10 rows"),
        (GOOD_X, [*GOOD_Y[:3], np.ones((10, 2))], r"Y\[3\] has shape \(10, 2\), which does not match"),
        (GOOD_X, [*GOOD_Y[:3], np.full((10, 1), np.nan)], r"Y\[3\] holds NaN"),
        (GOOD_X, [np.ones(10)] * 4, r"Y\[0\] has shape \(10,\)"),
        (GOOD_X, [strict.ones((10, 1))] * 4, "arrays of one library"),
    ],
)
def test_bad_trials__are_named(X, Y, message):
    with pytest.raises(DataError, match=message):
        TRF().fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tmin": 0.3}, "tmax=0.2 s is before tmin=0.3"),
        ({"sfreq": 0}, "sfreq positive"),
        ({"alphas": [1.0, 0.1]}, "ascending"),
        ({"alphas": [0.0]}, "positive"),
        ({"n_folds": 5}, "n_folds=5 does not fit 4 training trials"),
        ({"lead_in": -1}, "lead_in=-1"),
    ],
)
def test_bad_parameters__are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        TRF(**parameters).fit(GOOD_X, GOOD_Y)


def test_folds__must_hold_every_trial_once():
    with pytest.raises(DataError, match=r"each of 0\.\.3 once"):
        TRF().fit(GOOD_X, GOOD_Y, folds=[[0, 1], [1, 2]])


def test_unfitted__says_so():
    with pytest.raises(DataError, match="not fitted yet"):
        TRF().predict(GOOD_X)
