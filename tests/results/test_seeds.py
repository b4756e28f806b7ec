"""Averages over seeds, against plain means by hand."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

from distributed_trf import open_results, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.best_layers import layer_table
from distributed_trf.results.combine import average_seeds
from tests.small_results import small_results, write_small_study

NAN = np.nan
R = {  # of each unit at 50 ms, by network, weights and layer
    ("net", "reset", 0): [0.1, 0.2, NAN],
    ("net", "reset-1", 0): [0.3, NAN, NAN],
    ("net", "reset-12", 0): [0.8, 0.4, 0.3],
    ("net", "reset-1", 2): [0.5, 0.6, NAN],
    ("net", "trained", 0): [0.7, 0.9, 0.8],
    ("net", "scaled-0.5", 0): [0.2, 0.4, 0.6],
    ("net", "scaled-2", 0): [0.3, 0.5, 0.7],
    ("other", "reset", 0): [0.6, 0.5, 0.4],
    ("net", "random-1", 2): [0.1, 0.1, 0.1],
    ("mel", "fixed", 0): [0.1, 0.2, 0.4],
}
WEIGHTS = ("reset", "trained", "reset-1", "scaled-0.5", "random-1", "scaled-2", "reset-12", "fixed")


@pytest.fixture
def ds():
    """Results of three networks with many kinds of weights."""
    small = small_results()
    old = small.isel(weights=0, network=0, drop=True).drop_vars(["r", "alpha", "cv_score", "rho"])
    shape = (1, 3, len(WEIGHTS), 2, 2, 3)
    found = old.assign_coords(network=["mel", "net", "other"], weights=list(WEIGHTS))
    for name in ("r", "alpha", "cv_score"):
        found[name] = xr.DataArray(np.full(shape, NAN), dims=small.r.dims, attrs=small[name].attrs)
    for (network, weights, layer), values in R.items():
        where = {"network": network, "weights": weights, "layer": layer, "bin_width": 50.0}
        found.r.loc[where] = values
        found.cv_score.loc[where] = np.array(values) / 10
        found.alpha.loc[where] = 10.0
    found["rho"] = (found.r / np.sqrt(found.normaliser.where(found.normaliser > 0))).transpose(*found.r.dims)
    return found


def at(ds, network, weights, layer, name="r"):
    return ds[name].sel(stimuli="timit", network=network, weights=weights, layer=layer, bin_width=50.0).values


def test_kinds__stand_in_the_order_of_their_first_seed(ds):
    found = average_seeds(ds)
    assert found.weights.values.tolist() == ["reset", "trained", "scaled-0.5", "random", "scaled-2", "fixed"]
    assert found.r.dims == ds.r.dims
    assert found.r.attrs == ds.r.attrs
    assert found.attrs == ds.attrs


def test_means__are_over_the_seeds_that_were_fitted(ds):
    found = average_seeds(ds)
    np.testing.assert_allclose(at(found, "net", "reset", 0), [(0.1 + 0.3 + 0.8) / 3, NAN, NAN])
    np.testing.assert_allclose(at(found, "net", "reset", 2), [0.5, 0.6, NAN])
    np.testing.assert_allclose(at(found, "other", "reset", 0), [0.6, 0.5, 0.4])
    np.testing.assert_allclose(at(found, "net", "random", 2), [0.1, 0.1, 0.1])
    assert np.isnan(at(found, "other", "random", 2)).all()
    counts = {
        (network, weights, layer): at(found, network, weights, layer, "n_seeds").item()
        for network, weights, layer in [
            ("net", "reset", 0),
            ("net", "reset", 2),
            ("other", "reset", 0),
            ("mel", "reset", 0),
        ]
    }
    assert list(counts.values()) == [3, 1, 1, 0]


@pytest.mark.parametrize("place", [place for place in R if place[1] in ("trained", "fixed", "scaled-0.5", "scaled-2")])
def test_what_has_no_seeds__stays_as_it_is(ds, place):
    np.testing.assert_array_equal(at(average_seeds(ds), *place), R[place])


def test_other_scores__are_averaged_alike_and_the_penalty_is_left_out(ds):
    found = average_seeds(ds)
    np.testing.assert_allclose(at(found, "net", "reset", 0, "cv_score"), [0.04, NAN, NAN])
    np.testing.assert_allclose(found.rho, found.r / np.sqrt(found.normaliser.where(found.normaliser > 0)))
    assert "alpha" not in found
    xr.testing.assert_identical(found.normaliser, ds.normaliser)
    xr.testing.assert_identical(found.session, ds.session)


def test_results_of_a_study__are_averaged_lazily_and_summarised_by_tables(tmp_path):
    ds = open_results(write_small_study(tmp_path))
    found = average_seeds(ds)
    assert found.rho.chunks is not None
    xr.testing.assert_allclose(found.r, ds.r)
    with dask.config.set(scheduler="synchronous"):  # a warning in another thread would fail no test
        xr.testing.assert_allclose(found.rho, ds.rho)
    xr.testing.assert_equal(found.layer_name, ds.layer_name)
    table, expected = layer_table(found), layer_table(ds)
    assert table.astype(expected.dtypes).equals(expected)


def test_average_seeds__of_one_kind_of_weights_is_an_error():
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=2).sel(weights="reset")
    with pytest.raises(DataError, match="average seeds before you select one"):
        average_seeds(ds)
