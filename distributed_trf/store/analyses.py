"""What analyses beside the grid of fits found: each a zarr group of its own, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from distributed_trf import names
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.results import asked_grid
from distributed_trf.store.zarr_arrays import codecs
from distributed_trf.timing import timed

PLACE = "place"
"""Attribute that says of what the analysis is: labels by dimension, each of length one."""


@timed("write")
def write_analysis(path: Path, ds: xr.Dataset, place: Mapping[str, Any]) -> None:
    """Write a dataset in place of what was there; it appears whole or not at all."""
    encoding = {name: {**v.encoding, "compressors": codecs()} for name, v in ds.variables.items()}
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
    """Return the units that a study asks for, with their labels, as coordinates."""
    of = asked_grid(results).coords()
    labels = of[[name for name, coord in of.coords.items() if coord.dims == (names.UNIT,)]]
    return labels.drop_attrs(deep=True).assign_coords({names.UNIT: range(labels.sizes[names.UNIT])})
