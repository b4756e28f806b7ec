"""``TRF.cross_validate`` against pipelines of scikit-learn that build the lagged matrix."""

from __future__ import annotations

import json
from pathlib import Path

import array_api_strict as strict
import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.splits import given_splits, nested_folds
from tests.oracle import correlation, lag_matrix

LOCUST = Path(__file__).parent / "locust"
"""A recording of a locust's receptor, and what mTRFpy finds on it; its README says where it is from."""
ALPHAS, SFREQ = [1e-3, 1e-1, 1e1], 10.0


class Scaled(TransformerMixin, BaseEstimator):
    """Columns z-scored as in the published analysis, or only centred."""

    def __init__(self, *, standardize=True):
        self.standardize = standardize

    def fit(self, X, y=None):
        self.mean_ = X.mean(axis=0)
        self.scale_ = X.std(axis=0) + 1e-6 if self.standardize else 1.0
        return self

    def transform(self, X):
        return (X - self.mean_) / self.scale_


class RowRidge(Ridge):
    """A penalty for each row of the training set, as everywhere in this package."""

    def fit(self, X, y):
        fitted = Ridge(alpha=self.alpha * len(X)).fit(X, y)
        self.coef_, self.intercept_, self.n_features_in_ = fitted.coef_, fitted.intercept_, X.shape[1]
        return self


def search(cv, *, standardize=True):
    return GridSearchCV(
        make_pipeline(Scaled(standardize=standardize), RowRidge()), {"rowridge__alpha": ALPHAS}, cv=cv, scoring="r2"
    )


def simulated(rng, n_trials, n_features, n_units, lead_in, n_repeats=None):
    """Trials of unequal length, beside an offset."""
    weights = rng.normal(size=(n_features, n_units))
    X = [rng.normal(size=(lead_in + t, n_features)) + 3 for t in rng.integers(3, 12, n_trials)]
    shape = () if n_repeats is None else (n_repeats,)
    return X, [x[lead_in:] @ weights + rng.normal(size=(*shape, len(x) - lead_in, n_units)) for x in X]


def as_rows(X, Y, lags, lead_in):
    """Lagged matrix, mean responses, and the trial of each row."""
    trial = np.repeat(np.arange(len(X)), [len(x) - lead_in for x in X])
    return np.concatenate([lag_matrix(x, lags, lead_in) for x in X]), np.concatenate(Y, axis=-2), trial


def by_pipeline(rows, y, trial, splits, standardize):
    """Test predictions (in each split) and penalties of every split and unit."""
    predicted, alpha = [], []
    for split in splits.splits:
        train, test = (np.flatnonzero(np.isin(trial, splits.members(b))) for b in (split.training, split.test))
        inner = []
        for fold in split.folds:
            held = np.isin(trial[train], splits.members(fold))
            inner.append((np.flatnonzero(~held), np.flatnonzero(held)))
        fits = [search(inner, standardize=standardize).fit(rows[train], y[train, u]) for u in range(y.shape[1])]
        predicted.append(np.stack([fit.predict(rows[test]) for fit in fits], axis=1))
        alpha.append([fit.best_params_["rowridge__alpha"] for fit in fits])
    return predicted, np.array(alpha)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**32 - 1),
    scheme=st.sampled_from(["folds", "few inner folds", "groups", "groups in folds", "given"]),
    solver=st.sampled_from(["eigh", "cholesky", "dual"]),
    standardize=st.booleans(),
    n_repeats=st.sampled_from([None, 2]),
)
def test_cross_validate__equals_pipelines_of_scikit_learn(seed, scheme, solver, standardize, n_repeats):
    rng = np.random.default_rng(seed)
    X, Y = simulated(rng, 9, 2, 2, 2, n_repeats)
    labels = ["a", "b", "c", "d", *rng.choice(list("abcd"), 5).tolist()]
    orders = [rng.permutation(9) for _ in range(3)]
    given = given_splits(9, [o[3:] for o in orders], [o[:2] for o in orders], 2, seed=3)
    splits, arguments, inner = {
        "folds": (nested_folds(range(9), 4, 3, 3), {"folds": 4}, 3),
        "few inner folds": (nested_folds(range(9), 5, 2, 3), {"folds": 5}, 2),
        "groups": (nested_folds(labels, None, 3, 3), {"groups": labels}, 3),
        "groups in folds": (nested_folds(labels, 3, 2, 3), {"groups": labels, "folds": 3}, 2),
        "given": (given, {"splits": given}, 2),
    }[scheme]
    trf = TRF(-0.1, 0.1, SFREQ, ALPHAS, n_folds=inner, lead_in=2, standardize=standardize, seed=3, solver=solver)
    found = trf.cross_validate(X, Y, **arguments)
    rows, y, trial = as_rows(X, Y, [-1, 0, 1], 2)
    repeats = y if n_repeats else y[None]
    predicted, alpha = by_pipeline(rows, repeats.mean(axis=0), trial, splits, standardize)
    np.testing.assert_array_equal(found.alpha, alpha)
    out_of_fold = np.full(repeats.shape[1:], np.nan)
    for k, split in enumerate(splits.splits):
        test = np.isin(trial, splits.members(split.test))
        out_of_fold[test] = predicted[k]
        r = [np.mean([correlation(p[test, u], predicted[k][:, u]) for p in repeats]) for u in range(2)]
        np.testing.assert_allclose(found.r_folds[k], r, rtol=1e-9, atol=1e-9)
    if scheme == "given":
        assert found.predicted is None
        np.testing.assert_allclose(found.r, found.r_folds.mean(axis=0), rtol=1e-12)
    else:
        np.testing.assert_allclose(np.concatenate(found.predicted), out_of_fold, rtol=1e-9, atol=1e-9)
        r = [np.mean([correlation(p[:, u], out_of_fold[:, u]) for p in repeats]) for u in range(2)]
        np.testing.assert_allclose(found.r, r, rtol=1e-9, atol=1e-9)


