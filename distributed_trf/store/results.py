"""Results on disk: one dense grid of fits, one chunk per fit and variable.

The grid spans what the study asks for and, beside it, fits that were done before and are not asked for now. Chunks of
fits that are not done do not exist, so places that nobody asks for cost nothing. What is asked for is said in an
attribute, and is all that ``open_grid`` shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DamagedError
from distributed_trf.store.allocation import ROOT, read_allocation, write_allocation
from distributed_trf.store.atomic import room_for, sync_file
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.receipts import FIT, receipts
from distributed_trf.store.result_grid import Grid, Place, index_of, label_text
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import VerifiedStore, check_files, open_array, read, read_verified
from distributed_trf.timing import timed

GRID_ATTR = "grid"
"""Attribute of the store that holds its axes, as ``Grid`` does."""
ASKED_ATTR = "asked"
"""Attribute that holds what of the grid the study asks for: ``axes`` and ``layers`` as of ``Grid``; ``units``, their
number, from the first on; ``withheld``, places in between whose fits are not asked for, or cannot be judged now."""
ANALYSES_ATTR = "analyses"
"""Attribute that lists the keys of the analyses that the study asks for; imported results have none."""


def has_results(store: StudyStore) -> bool:
    """Tell whether a driver made the results store, damaged or not."""
    return store.results.is_dir() or any(store.laid.glob(f"{store.results.stem}.json"))


def result_files(store: StudyStore) -> dict[str, str]:
    """Return the digests of all files of the results: of labels, of reliability, and of the fits that are done.

    Raises
    ------
    DamagedError
        If a record or receipt that has them is damaged.
    """
    path = store.results
    laid, group = read_allocation(store.root, path), store.name(path)
    files, axes = laid.files | laid.gathered, laid.about["axes"]
    for _, receipt in receipts(store, FIT):
        files |= located(axes, receipt.files.get(group, {}))
    return files


def located(axes: Mapping[str, Sequence[Any]], files: Mapping[str, str]) -> dict[str, str]:
    """Return the digests that the receipt of a fit has by where the files are; nothing of a place that is not there."""
    places = [{label_text(label): k for k, label in enumerate(axes[dim])} for dim in names.GRID]
    found = {}
    for key, digest in files.items():
        name, *labels = key.split("/")
        index = [axis[label] for axis, label in zip(places, labels, strict=True) if label in axis]
        if len(index) == len(places):
            found[_chunk(name, tuple(index))] = digest
    return found


def open_grid(path: Path, *, chunks: dict[Any, Any] | None = None) -> xr.Dataset:
    """Open what the study asks for of the results store, lazily, with labels; NaN where a fit is withheld.

    Parameters
    ----------
    path
        The results store.
    chunks
        Of dask arrays, by dimension; by default variables are no dask arrays, but where fits are withheld.

    Raises
    ------
    DamagedError
        If a file is not what was written; all are read once now, and checked again when they are read later.
    """
    files = result_files(StudyStore(path.parent))
    check_files(path, files)
    stored, asked, withheld = stored_grid(path), asked_grid(path), withheld_places(path)
    if withheld and chunks is None:
        chunks = {}
    labels = list(names.COORDS)
    ds = xr.open_zarr(
        VerifiedStore(path, files),
        consolidated=False,
        chunks=chunks,
        zarr_format=3,
        decode_cf=False,
        drop_variables=labels,
    ).drop_encoding()
    for attr in (GRID_ATTR, ASKED_ATTR, ANALYSES_ATTR, "coordinates"):
        ds.attrs.pop(attr, None)
    ds = ds[[*names.RESULTS, *names.RELIABILITY]]  # zarr lists them in any order
    for variable in ds.variables.values():
        variable.attrs.pop("coordinates", None)
    places: dict[str, Any] = {
        dim: [stored.axes[dim].index(label) for label in labels]
        for dim, labels in asked.axes.items()
        if labels != stored.axes[dim]
    }
    if asked.n_units < stored.n_units:
        places[names.UNIT] = slice(asked.n_units)
    ds = ds.isel(places).assign_coords(asked.coords().coords)
    if withheld:
        shown = xr.DataArray(np.ones([len(asked.axes[dim]) for dim in names.GRID], dtype=bool), dims=names.GRID)
        for place in withheld:
            shown[tuple(asked.axes[dim].index(label) for dim, label in zip(names.GRID, place, strict=True))] = False
        ds = ds.assign({name: ds[name].where(shown).assign_attrs(ds[name].attrs) for name in names.RESULTS})
    return ds


def filled_places(path: Path) -> set[Place]:
    """List the places that have a chunk of any variable, asked for or not."""
    return filled_in(path, stored_grid(path))


def filled_in(path: Path, grid: Grid) -> set[Place]:
    """List the places of a grid that have a chunk of any variable."""
    places = set()
    for name in names.RESULTS:
        for chunk in (path / name / "c").glob("/".join("*" * len(names.RESULT_DIMS))):
            index = [int(part) for part in chunk.parts[-len(names.RESULT_DIMS) : -1]]
            places.add(tuple(grid.axes[dim][i] for dim, i in zip(names.GRID, index, strict=True)))
    return places


def fit_chunks(path: Path, place: Place) -> list[Path]:
    """Return the files that hold the results of one fit."""
    index = index_of(stored_grid(path), place)
    return [chunk for name in names.RESULTS if (chunk := path / _chunk(name, index)).exists()]


def empty_fit(path: Path, place: Place) -> None:
    """Remove the results of one fit, if its place is in the store."""
    if place in stored_grid(path):
        for chunk in fit_chunks(path, place):
            chunk.unlink(missing_ok=True)


@timed("write")
def write_fit(path: Path, place: Place, values: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Write the results of one fit, each variable of shape (units,), the units asked for; on disk when this returns.

    Returns
    -------
    dict
        Digest of the file of each variable, by its name and the place of the fit.
    """
    laid = read_allocation(path.parent, path)
    return write_at(path, Grid.of_stored(laid.about), place, values, laid.files)


