"""Datasets written as files and read back."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import xarray as xr


def assert_written_and_read(ds: xr.Dataset, folder: Path) -> None:
    """Make sure that netCDF (of whichever library is here) and zarr hold a dataset as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    assert all(isinstance(value, str | int | float | np.number) for value in ds.attrs.values())
    for name, variable in ds.variables.items():
        assert variable.dtype.kind in "fiU", name
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        ds.to_netcdf(folder / "a.nc")
        ds.to_zarr(folder / "a.zarr", zarr_format=3)
        ds.to_zarr(folder / "a2.zarr", zarr_format=2)
    for found in (
        xr.open_dataset(folder / "a.nc"),
        xr.open_zarr(folder / "a.zarr", chunks=None),
        xr.open_zarr(folder / "a2.zarr", chunks=None),
    ):
        with found:
            xr.testing.assert_equal(found, ds)
            assert found.attrs == ds.attrs
            assert set(found.coords) == set(ds.coords)
            for name, variable in ds.variables.items():
                assert found[name].attrs == variable.attrs, name
                assert found[name].dims == variable.dims, name
