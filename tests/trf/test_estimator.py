"""``TRF`` against the explicit solution, against other people's software, and on other backends."""

from __future__ import annotations

import json
from pathlib import Path

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import Ridge

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.estimator import TRF
from tests.oracle import fit_and_score, lag_matrix

LOCUST = Path(__file__).parent / "locust"
"""A recording of a locust's receptor; its README says where it is from."""


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
    np.testing.assert_allclose(trf.correlate(X_test, Y_test), r, rtol=1e-9, atol=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 3), min_size=4, max_size=9) | st.just([2, 3, 2, 3, 2]),
    solver=st.sampled_from(["eigh", "cholesky", "dual"]),
    all_scores=st.booleans(),
    banded=st.booleans(),
)
@settings(max_examples=25)
def test_score__is_pooled_over_folds_where_units_hardly_vary_within_them(seed, lengths, solver, all_scores, banded):
    """A trial a fold, of one bin or a few; units vary within all that can, none, only the first, the first two."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(t, 2)) for t in lengths]
    Y = [np.c_[x[:, 0] + rng.normal(size=len(x)), np.full((len(x), 3), x[0, 1] + rng.normal())] for x in X]
    Y[0][:, 2:] += rng.normal(size=(lengths[0], 2))
    Y[1][:, 3] += rng.normal(size=lengths[1])
    folds, alphas = [[i] for i in range(len(X))], [1e-6, 1e-2, 1e0, 1e2]
    alpha, scores, _, predicted = fit_and_score(
        X, Y, X, [y[None] for y in Y], lags=[0], lead_in=0, alphas=alphas, folds=folds, standardize=False
    )
    bands = {"bands": [2], "candidates": 1} if banded else {}
    trf = TRF(0, 0, 1, alphas=alphas, standardize=False, solver=solver, all_scores=all_scores, **bands)
    trf.fit(X, Y, folds=folds)
    np.testing.assert_array_equal(trf.alpha_, alpha)
    known = ~np.isnan(trf.cv_scores_)
    assert known.any(axis=0).all()
    np.testing.assert_allclose(trf.cv_scores_[known], scores[known], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.concatenate(trf.predict(X)), predicted, rtol=1e-9, atol=1e-9)


def test_unit_of_spikes_in_one_fold__has_no_penalty_by_default():
    """Without that fold nothing is learnt of it, in the others nothing is recorded: every R^2 of a fold is 0."""
    rng = np.random.default_rng(12)
    X = [rng.normal(size=(40, 20)) for _ in range(6)]
    Y = [np.zeros((40, 1)) for _ in X]
    Y[2][[3, 17, 30]] = 1
    trf = TRF(0, 0, 1).fit(X, Y)
    assert trf.alpha_[0] > 1e3
    assert abs(np.concatenate(trf.predict(X)) - 3 / 240).max() < 0.01


def test_one_row_trials__choose_a_penalty_that_predicts():
    rng = np.random.default_rng(11)
    X = [rng.normal(size=(1, 40)) for _ in range(60)]
    Y = [x[:, :1] + 3 * rng.normal(size=(1, 1)) for x in X]
    for all_scores in (True, False):
        trf = TRF(0, 0, 1, n_folds=60, alphas=np.logspace(-5, 15, 21), all_scores=all_scores).fit(X, Y)
        assert 1e-2 < trf.alpha_[0] < 1e2


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
    gentle, brutal = (TRF(0.0, 0.0, 10.0, alphas=[a]).fit(X, Y).correlate(X, Y) for a in (1e6, 1e15))
    np.testing.assert_allclose(brutal, gentle, atol=1e-5)


def test_constant_unit__is_nan_and_counted():
    rng = np.random.default_rng(6)
    X, Y = trials(rng, 6, 2, 3, 0)
    for y in Y:
        y[:, 1] = 0.1
    trf = TRF(0.0, 0.1, 10.0).fit(X, Y)
    assert trf.n_constant_ == 1
    np.testing.assert_array_equal(np.isnan(trf.correlate(X, Y)), [False, True, False])
    np.testing.assert_array_equal(np.isnan(trf.alpha_), [False, True, False])
    np.testing.assert_array_equal(trf.coef_[1], 0)
    np.testing.assert_allclose(trf.predict(X)[0][:, 1], 0.1)


def test_repeat_without_a_spike__counts_as_zero_in_the_mean():
    rng = np.random.default_rng(7)
    X, Y = trials(rng, 6, 2, 1, 0)
    trf = TRF(0.0, 0.1, 10.0).fit(X, Y)
    with_silent = [np.stack([y, np.zeros_like(y)]) for y in Y]
    np.testing.assert_allclose(trf.correlate(X, with_silent), trf.correlate(X, Y) / 2, rtol=1e-12)
    assert np.isnan(trf.correlate(X, [np.zeros_like(y) for y in with_silent])).all()


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
    r = trf.correlate(there(X_test), there(Y_test))
    np.testing.assert_allclose(
        np.asarray(r.to_device(strict.Device("CPU_DEVICE"))), here.correlate(X_test, Y_test), rtol=1e-9
    )


def test_locust__every_lambda_gives_the_correlations_of_mtrfpy():
    expected = json.loads((LOCUST / "mtrf.json").read_text())
    data = np.load(LOCUST / "locust.npz")
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
            r.append(trf.correlate([X[test]], [Y[test]]))
        whole = np.corrcoef(np.concatenate(predicted)[:, 0], np.concatenate(Y)[:, 0])[0, 1]
        np.testing.assert_allclose(np.mean(r), peer["r_trial"], atol=1e-9, rtol=0)
        np.testing.assert_allclose(whole, peer["r_oof"], atol=1e-9, rtol=0)


def test_locust__real_data_agree_with_the_explicit_solution():
    data = np.load(LOCUST / "locust.npz")
    X, Y = ([data[f"{kind}_{i}"] for i in range(10)] for kind in ("stim", "resp"))
    folds, alphas = [[0, 1], [2, 3, 4], [5, 6, 7]], np.logspace(-5, 15, 21)
    test = [Y[i].T[:, :, None] for i in (8, 9)]
    alpha, scores, r, _ = fit_and_score(
        X[:8], Y[:8], X[8:], test, lags=range(-2, 21), lead_in=0, alphas=alphas, folds=folds, standardize=True
    )
    trf = TRF(-0.002, 0.02, 1000.0).fit(X[:8], Y[:8], folds=folds)
    np.testing.assert_array_equal(trf.alpha_, alpha)
    np.testing.assert_allclose(trf.cv_scores_, scores, atol=1e-9)
    np.testing.assert_allclose(trf.correlate(X[8:], test), r, atol=1e-9)


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
        ({"sfreq": 0}, "sfreq=0.0 Hz must be positive"),
        ({"sfreq": "20"}, "sfreq='20' must be a finite number, in Hz"),
        ({"tmin": None}, "tmin=None must be a finite number, in seconds"),
        ({"tmax": np.nan}, "tmax=nan must be a finite number, in seconds"),
        ({"tmax": 1e9}, "more than 1000000 lags; tmin and tmax are in seconds"),
        ({"alphas": [1.0, 0.1]}, "ascending"),
        ({"alphas": [0.0]}, "positive"),
        ({"alphas": [1.0, 1j]}, r"alphas=\[1.0, 1j\] must be a list of finite, real numbers"),
        ({"alphas": ["1", "2"]}, r"alphas=\['1', '2'\] must be a list of finite"),
        ({"alphas": [1.0, np.nan]}, "alphas=.* must be a list of finite"),
        ({"alphas": [[1.0, 2.0]]}, "alphas=.* must be a list of finite"),
        ({"alphas": [[1.0], [2.0, 3.0]]}, "alphas=.* must be a list of finite"),
        ({"alphas": np.ma.masked_less([1.0, 2.0], 2)}, "alphas=.* must be a list of finite"),
        ({"alphas": []}, r"alphas=\[\] must be"),
        ({"alphas": [True]}, r"alphas=\[True\] must be"),
        ({"seed": True}, "seed=True must be a whole number"),
        (
            {"n_folds": 5},
            "n_folds=5 does not fit 4 training trials: .* choose 2 to 4 folds, or cut .* into 5 trials or more",
        ),
        ({"n_folds": 2.5}, "n_folds=2.5 must be a whole number, 2 or more"),
        ({"n_folds": True}, "n_folds=True must be a whole number"),
        ({"seed": "a"}, "seed='a' must be a whole number, 0 or more"),
        ({"lead_in": -1}, "lead_in=-1 must be a whole number, 0 or more"),
        ({"lead_in": 0.5}, "lead_in=0.5 must be a whole number"),
        ({"lead_in": "1"}, "lead_in='1' must be a whole number"),
        ({"bands": [1, 1.5]}, r"bands\[1\]=1.5 must be a whole number, 1 or more"),
        ({"bands": "11"}, "bands='11' must be a list"),
        ({"bands": 2}, "bands=2 must be a list"),
        ({"bands": [1, 1], "candidates": 0}, "candidates=0 must be a whole number, 1 or more"),
    ],
)
def test_bad_parameters__are_named(parameters, message):
    with pytest.raises(ConfigError, match=message):
        TRF(**parameters).fit(GOOD_X, GOOD_Y)


def test_parameters__may_be_whole_floats_and_numpys_numbers():
    rng = np.random.default_rng(9)
    X, Y = trials(rng, 6, 3, 2, 2)
    plain = TRF(0.0, 0.2, 10.0, lead_in=2, bands=[2, 1], candidates=4).fit(X, Y)
    other = TRF(
        np.float32(0),
        np.float64(0.2),
        np.int64(10),
        n_folds=np.int8(3),
        lead_in=2.0,
        bands=np.array([2, 1]),
        candidates=np.uint8(4),
        seed=np.int64(0),
    )
    np.testing.assert_array_equal(other.fit(X, Y).coef_, plain.coef_)
    np.testing.assert_array_equal(other.correlate(X, Y), plain.correlate(X, Y))


@pytest.mark.parametrize("folds", [[[0, 1], [1, 2]], [[0.5, 1], [2, 3]], [["0", "1"], ["2", "3"]], [0, 1], "01", 3])
def test_folds__must_hold_every_trial_once(folds):
    with pytest.raises(DataError, match=r"each of 0\.\.3 once|must be lists of the indices"):
        TRF().fit(GOOD_X, GOOD_Y, folds=folds)


def test_one_trial__says_into_how_many_to_cut_it():
    with pytest.raises(
        ConfigError, match="n_folds=3 does not fit 1 training trial: .* cut the recording into 3 trials"
    ):
        TRF().fit(GOOD_X[:1], GOOD_Y[:1])


def test_lags__that_no_trial_is_long_enough_for_are_told():
    rng = np.random.default_rng(10)
    X = [rng.normal(size=(t, 2)) for t in (3, 4, 2, 1)]
    Y = [rng.normal(size=(t - 1, 1)) for t in (3, 4, 2, 2)]
    Y[3], X[3] = rng.normal(size=(1, 1)), rng.normal(size=(2, 2))
    assert TRF(-0.2, 0.2, 20.0, lead_in=1, solver="dual").fit(X, Y).unreached_lags_ == (-0.2, -0.15, 0.2)
    for tmin, tmax in ((0.2, 0.4), (-0.9, -0.15)):
        with pytest.raises(
            ConfigError, match=r"no lag can reach sound, as the longest trial of X lasts 0\.2 s \(4 rows"
        ):
            TRF(tmin, tmax, 20.0, lead_in=1).fit(X, Y)
    with pytest.raises(ConfigError, match="to tmax=200 s: only 4 of 4001 lags can reach sound.* are in seconds"):
        TRF(0, 200, 20.0, lead_in=1).fit(X, Y)


def test_unfitted__says_so():
    with pytest.raises(DataError, match="not fitted yet"):
        TRF().predict(GOOD_X)
