"""Results of analyses outside the grid of fits: each is its own zarr group, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed_trf import names
from distributed_trf.store.allocation import Allocation, read_allocation, write_allocation
from distributed_trf.store.atomic import new_folder
from distributed_trf.store.checked_files import digest_files
from distributed_trf.store.results import requested_grid
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import codecs, open_verified
from distributed_trf.timing import timed

if TYPE_CHECKING:
    import xarray as xr

CELL_ATTR = "place"
"""Attribute that holds the coordinates of the analysis: one label for each dimension."""


@timed("write")
def write_analysis(path: Path, ds: xr.Dataset, cell: Mapping[str, Any]) -> dict[str, str]:
    """Write a dataset; it replaces an earlier one, and appears whole or not at all. Return digests of its files."""
    encoding = {name: {**v.encoding, "compressors": codecs()} for name, v in ds.variables.items()}
    with new_folder(path) as folder:
        ds.assign_attrs({CELL_ATTR: dict(cell)}).to_zarr(
            folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding, write_empty_chunks=True
        )
        return digest_files(folder)


def store_analysis(store: StudyStore, key: str, ds: xr.Dataset, cell: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Write the result of an analysis item with the labels of units; return the digests of its files, by group."""
    path = store.analysis(key)
    return {store.name(path): write_analysis(path, ds.merge(unit_coords(store.results)), cell)}


def allocate_analysis(store: StudyStore, key: str, ds: xr.Dataset, cell: Mapping[str, Any]) -> None:
    """Write an analysis that no work item made, such as a published one."""
    path = store.analysis(key)
    write_allocation(store.root, path, Allocation({}, write_analysis(path, ds, cell)))


def imported_analyses(store: StudyStore, start: str) -> dict[Path, dict[str, str]]:
    """Return the analyses that no work item made and whose keys begin with ``start``, with the digests of their files.

    Raises
    ------
    DamagedError
        If the record of one is damaged.
    """
    keys = [path.stem for path in sorted((store.allocations / store.analysis("").parent.name).glob(f"{start}*.json"))]
    return {store.analysis(key): read_allocation(store.root, store.analysis(key)).files for key in keys}


def open_analysis(path: Path, files: Mapping[str, str]) -> xr.Dataset:
    """Open an analysis, with its coordinates as dimensions of length one; ``files`` holds the digests of its files.

    Raises
    ------
    DamagedError
        If the content of a file is not what was written.
    """
    ds = open_verified(path, files)
    cell = ds.attrs.pop(CELL_ATTR)
    return ds.expand_dims({dim: [label] for dim, label in cell.items()})


def unit_coords(results: Path) -> xr.Dataset:
    """Return the units that a study requests, with their labels, as coordinates."""
    coords = requested_grid(results).coords()
    labels = coords[[name for name, coord in coords.coords.items() if coord.dims == (names.UNIT,)]]
    return labels.drop_attrs(deep=True).assign_coords({names.UNIT: range(labels.sizes[names.UNIT])})