def test_groups__equal_cross_val_predict_that_leaves_one_group_out():
    rng = np.random.default_rng(1)
    X, Y = simulated(rng, 8, 2, 2, 1)
    labels = ["a", "b", "c", "d", "a", "b", "c", "d"]
    found = TRF(0, 0.2, SFREQ, ALPHAS, n_folds=3, lead_in=1).cross_validate(X, Y, groups=labels)
    rows, y, trial = as_rows(X, Y, [0, 1, 2], 1)
    with sklearn.config_context(enable_metadata_routing=True):
        for u in range(2):
            leave_out = LeaveOneGroupOut().set_split_request(groups=True)
            expected = cross_val_predict(
                search(leave_out), rows, y[:, u], cv=leave_out, params={"groups": np.array(labels)[trial]}
            )
            np.testing.assert_allclose(np.concatenate(found.predicted)[:, u], expected, rtol=1e-9, atol=1e-9)
    assert "predicted" not in repr(found)  # it is as long as the recordings


@pytest.mark.parametrize("solver", ["eigh", "dual"])
@pytest.mark.parametrize("scheme", ["nested", "given"])
def test_padding_with_means__is_that_of_each_training_set(solver, scheme):
    """As if every trial had come with rows of the mean around it, whichever trials are fitted."""
    rng = np.random.default_rng(2)
    X, Y = simulated(rng, 6, 2, 2, 0)
    splits = nested_folds(range(6), 3, 2, 0)
    if scheme == "given":
        splits = given_splits(6, [[0, 1, 2, 3], [5, 4, 3, 2]], [[4, 5], [0, 1]], 2, 0)
    trf = TRF(0, 0.2, SFREQ, ALPHAS, n_folds=2, padding="mean", solver=solver)
    found = trf.cross_validate(X, Y, splits)
    for k, split in enumerate(splits.splits):
        training, tested = splits.members(split.training), splits.members(split.test)
        folds = [[training.index(i) for i in splits.members(fold)] for fold in split.folds]
        fitted = trf.fit([X[i] for i in training], [Y[i] for i in training], folds=folds)
        np.testing.assert_array_equal(found.alpha[k], fitted.alpha_)
        score = fitted.correlate([X[i] for i in tested], [Y[i] for i in tested])
        np.testing.assert_allclose(found.r_folds[k], score, rtol=1e-9)
        for i, expected in zip(tested, fitted.predict([X[i] for i in tested]), strict=True):
            if found.predicted is not None:
                np.testing.assert_allclose(found.predicted[i], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("padding", ["zero", "mean"])
def test_bands__are_those_of_a_fit_of_each_split(padding):
    rng = np.random.default_rng(3)
    X, Y = simulated(rng, 6, 3, 2, 1)
    splits = nested_folds(range(6), 3, 2, 0)
    trf = TRF(0, 0.1, SFREQ, ALPHAS, n_folds=2, lead_in=1, bands=[1, 2], candidates=5, padding=padding)
    found = trf.cross_validate(X, Y, splits)
    for k, split in enumerate(splits.splits):
        training, tested = splits.members(split.training), splits.members(split.test)
        folds = [[training.index(i) for i in splits.members(fold)] for fold in split.folds]
        fitted = trf.fit([X[i] for i in training], [Y[i] for i in training], folds=folds)
        np.testing.assert_array_equal(found.alpha[k], fitted.alpha_)
        np.testing.assert_allclose(found.cv_scores[k], fitted.cv_scores_.max(axis=0), rtol=1e-9)
        for i, expected in zip(tested, fitted.predict([X[i] for i in tested]), strict=True):
            np.testing.assert_allclose(found.predicted[i], expected, rtol=1e-9, atol=1e-9)


def test_constant_units__have_no_r_and_change_no_other():
    rng = np.random.default_rng(4)
    X, Y = simulated(rng, 6, 2, 3, 0)
    for i, y in enumerate(Y):
        y[:, 1] = 0.1  # never varies
        y[:, 2] = rng.normal(size=len(y)) if i == 0 else 2.0  # varies in one trial, which some split lacks
    found = TRF(0, 0.1, SFREQ, ALPHAS).cross_validate(X, Y, folds=6)
    alone = TRF(0, 0.1, SFREQ, ALPHAS).cross_validate(X, [y[:, :1] for y in Y], folds=6)
    np.testing.assert_allclose(found.r[:1], alone.r, rtol=1e-12)
    assert np.isnan(found.r[1])
    assert np.isnan(found.r_folds[:, 1:]).all()  # unit 2 is flat in training or in the test of every split
    lacks = next(k for k, split in enumerate(found.splits.splits) if 0 in found.splits.members(split.test))
    np.testing.assert_array_equal(np.isnan(found.alpha[:, 2]), np.arange(6) == lacks)
    np.testing.assert_allclose(found.predicted[0][:, 2], 2.0)


def test_shrunk_to_nothing__out_of_fold_predictions_are_those_of_means():
    """A penalty of 1e15 leaves the training means, which are the lower the higher the test trial."""
    rng = np.random.default_rng(5)
    X, Y = simulated(rng, 6, 2, 1, 0)
    found = TRF(0, 0, SFREQ, [1e15]).cross_validate(X, Y, folds=6)
    assert -1 <= found.r[0] < 0
    np.testing.assert_allclose(found.r_folds, TRF(0, 0, SFREQ, [1e9]).cross_validate(X, Y, folds=6).r_folds, atol=1e-5)


def test_backend__follows_the_data():
    """Arrays of array-api-strict on a device that is not the host refuse numpy, as cupy arrays do."""
    rng = np.random.default_rng(6)
    X, Y = simulated(rng, 6, 2, 3, 1, 2)
    device = strict.Device("device1")
    moved_X, moved_Y = ([strict.asarray(a, device=device) for a in arrays] for arrays in (X, Y))
    for solver in ("eigh", "dual"):
        trf = TRF(0, 0.1, SFREQ, ALPHAS, lead_in=1, solver=solver)
        here, there = trf.cross_validate(X, Y, folds=3), trf.cross_validate(moved_X, moved_Y, folds=3)
        assert there.r.device == there.predicted[0].device == device
        cpu = strict.Device("CPU_DEVICE")
        for name in ("r", "r_folds", "alpha", "cv_scores"):
            moved = np.from_dlpack(strict.asarray(getattr(there, name), device=cpu))
            np.testing.assert_allclose(moved, getattr(here, name), rtol=1e-9)


def test_arguments__that_do_not_fit_are_refused():
    rng = np.random.default_rng(7)
    X, Y = simulated(rng, 6, 2, 1, 0)
    trf = TRF(0, 0.1, SFREQ, ALPHAS)
    for arguments, error, match in [
        ({}, ConfigError, "give folds"),
        ({"folds": 2}, ConfigError, "3 or more"),
        ({"folds": 7}, ConfigError, "does not fit 6"),
        ({"groups": ["a", "b"]}, DataError, "2 labels, but X has 6"),
        ({"groups": list("aabbbb")}, ConfigError, "2 groups"),
        ({"splits": nested_folds(range(5), 3, 2, 0)}, DataError, "divide 5 trials, but X has 6"),
        ({"splits": nested_folds(range(6), 3, 2, 0), "folds": 3}, ConfigError, "leave out folds"),
    ]:
        with pytest.raises(error, match=match):
            trf.cross_validate(X, Y, **arguments)


def test_locust__out_of_fold_correlations_are_those_of_mtrfpy():
    """Each trial left out; both conventions, the mean over folds and over all predictions one after another."""
    expected = json.loads((LOCUST / "mtrf.json").read_text())
    data = np.load(LOCUST / "locust.npz")
    n, fs = expected["n_stim"], expected["fs"]
    X, Y = ([data[f"{kind}_{i}"] for i in range(n)] for kind in ("stim", "resp"))
    for text, peer in expected["fixed_lambda"].items():
        trf = TRF(0.0, 0.02, fs, alphas=[float(text) * fs * n / sum(map(len, Y))], standardize=False)
        found = trf.cross_validate(X, Y, folds=n)
        np.testing.assert_allclose(found.r_folds.mean(), peer["r_trial"], atol=1e-9, rtol=0)
        np.testing.assert_allclose(found.r[0], peer["r_oof"], atol=1e-9, rtol=0)
