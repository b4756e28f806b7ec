"""How often the smallest and the largest penalty were chosen."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.results.best_layers import in_words, penalty_edges
from distributed_trf.trf.estimator import TRF
from tests.small_results import small_results


def results(alphas):
    ds = small_results().assign_attrs(study={"ridge": {"alphas": alphas, "n_folds": 3}})
    ds["alpha"].loc["timit", "net", "trained", 2, 50.0] = [1000.0, np.nan, 0.1]
    ds["alpha"].loc["timit", "net", "reset", 0, 50.0] = [1000.0, 1000.0, 10.0]
    return ds


@pytest.mark.parametrize("alphas", [[1000.0, 0.1, 10.0], {"min": 0.1, "max": 1000.0, "num": 5}])
def test_edges__are_counted_over_all_fits_of_units(alphas):
    fine, coarse = penalty_edges(results(alphas)).to_dict("records")
    grid = {"stimuli": "timit", "smallest": 0.1, "largest": 1000.0}
    assert fine == {**grid, "bin_width": 20.0, "n": 3, "first": 0, "last": 0}
    assert coarse == {**grid, "bin_width": 50.0, "n": 11, "first": 1, "last": 3}
    assert in_words(penalty_edges(results(alphas)).loc[1]) == (
        "chosen penalties: the smallest (0.1) in 9.1%, the largest (1000) in 27.3% of 11 fits of a unit"
    )


@pytest.mark.parametrize("study", [None, "small", {}, {"ridge": {"alphas": "?"}}, {"ridge": {"alphas": [10.0]}}])
def test_edges__of_results_without_such_settings_are_none(study):
    assert penalty_edges(small_results().assign_attrs({} if study is None else {"study": study})).empty


def test_trf__counts_its_units_too():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(200, 1)) for _ in range(4)]
    Y = [np.c_[x, x + 1e-3 * rng.normal(size=x.shape), rng.normal(size=x.shape), np.ones_like(x)] for x in X]
    trf = TRF(0, 0, 1, alphas=[1e-9, 1e-2, 1e9]).fit(X, Y)
    np.testing.assert_array_equal(trf.alpha_, [1e-9, 1e-9, 1e9, np.nan])
    assert trf.n_at_edges_ == (2, 1)
