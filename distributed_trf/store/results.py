"""Results on disk: one dense grid of fits, one chunk per fit and variable.

The grid spans the fits that the study requests, and earlier fits that it does not request now. Chunks of fits that are
not done do not exist, so cells that nobody requests cost nothing. An attribute says what is requested; ``open_grid``
shows only that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf import names
from distributed_trf.errors import DamagedError
from distributed_trf.store.allocation import ROOT, Allocation, read_allocation, write_allocation
from distributed_trf.store.atomic import room_for, sync_file
from distributed_trf.store.checked_files import read_verified
from distributed_trf.store.fingerprint import digest_file
from distributed_trf.store.receipts import FIT, receipts
from distributed_trf.store.result_grid import Cell, Grid, index_of, label_text, result_names, spread_splits, with_absent
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import open_array, open_verified, read
from distributed_trf.timing import timed

if TYPE_CHECKING:
    import xarray as xr

GRID_ATTR = "grid"
"""Attribute of the store that holds its axes, as ``Grid`` does."""
REQUESTED_ATTR = "asked"
"""Attribute that holds the part of the grid that the study requests: ``axes`` and ``layers`` as in ``Grid``; ``units``,
their number, counted from the first; ``withheld``, cells in between whose fits are not requested, or cannot be judged
now."""
EVALUATION_TABLES_ATTR = "evaluation_tables"
"""Attribute that holds digests of the tables of stimuli that fits were tested by, by stimulus set."""
ANALYSES_ATTR = "analyses"
"""Attribute that lists the keys of the analyses that the study requests; imported results have none."""


def has_results(store: StudyStore) -> bool:
    """Tell whether a driver allocated the results store, damaged or not."""
    return store.results.is_dir() or any(store.allocations.glob(f"{store.results.stem}.json"))


def result_files(store: StudyStore) -> dict[str, str]:
    """Return the digests of all files of the results: of labels, of reliability, and of the fits that are done.

    Raises
    ------
    DamagedError
        If a record or receipt that holds them is damaged.
    """
    path = store.results
    record, group = read_allocation(store.root, path), store.name(path)
    files, axes = record.files | record.gathered, record.about["axes"]
    for _, receipt in receipts(store, FIT):
        files |= located(axes, receipt.files.get(group, {}))
    return files


def located(axes: Mapping[str, Sequence[Any]], files: Mapping[str, str]) -> dict[str, str]:
    """Return the digests in the receipt of a fit by the paths of its chunks; nothing for a cell outside the axes."""
    positions = [{label_text(label): k for k, label in enumerate(axes[dim])} for dim in names.GRID]
    by_path = {}
    for key, digest in files.items():
        name, *labels = key.split("/")
        index = [axis[label] for axis, label in zip(positions, labels, strict=True) if label in axis]
        if len(index) == len(positions):
            by_path[_chunk(name, tuple(index))] = digest
    return by_path


def open_grid(path: Path, *, chunks: dict[Any, Any] | None = None) -> xr.Dataset:
    """Open the requested part of the results store, lazily, with labels; NaN where a fit is withheld.

    Parameters
    ----------
    path
        The results store.
    chunks
        Chunk sizes of dask arrays, by dimension; by default variables are dask arrays only where fits are withheld.

    Raises
    ------
    DamagedError
        If the content of a file is not what was written; all files are read once now, and checked again when they are
        read later.
    """
    files = result_files(StudyStore(path.parent))
    stored, requested, withheld = stored_grid(path), requested_grid(path), withheld_cells(path)
    if withheld and chunks is None:
        chunks = {}
    labels = [*names.COORDS, *(name for name in names.UNIT_COORDS if name in stored.units), names.SPLIT]
    if not requested.splits:  # of fits that are kept and not requested
        labels += names.SPLIT_RESULTS
    ds = open_verified(path, files, chunks=chunks, decode_cf=False, drop_variables=labels).drop_encoding()
    for attr in (GRID_ATTR, REQUESTED_ATTR, ANALYSES_ATTR, "coordinates"):
        ds.attrs.pop(attr, None)
    fitted = result_names(requested)
    ds = with_absent(ds)[[*fitted, *names.RELIABILITY]]  # zarr lists them in any order
    for name, comment in names.RESULTS_OF_SPLITS.items() if requested.splits else ():
        ds[name].attrs["comment"] = comment
    for variable in ds.variables.values():
        variable.attrs.pop("coordinates", None)
    positions: dict[str, Any] = {
        dim: [stored.axes[dim].index(label) for label in labels]
        for dim, labels in requested.axes.items()
        if labels != stored.axes[dim]
    }
    if requested.splits != stored.splits and requested.splits:
        positions[names.SPLIT] = [stored.splits.index(label) for label in requested.splits]
    if requested.n_units < stored.n_units:
        positions[names.UNIT] = slice(requested.n_units)
    ds = ds.isel(positions).assign_coords(requested.coords().coords)
    if withheld:
        import xarray as xr

        shown = xr.DataArray(np.ones([len(requested.axes[dim]) for dim in names.GRID], dtype=bool), dims=names.GRID)
        for cell in withheld:
            shown[index_of(requested, cell)] = False
        ds = ds.assign({name: ds[name].where(shown).assign_attrs(ds[name].attrs) for name in fitted})
    return ds


def filled_cells(path: Path) -> set[Cell]:
    """List the cells that have a chunk of any variable, requested or not."""
    return filled_cells_of(path, stored_grid(path))


def filled_cells_of(path: Path, grid: Grid) -> set[Cell]:
    """List the cells of a grid that have a chunk of any variable."""
    cells = set()
    for name in result_names(grid):
        dims = names.SPLIT_RESULT_DIMS if name in names.SPLIT_RESULTS else names.RESULT_DIMS
        for chunk in (path / name / "c").glob("/".join("*" * len(dims))):
            index = [int(part) for part in chunk.parts[-len(dims) :][: len(names.GRID)]]
            cells.add(tuple(grid.axes[dim][i] for dim, i in zip(names.GRID, index, strict=True)))
    return cells


def fit_chunks(path: Path, cell: Cell) -> list[Path]:
    """Return the files that hold the results of one fit."""
    grid = stored_grid(path)
    index = index_of(grid, cell)
    return [chunk for name in result_names(grid) if (chunk := path / _chunk(name, index)).exists()]


def empty_fit(path: Path, cell: Cell) -> None:
    """Remove the results of one fit, if its cell is in the store."""
    if cell in stored_grid(path):
        for chunk in fit_chunks(path, cell):
            chunk.unlink(missing_ok=True)


@timed("write")
def write_fit(
    path: Path, cell: Cell, values: Mapping[str, np.ndarray], *, splits: Sequence[str] = ()
) -> dict[str, str]:
    """Write the results of one fit, on disk when this returns.

    Parameters
    ----------
    path, cell
        The results store, and the fit.
    values
        Each variable of shape (requested units,), or (splits, requested units).
    splits
        Labels of the splits of the fit; the others of the store are NaN.

    Returns
    -------
    dict
        Digest of the file of each variable, by the variable's name and the cell.
    """
    record = read_allocation(path.parent, path)
    grid = Grid.of_stored(record.about)
    spread = {name: spread_splits(v, splits, grid.splits) if v.ndim == 2 else v for name, v in values.items()}
    return write_at(path, grid, cell, spread, record.files)


def write_at(
    path: Path,
    grid: Grid,
    cell: Cell,
    values: Mapping[str, np.ndarray],
    files: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Write the results of one fit like ``write_fit``, given the axes of the store and the digests of its metadata.

    What each split gives is of shape (splits of the store, requested units).
    """
    index, written = index_of(grid, cell), {}
    for name, column in values.items():
        written["/".join((name, *map(label_text, cell)))] = _put(
            path, name, index, _widened(column, grid.n_units), files
        )
    return written


