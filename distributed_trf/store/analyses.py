"""What analyses beside the grid of fits found: each a zarr group of its own, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from distributed_trf import names
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.zarr_arrays import codecs

PLACE = "place"
"""Attribute that says of what the analysis is: labels by dimension, each of length one."""


def write_analysis(path: Path, ds: xr.Dataset, place: Mapping[str, Any]) -> None:
    """Write a dataset in place of what was there; it appears whole or not at all."""
    encoding = {name: {"compressors": codecs()} for name in ds.variables}
    with new_folder(path) as folder:
        ds.assign_attrs({PLACE: dict(place)}).to_zarr(
            folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding
        )


def open_analysis(path: Path) -> xr.Dataset:
    """Open an analysis lazily, with its place as dimensions of length one."""
    ds = xr.open_zarr(path, consolidated=False, chunks=None, zarr_format=3)
    place = ds.attrs.pop(PLACE)
    return ds.expand_dims({dim: [label] for dim, label in place.items()})


def unit_coords(results: Path) -> xr.Dataset:
    """Return the unit axis of the results with its labels, as coordinates."""
    ds = xr.open_zarr(results, consolidated=False, chunks=None, zarr_format=3)
    along = [name for name, coord in ds.coords.items() if coord.dims == (names.UNIT,)]
    labels = ds[along].load().reset_coords(drop=False).set_coords(along)
    return labels.drop_attrs(deep=False).assign_coords({names.UNIT: range(labels.sizes[names.UNIT])})
