"""``TRF`` where users' hands are: scikit-learn's model selection, joblib, pickle, pandas, xarray."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone, is_regressor
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict, cross_val_score, cross_validate

from distributed_trf import TRF

RNG = np.random.default_rng(7)
X = [RNG.normal(size=(60 + 5 * k, 4)) for k in range(9)]
Y = [x[:, :3] + np.roll(x[:, 1:], 1, axis=0) + RNG.normal(size=(len(x), 3)) for x in X]


def picked(of, indices):
    return [of[k] for k in indices]


def mean_r(trf, train, test):
    fitted = trf.fit(picked(X, train), picked(Y, train))
    predicted, seen = (np.concatenate(a) for a in (fitted.predict(picked(X, test)), picked(Y, test)))
    return np.mean([np.corrcoef(predicted[:, u], seen[:, u])[0, 1] for u in range(seen.shape[1])])


def test_cross_val_score__is_the_mean_r_of_fits_by_hand():
    splitter = KFold(3)
    expected = [mean_r(TRF(tmax=0.1), *split) for split in splitter.split(X)]
    np.testing.assert_allclose(cross_val_score(TRF(tmax=0.1), X, Y, cv=splitter), expected, rtol=1e-9)
    found = cross_validate(TRF(tmax=0.1), X, Y, cv=GroupKFold(3), groups=np.arange(9) // 3, return_estimator=True)
    assert len(found["estimator"]) == 3
    assert all(trf.coef_.shape == (3, 4, 3) for trf in found["estimator"])


def test_cross_val_score__is_the_same_in_several_processes():
    here, there = (cross_val_score(TRF(tmax=0.1), X, Y, cv=3, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(there, here)


def test_grid_search__finds_how_far_responses_reach_back():
    search = GridSearchCV(TRF(), {"tmax": [0.0, 0.05, 0.1], "standardize": [True, False]}, cv=3).fit(X, Y)
    assert search.best_params_["tmax"] == 0.05  # one bin of 20 per second
    assert search.best_estimator_.coef_.shape == (3, 4, 2)
    assert search.best_score_ == pytest.approx(search.cv_results_["mean_test_score"].max())


def test_cross_val_predict__is_refused_as_trials_differ_in_length():
    """It wants one row for each trial; ``TRF.cross_validate`` predicts every trial instead."""
    with pytest.raises(ValueError, match="inhomogeneous|dimensions|shape"):
        cross_val_predict(TRF(), X, Y, cv=3)


def test_html__shows_what_it_is_made_with_and_what_was_found():
    trf = TRF(tmax=0.1)
    assert trf._repr_html_() == "<div><code>TRF(tmax=0.1)</code></div>"
    shown = trf.fit(X, Y)._repr_html_()
    assert "fitted: 4 features at 3 lags, 3 units; penalties " in shown
    assert "&lt;" in TRF(padding="<b>")._repr_html_()  # whatever is given is text


def test_score__leaves_out_units_that_never_vary():
    still = [np.concatenate([y, np.ones((len(y), 1))], axis=1) for y in Y]
    trf = TRF().fit(X[:6], still[:6])
    assert np.isnan(trf.correlate(X[6:], still[6:])).tolist() == [False, False, False, True]
    assert trf.score(X[6:], still[6:]) == pytest.approx(np.nanmean(trf.correlate(X[6:], still[6:])))
    assert np.isnan(TRF().fit(X[:6], [y[:, 3:] for y in still[:6]]).score(X[6:], [y[:, 3:] for y in still[6:]]))


def test_clone__has_the_parameters_and_nothing_fitted():
    trf = TRF(tmax=0.1, alphas=[1.0, 10.0], bands=[2, 2]).fit(X, Y)
    assert is_regressor(trf)
    copied = clone(trf)
    assert copied.get_params() == trf.get_params()
    assert not hasattr(copied, "coef_")


@pytest.mark.parametrize("way", [copy.deepcopy, lambda trf: pickle.loads(pickle.dumps(trf))], ids=["copy", "pickle"])
def test_copies__predict_the_same(way):
    trf = TRF(padding="mean").fit(X[:6], Y[:6])
    for one, other in zip(way(trf).predict(X[6:]), trf.predict(X[6:]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_tables_and_labelled_arrays__are_taken():
    plain = TRF().fit(X, Y)
    tables = TRF().fit([pd.DataFrame(x) for x in X], [pd.DataFrame(y) for y in Y])
    labelled = TRF().fit([xr.DataArray(x, dims=("time", "feature")) for x in X], [y.tolist() for y in Y])
    np.testing.assert_allclose(tables.coef_, plain.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(labelled.coef_, plain.coef_, rtol=1e-9, atol=1e-12)


def test_repr__says_what_differs_from_the_defaults():
    assert repr(TRF()) == "TRF()"
    assert repr(TRF(tmax=0.1, solver="eigh")) == "TRF(tmax=0.1, solver='eigh')"
    assert repr(TRF(alphas=np.logspace(0, 3, 7))) == "TRF(alphas=7 from 1 to 1000)"
    assert repr(TRF(alphas=[2.0])) == "TRF(alphas=[2.0])"