def _put(path: Path, name: str, index: tuple[int, ...], column: np.ndarray, files: Mapping[str, str] | None) -> str:
    """Write one chunk to disk, given the digests of the metadata; return the digest of the chunk."""
    chunk = path / _chunk(name, index)
    with room_for(path / name, column.nbytes):
        open_array(path, name, files, mode="r+")[index] = column
        sync_file(chunk)
    return digest_file(chunk)


def write_reliability(path: Path, stimuli: str, bin_width: float, values: Mapping[str, np.ndarray]) -> None:
    """Write the reliability of the units at one stimulus set and bin width, each variable of shape (units,).

    A chunk that already holds these values is not written again.
    """
    record = read_allocation(path.parent, path)
    grid = Grid.of_stored(record.about)
    index = (grid.axes[names.STIMULI].index(stimuli), grid.axes[names.BIN_WIDTH].index(bin_width))
    files, gathered = record.files | record.gathered, {}
    for name, narrow in values.items():
        chunk, column = _chunk(name, index), _widened(narrow, grid.n_units)
        try:
            is_written = chunk in files and np.array_equal(
                read(open_array(path, name, files), index), column, equal_nan=True
            )
        except DamagedError:
            is_written = False
        if not is_written:
            gathered[chunk] = _put(path, name, index, column, record.files)
    if gathered:
        write_allocation(path.parent, path, replace(record, gathered=record.gathered | gathered))


