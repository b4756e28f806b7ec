"""Attributes and labels that every file format of xarray can hold: netCDF knows no mappings, nothing and no truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

INT32 = np.iinfo(np.int32)
"""What netCDF 3 holds."""


def portable(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset that can be written as netCDF and zarr: text of fixed width, and attributes as text or numbers.

    Attributes that are none of these are written as JSON, which ``unpacked`` reads. How a dataset was stored is
    forgotten, since another format may not be able to do the same.
    """
    ds = ds.drop_encoding()
    ds = ds.assign_coords({name: _text(c) for name, c in ds.coords.items() if c.dtype.kind in "TO"})
    for variable in ds.variables.values():
        if variable.dtype.kind == "U":
            variable.encoding["dtype"] = object  # zarr has no stable type of text of fixed width yet
        variable.attrs = {name: _packed(value) for name, value in variable.attrs.items()}
    return ds.assign_attrs({name: _packed(value) for name, value in ds.attrs.items()})


def unpacked(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with the mappings and lists that ``portable`` wrote as JSON."""
    return {name: _unpacked(value) for name, value in attrs.items()}


def study_of(ds: xr.Dataset) -> dict[str, Any] | None:
    """Return the settings of the study that made a dataset; None if it does not say."""
    study = _unpacked(ds.attrs.get("study"))
    return study if isinstance(study, dict) else None


def _text(coord: xr.DataArray) -> xr.DataArray:
    return coord.copy(data=np.asarray(coord.values, dtype=object).astype(str))


def _packed(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    is_number = isinstance(value, float) or (isinstance(value, int) and INT32.min <= value <= INT32.max)
    if isinstance(value, str) or (is_number and not isinstance(value, bool)):
        return value
    return json.dumps(value, ensure_ascii=False)


def _unpacked(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
