"""Results as one labelled dataset, and tables of them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf import open_results
from distributed_trf.errors import StoreError
from distributed_trf.results.best_layers import layer_table
from distributed_trf.results.open_results import unpacked
from distributed_trf.store.study_store import StudyStore
from tests.small_results import FITS, small_results, write_small_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study's folder with the fits of ``small_results``, that no test may change."""
    return write_small_study(tmp_path_factory.mktemp("study"))


def test_open_results__without_a_study_or_results_says_what_to_do(tmp_path):
    with pytest.raises(StoreError, match=r"there is no study folder here; run the study first"):
        open_results(tmp_path / "gone")
    StudyStore.create(tmp_path / "new")
    with pytest.raises(StoreError, match=r"new: no results yet; run the study first: dtrf run"):
        open_results(tmp_path / "new")


def test_open_results__reads_no_numbers_until_asked(tmp_path):
    study = write_small_study(tmp_path)
    ds = open_results(study)
    for name in ("r", "alpha", "cv_score"):
        assert not ds[name].variable._in_memory
        assert ds[name].chunks is None
    for chunk in (study / "results.zarr/r/c").rglob("0"):
        if chunk.is_file():
            chunk.unlink()
    with pytest.raises(StoreError, match=r"results\.zarr/r/c/.*: cannot be read"):
        ds.r.load()


def test_open_results__is_what_was_written_by_name(study):
    ds = open_results(study)
    xr.testing.assert_allclose(ds.load(), small_results())
    for (stimuli, network, weights, layer, bin_width), values in FITS.items():
        found = ds.r.sel(stimuli=stimuli, network=network, weights=weights, layer=layer, bin_width=bin_width)
        np.testing.assert_array_equal(found, values)
    assert np.isnan(ds.r.sel(network="mel", weights="reset")).all()
    np.testing.assert_array_equal(ds.normaliser.sel(stimuli="timit", bin_width=50), [0.25, -0.01, 1.0])
    assert unpacked(ds.attrs) == {"study": "small", "versions": {"numpy": "2"}}


def test_open_results__rho_is_r_over_the_root_of_a_positive_normaliser(study):
    ds = open_results(study)
    rho = ds.rho.sel(stimuli="timit", network="mel", weights="fixed", layer=0)
    np.testing.assert_allclose(rho.sel(bin_width=50), [0.2, np.nan, 0.4])
    assert np.isnan(rho.sel(bin_width=20)).all()
    assert ds.rho.dims == ds.r.dims
    assert ds.rho.chunks is not None  # nothing is computed before it is asked for


def test_open_results__units_are_selected_by_what_they_are(study):
    ds = open_results(study)
    core = ds.r.where(ds.area == "core", drop=True)
    assert core.sizes["unit"] == 2
    assert set(core.session.values) == {"s1", "s2"}
    assert ds.r.groupby("session").median().sizes["session"] == 2
    assert np.isfinite(ds.r.sel(network="mel", weights="fixed", layer=0).where(ds.x > 1).max())


def test_layer_table__summarises_units_by_hand():
    table = layer_table(small_results())
    assert list(table.columns) == [
        *("stimuli", "network", "weights", "layer", "bin_width", "layer_name", "layer_type"),
        *("median", "q25", "q75", "maximum", "n"),
    ]
    assert len(table) == 5  # the fit that is NaN throughout is left out
    found = table.set_index(["network", "weights", "layer", "bin_width"])
    mel = found.loc["mel", "fixed", 0, 50.0]
    np.testing.assert_allclose(mel[["median", "q25", "q75"]].astype(float), [0.2, 0.15, 0.3])
    assert mel[["n", "layer_name", "layer_type", "stimuli"]].tolist() == [3, "mel", "spectrogram", "timit"]
    partial = found.loc["net", "trained", 2, 50.0]
    np.testing.assert_allclose(partial[["median", "q25", "q75"]].astype(float), [0.4, 0.3, 0.5])
    assert partial["n"] == 2
    assert ("net", "trained", 0, 20.0) not in found.index


def test_layer_table__keeps_the_order_of_the_dataset():
    table = layer_table(small_results())
    places = list(table[["network", "weights", "layer", "bin_width"]].itertuples(index=False, name=None))
    assert places == [
        ("mel", "fixed", 0, 50.0),
        ("net", "reset", 0, 50.0),
        ("net", "trained", 0, 50.0),
        ("net", "trained", 2, 20.0),
        ("net", "trained", 2, 50.0),
    ]


def test_layer_table__of_an_opened_study_is_the_same(study):
    table, expected = layer_table(open_results(study)), layer_table(small_results())
    assert table.astype(expected.dtypes).equals(expected)


def test_layer_table__of_nothing_fitted_is_empty():
    ds = small_results()
    table = layer_table(ds.assign(r=ds.r * np.nan))
    assert len(table) == 0
    assert "median" in table