def read_fit(path: Path, cell: Cell) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable of shape (requested units,), or (splits of the store, units)."""
    n_units = requested_grid(path).n_units
    return {name: column[..., :n_units] for name, column in read_all_units(path, cell).items()}


def session_units(path: Path) -> dict[str, slice]:
    """Return the position on the unit axis of the units of each requested session."""
    sessions = requested_grid(path).units["session"]
    return {s: slice(sessions.index(s), sessions.index(s) + sessions.count(s)) for s in dict.fromkeys(sessions)}


def stored_grid(path: Path) -> Grid:
    """Return the axes of the results store.

    Raises
    ------
    DamagedError
        If the record of the store is missing or damaged.
    """
    return Grid.of_stored(read_allocation(path.parent, path).about)


def has_array(record: Allocation, name: str) -> bool:
    """Tell whether a store has a variable; one of an earlier version may lack it."""
    return f"{name}/{ROOT}" in record.files


def stored_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a results store.

    Raises
    ------
    DamagedError
        If they are damaged.
    """
    content = read_verified(path / ROOT, read_allocation(path.parent, path).files[ROOT])
    attrs: dict[str, Any] = json.loads(content)["attributes"]
    return attrs


def requested_grid(path: Path) -> Grid:
    """Return the axes of the requested part of the results store."""
    attrs = stored_attributes(path)
    requested, units = attrs[REQUESTED_ATTR], attrs[GRID_ATTR]["units"]
    columns = {name: column[: requested["units"]] for name, column in units.items()}
    return Grid.of_stored({**requested, "units": columns})


def shown_fits(path: Path) -> Callable[[Cell], bool]:
    """Return a function that tells whether the results show the fit of a cell."""
    requested, withheld = requested_grid(path), withheld_cells(path)
    return lambda cell: cell in requested and cell not in withheld


def withheld_cells(path: Path) -> set[Cell]:
    """Return the cells of the requested grid whose fits are kept and not shown."""
    return {(s, n, w, layer, width) for s, n, w, layer, width in stored_attributes(path)[REQUESTED_ATTR]["withheld"]}


def read_all_units(path: Path, cell: Cell) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable of shape (stored units,), or (splits of the store, stored units).

    A store of an earlier version lacks some of the variables.
    """
    record = read_allocation(path.parent, path)
    grid = Grid.of_stored(record.about)
    index = index_of(grid, cell)
    return {name: read(open_array(path, name), index) for name in result_names(grid) if has_array(record, name)}


def _widened(column: np.ndarray, n_units: int) -> np.ndarray:
    """Append NaN for the stored units that are not requested."""
    lacking = np.full((*column.shape[:-1], n_units - column.shape[-1]), np.nan)
    return np.concatenate([column, lacking], axis=-1)


def _chunk(name: str, index: tuple[int, ...]) -> str:
    """Return the path in the group of the file that holds one variable of one cell."""
    # Units, and splits before them, are in one chunk.
    return "/".join(map(str, (name, "c", *index, *((0, 0) if name in names.SPLIT_RESULTS else (0,)))))
