"""Everything that was fitted, as one labelled dataset, with the normalised test correlation ``rho``.

Attributes and labels are such that every file format of xarray can hold them: netCDF has no mappings, None or booleans.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.store.results import has_results, open_grid
from distributed_trf.store.study_store import StudyStore

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


def with_rho(ds: xr.Dataset) -> xr.Dataset:
    """Add ``rho = r / sqrt(normaliser)``, NaN where the normaliser is not positive; lazy where ``ds`` is.

    Parameters
    ----------
    ds
        With ``r`` and ``normaliser`` over the same units.
    """
    rho = ds["r"] / np.sqrt(ds["normaliser"].where(ds["normaliser"] > 0))
    return ds.assign(rho=rho.transpose(*ds["r"].dims).assign_attrs(names.RHO.attrs))


def open_results(path: str | Path) -> xr.Dataset:
    """Open the results of a study, lazily.

    Parameters
    ----------
    path
        The study's output folder.

    Returns
    -------
    xarray.Dataset
        ``r``, ``alpha`` and ``cv_score`` over (stimuli, network, weights, layer, bin_width, unit), NaN where a
        combination does not exist or is not fitted yet, and over the same dimensions ``r_p``, the p-value of r,
        and ``r_second_half``, to be read of units that were selected by ``normaliser_first_half`` and its like;
        ``normaliser``, ``null_mean``, ``null_std``, ``tuned_p``, ``ceiling_*`` and other measures of
        reliability over (stimuli, bin_width, unit), each with a ``comment``; ``rho = r / sqrt(normaliser)``, as
        a dask array. In a study that tests by folds, splits or groups also ``fold_r`` and ``fold_alpha`` over
        (..., split, unit), where ``split`` is the number of the outer fold, the group that was left out or the
        name of the split (``ds.drop_dims("split")`` is without them). Coordinates ``session``, ``channel``,
        ``area``, ``subject``, ``x``, ``y`` along unit, and ``layer_name``, ``layer_type`` along (network,
        layer); settings, versions and method in ``attrs``, as text or, where they are mappings, as JSON, and
        ``dealt_stimuli``: of each stimulus set the stimuli and their role in each split, 0 where it is tested,
        k where it is in fold k of the training stimuli, -1 where it is not used. It can be written as netCDF
        and zarr.

    Raises
    ------
    StoreError
        If there is no study, or it has no results yet.
    DamagedError
        If a file of them is not what was written; all are read once now, and checked again when they are read later.

    Examples
    --------
    >>> ds = open_results("quickstart/study")  # doctest: +SKIP
    >>> ds.r.sel(network="whisper_tiny", weights="reset").median("unit")  # doctest: +SKIP
    """
    store = StudyStore.open(Path(path))
    if not has_results(store):
        raise StoreError(f"{store.root}: no results yet; run the study first: dtrf run STUDY")
    ds = open_grid(store.results)
    # A task for each network, not for each of thousands of fits: it is overhead that takes time.
    lazy = open_grid(store.results, chunks={names.WEIGHTS: -1, names.LAYER: -1, names.BIN_WIDTH: -1})
    return portable(ds.assign(rho=with_rho(lazy)["rho"]))


def load_results(path: str | Path) -> xr.Dataset:
    """Read the results of a study into memory.

    ``rho`` is computed there, sooner than the lazy one of every fit, for which Dask would load what runs workers.
    """
    return with_rho(open_results(path).drop_vars("rho").load())
