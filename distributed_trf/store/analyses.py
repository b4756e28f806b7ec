"""What analyses beside the grid of fits found: each a zarr group of its own, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from distributed_trf import names
from distributed_trf.store.allocation import Allocation, read_allocation, write_allocation
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.results import asked_grid
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import codecs, digest_files, open_verified
from distributed_trf.timing import timed

PLACE = "place"
"""Attribute that says of what the analysis is: labels by dimension, each of length one."""


@timed("write")
def write_analysis(path: Path, ds: xr.Dataset, place: Mapping[str, Any]) -> dict[str, str]:
    """Write a dataset in place of what was there; it appears whole or not at all. Returns digests of its files."""
    encoding = {name: {**v.encoding, "compressors": codecs()} for name, v in ds.variables.items()}
    with new_folder(path) as folder:
        ds.assign_attrs({PLACE: dict(place)}).to_zarr(
            folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding, write_empty_chunks=True
        )
        return digest_files(folder)


def store_analysis(store: StudyStore, key: str, ds: xr.Dataset, place: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Write what the item of an analysis found, with the labels of units; digests of its files, by group."""
    path = store.analysis(key)
    return {store.name(path): write_analysis(path, ds.merge(unit_coords(store.results)), place)}


def allocate_analysis(store: StudyStore, key: str, ds: xr.Dataset, place: Mapping[str, Any]) -> None:
    """Write an analysis that no work item made, such as a published one."""
    path = store.analysis(key)
    write_allocation(store.root, path, Allocation({}, write_analysis(path, ds, place)))


def laid_analyses(store: StudyStore, start: str) -> dict[Path, dict[str, str]]:
    """Return the analyses that no work item made, whose keys begin with ``start``, with the digests of their files.

    Raises
    ------
    DamagedError
        If the record of one is damaged.
    """
    keys = [path.stem for path in sorted((store.laid / store.analysis("").parent.name).glob(f"{start}*.json"))]
    return {store.analysis(key): read_allocation(store.root, store.analysis(key)).files for key in keys}


def open_analysis(path: Path, files: Mapping[str, str]) -> xr.Dataset:
    """Open an analysis, of whose files these are the digests, with its place as dimensions of length one.

    Raises
    ------
    DamagedError
        If one of them is not what was written.
    """
    ds = open_verified(path, files)
    place = ds.attrs.pop(PLACE)
    return ds.expand_dims({dim: [label] for dim, label in place.items()})


def unit_coords(results: Path) -> xr.Dataset:
    """Return the units that a study asks for, with their labels, as coordinates."""
    of = asked_grid(results).coords()
    labels = of[[name for name, coord in of.coords.items() if coord.dims == (names.UNIT,)]]
    return labels.drop_attrs(deep=True).assign_coords({names.UNIT: range(labels.sizes[names.UNIT])})
