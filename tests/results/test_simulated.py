"""Simulated results look like those of a study and hold the effects asked for."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import open_results, select_units, simulate_results
from tests.round_trip import assert_written_and_read
from tests.small_results import write_small_study


def test_simulated_results__have_what_results_of_a_study_have(tmp_path):
    real = open_results(write_small_study(tmp_path / "study"))
    ds = simulate_results(sessions=3, channels=2)
    for name, variable in ds.variables.items():
        assert real[name].dims == variable.dims, name
        assert real[name].attrs == variable.attrs, name
        assert real[name].dtype.kind == variable.dtype.kind, name
        assert variable.dtype.kind in "fiU", name
    assert list(real.coords) == list(ds.coords)
    assert [name for name in real.data_vars if name in ds] == list(ds.data_vars)
    assert {name: type(value) for name, value in real.attrs.items()} == dict.fromkeys(real.attrs, str)
    assert_written_and_read(ds, tmp_path / "written")
    assert_written_and_read(real, tmp_path / "real")
    assert real.network.values.astype(str).tolist() == ["mel", "net"]
    np.testing.assert_allclose(ds.rho, ds.r / np.sqrt(ds.normaliser).expand_dims({}).broadcast_like(ds.r))


def test_simulated_results__are_those_of_their_seed_and_of_true_size_by_default():
    ds = simulate_results(["whisper_tiny"], seed=4)
    xr.testing.assert_identical(ds, simulate_results(["whisper_tiny"], seed=4))
    assert (ds.r != simulate_results(["whisper_tiny"], seed=5).r).any()
    assert (ds.sizes["unit"], len(set(ds.session.values))) == (1718, 41)
    assert 350 < select_units(ds, stimuli="timit", delta=0.5).sizes["unit"] < 450


def test_planted_gain__is_in_the_layers_asked_for_only():
    ds = simulate_results(["whisper_tiny"], better={"whisper_tiny": [1, 4]}, gain=0.2)
    of = ds.rho.sel(network="whisper_tiny", stimuli="timit", bin_width=50.0)
    gain = (of.sel(weights="trained") - of.sel(weights="reset")).mean("unit").values[:6]
    np.testing.assert_allclose(gain, [0, 0.2, 0, 0, 0.2, 0], atol=0.01)