def write_at(
    path: Path,
    grid: Grid,
    place: Place,
    values: Mapping[str, np.ndarray],
    files: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Write the results of one fit as ``write_fit`` does, into a store of these axes, given its metadata's digests."""
    index, written = index_of(grid, place), {}
    for name, column in values.items():
        written["/".join((name, *map(label_text, place)))] = _put(
            path, name, index, _widened(column, grid.n_units), files
        )
    return written


def _put(path: Path, name: str, index: tuple[int, ...], column: np.ndarray, files: Mapping[str, str] | None) -> str:
    """Write one chunk, given the digests of the metadata; digest of the chunk, which is on disk then."""
    chunk = path / _chunk(name, index)
    with room_for(path / name, column.nbytes):
        open_array(path, name, files, mode="r+")[index] = column
        sync_file(chunk)
    return digest_file(chunk)


def write_reliability(path: Path, stimuli: str, bin_width: float, values: Mapping[str, np.ndarray]) -> None:
    """Write the reliability of the units at one stimulus set and bin width, each variable of shape (units,).

    What is there already is left alone.
    """
    laid = read_allocation(path.parent, path)
    grid = Grid.of_stored(laid.about)
    index = (grid.axes[names.STIMULI].index(stimuli), grid.axes[names.BIN_WIDTH].index(bin_width))
    files, gathered = laid.files | laid.gathered, {}
    for name, narrow in values.items():
        chunk, column = _chunk(name, index), _widened(narrow, grid.n_units)
        try:
            there = chunk in files and np.array_equal(
                read(open_array(path, name, files), index), column, equal_nan=True
            )
        except DamagedError:
            there = False
        if not there:
            gathered[chunk] = _put(path, name, index, column, laid.files)
    if gathered:
        write_allocation(path.parent, path, replace(laid, gathered=laid.gathered | gathered))


def read_fit(path: Path, place: Place) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable of shape (units,), the units that are asked for."""
    n_units = asked_grid(path).n_units
    return {name: column[:n_units] for name, column in read_whole(path, place).items()}


def session_units(path: Path) -> dict[str, slice]:
    """Return where the units of each session that is asked for lie on the unit axis."""
    sessions = asked_grid(path).units["session"]
    return {s: slice(sessions.index(s), sessions.index(s) + sessions.count(s)) for s in dict.fromkeys(sessions)}


def stored_grid(path: Path) -> Grid:
    """Return the axes of the results store.

    Raises
    ------
    DamagedError
        If nothing says what they are.
    """
    return Grid.of_stored(read_allocation(path.parent, path).about)


def said_of(path: Path) -> dict[str, Any]:
    """Return what a results store says of itself.

    Raises
    ------
    DamagedError
        If that is damaged.
    """
    said: dict[str, Any] = json.loads(read_verified(path / ROOT, read_allocation(path.parent, path).files[ROOT]))[
        "attributes"
    ]
    return said


def asked_grid(path: Path) -> Grid:
    """Return what of the results store is asked for."""
    said = said_of(path)
    asked, units = said[ASKED_ATTR], said[GRID_ATTR]["units"]
    return Grid.of_stored({**asked, "units": {name: column[: asked["units"]] for name, column in units.items()}})


def shown_fits(path: Path) -> Callable[[Place], bool]:
    """Return what tells whether the results show a fit."""
    asked, withheld = asked_grid(path), withheld_places(path)
    return lambda place: place in asked and place not in withheld


def withheld_places(path: Path) -> set[Place]:
    """Return the places inside what is asked for whose fits are kept and not shown."""
    return {(s, n, w, layer, width) for s, n, w, layer, width in said_of(path)[ASKED_ATTR]["withheld"]}


def read_whole(path: Path, place: Place) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable over all units in store, of shape (units,)."""
    index = index_of(stored_grid(path), place)
    return {name: read(open_array(path, name), index) for name in names.RESULTS}


def _widened(column: np.ndarray, n_units: int) -> np.ndarray:
    """Let NaN follow for units that are in store and not asked for."""
    return np.concatenate([column, np.full(n_units - column.size, np.nan)])


def _chunk(name: str, index: tuple[int, ...]) -> str:
    """Return the file of one place's values of one variable, by its path in the group."""
    return "/".join(map(str, (name, "c", *index, 0)))
