"""The results store for fits to write into: a driver allocates it with its labels, describes it and repairs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf import names
from distributed_trf.errors import DamagedError
from distributed_trf.store.allocation import (
    ROOT,
    Allocation,
    allocate_in_place,
    allocation_if_any,
    is_intact,
    read_allocation,
    write_allocation,
)
from distributed_trf.store.atomic import new_folder, write_text
from distributed_trf.store.checked_files import digest_files, read_verified
from distributed_trf.store.fingerprint import digest_bytes
from distributed_trf.store.result_grid import Cell, Grid, as_stored, result_names, spread_splits, unit_names
from distributed_trf.store.results import (
    GRID_ATTR,
    REQUESTED_ATTR,
    filled_cells_of,
    has_array,
    read_all_units,
    stored_attributes,
    write_at,
)
from distributed_trf.store.zarr_store import codecs, open_group


def has_grid(path: Path, grid: Grid) -> bool:
    """Tell whether the results store has these axes, perhaps with further labels, and undamaged metadata and labels.

    It must have all variables too; one of an earlier version may lack some.
    """
    record = allocation_if_any(path.parent, path)
    if record is None or not Grid.of_stored(record.about).holds(grid) or not is_intact(path, record):
        return False
    return all(has_array(record, name) for name in (*result_names(grid), *names.RELIABILITY))


def describe_results(path: Path, grid: Grid, attrs: Mapping[str, Any], withheld: Iterable[Cell] = ()) -> None:
    """Update the attributes (what made the results, what is requested) unless only host and time have changed."""
    old = read_allocation(path.parent, path)
    content = json.loads(read_verified(path / ROOT, old.files[ROOT]))
    stored, new = content["attributes"], {**attrs, REQUESTED_ATTR: _requested(grid, withheld)}
    content["attributes"] = json.loads(json.dumps({**stored, **new}))
    if {**content["attributes"], **{name: stored[name] for name in ("host", "written") if name in stored}} == stored:
        return
    text = json.dumps(content, indent=2)
    record = replace(old, files={**old.files, ROOT: digest_bytes(text.encode())})
    write_allocation(path.parent, path, record, before=old)
    write_text(path / ROOT, text)
    write_allocation(path.parent, path, record)


def repair_results(path: Path, grid: Grid, attrs: Mapping[str, Any]) -> bool:
    """Write damaged metadata and labels of the results again; all numbers stay.

    If the record of the requested fits is lost, no stored fit is shown until ``describe_results`` is called.

    Returns
    -------
    bool
        Whether they were damaged: then numbers may be damaged as well.
    """
    old = allocation_if_any(path.parent, path)
    about = _grid_of_group(path) if old is None else old.about
    if about is None or (old is None and not Grid.of_stored(about).holds(grid)):
        return False  # the axes of the numbers are unknown
    if old is not None and is_intact(path, old):
        return False
    stored = Grid.of_stored(about)
    try:
        described = stored_attributes(path)
    except DamagedError:
        described = {**attrs, REQUESTED_ATTR: _requested(grid, filled_cells_of(path, stored))}
    allocate_in_place(path.parent, path, about, lambda folder: _make(folder, stored, described))
    return True


def allocate_result_arrays(
    path: Path,
    grid: Grid,
    kept: Iterable[Cell],
    attrs: Mapping[str, Any],
    *,
    withheld: Iterable[Cell] = (),
    moved: Callable[[Cell, dict[str, str]], None] | None = None,
) -> None:
    """Allocate the results store, or rebuild it because the study's axes have changed, keeping the fits in ``kept``.

    Parameters
    ----------
    path
        The results store.
    grid
        The requested axes.
    kept
        Fits whose numbers are copied, with all their units; they may lie outside ``grid``. The caller first revokes the
        receipts of all other fits. New units are NaN in them.
    attrs
        Attributes of the store.
    withheld
        Kept fits inside the grid that are not requested.
    moved
        Called with each kept fit and the digests of its new files, before the new store replaces the old one: the
        digests differ if the units differ.

    Raises
    ------
    StoreError
        If numbers of a fit are damaged; the store is then unchanged.
    """
    before, kept = allocation_if_any(path.parent, path), list(kept)
    old = None if before is None else Grid.of_stored(before.about)
    hidden = [] if old is None else [cell for cell in kept if cell in old and _is_hidden(cell, grid, withheld)]
    whole = grid if old is None else grid.spanning(old, hidden)
    with new_folder(path) as folder:
        _make(folder, whole, {**attrs, REQUESTED_ATTR: _requested(grid, withheld)})
        new = Allocation(as_stored(whole), digest_files(folder))
        old_units = {} if old is None else {label: k for k, label in enumerate(unit_names(old.units))}
        both = [(k, old_units[label]) for k, label in enumerate(unit_names(whole.units)) if label in old_units]
        to, origin = [k for k, _ in both], [k for _, k in both]
        for cell in kept:
            values = read_all_units(path, cell)
            columns = {name: np.full((*column.shape[:-1], whole.n_units), np.nan) for name, column in values.items()}
            for name, column in columns.items():
                column[..., to] = values[name][..., origin]
            for name in columns.keys() & names.SPLIT_RESULTS.keys():
                assert old is not None  # where the numbers come from
                of_splits = spread_splits(columns.pop(name), old.splits, whole.splits)
                columns |= {name: of_splits} if whole.splits else {}
            files = write_at(folder, whole, cell, columns)
            if moved is not None:
                moved(cell, files)
        write_allocation(path.parent, path, new, before=before)
    write_allocation(path.parent, path, new)


def record_digests(path: Path) -> None:
    """Record the digests of all files of a results store: for a store that is written at once, without work items."""
    write_allocation(path.parent, path, replace(read_allocation(path.parent, path), files=digest_files(path)))


def _make(folder: Path, grid: Grid, attrs: Mapping[str, Any]) -> None:
    """Write the labels, and create arrays of NaN for all numbers."""
    labels = grid.coords()
    encoding = {name: {**v.encoding, "compressors": codecs()} for name, v in labels.variables.items()}
    labels.to_zarr(folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding, write_empty_chunks=True)
    group = open_group(folder, mode="r+")
    group.attrs.update({**attrs, GRID_ATTR: as_stored(grid)})
    unit_labels = " ".join(grid.units)
    for name, variable in names.RESULTS.items():
        _create(group, name, variable, names.RESULT_DIMS, grid, f"{unit_labels} layer_name layer_type")
    for name, variable in names.SPLIT_RESULTS.items() if grid.splits else ():
        _create(group, name, variable, names.SPLIT_RESULT_DIMS, grid, f"{unit_labels} layer_name layer_type")
    for name, variable in names.RELIABILITY.items():
        _create(group, name, variable, names.RELIABILITY_DIMS, grid, unit_labels)


def _create(
    group: Any, name: str, variable: names.Variable, dims: tuple[str, ...], grid: Grid, coordinates: str
) -> None:
    """Create an array of NaN over some of the axes and all units, with one chunk for all splits and units of a cell."""
    axes = [dim for dim in dims if dim in grid.axes]
    whole = (*([len(grid.splits)] if names.SPLIT in dims else []), grid.n_units)
    group.create_array(
        name,
        shape=(*(len(grid.axes[dim]) for dim in axes), *whole),
        chunks=(*(1 for _ in axes), *whole),
        dtype="float64",
        fill_value=np.nan,
        compressors=codecs(),
        dimension_names=dims,
        attributes={**variable.attrs, "coordinates": coordinates},
    )


def _requested(grid: Grid, withheld: Iterable[Cell]) -> dict[str, Any]:
    """Return what the study requests, as zarr's JSON holds it."""
    inside = sorted(cell for cell in withheld if cell in grid)
    requested: dict[str, Any] = json.loads(
        json.dumps(
            {"axes": grid.axes, "layers": grid.layers, "units": grid.n_units, "withheld": inside}
            | ({"splits": grid.splits} if grid.splits else {})
        )
    )
    return requested


def _is_hidden(cell: Cell, grid: Grid, withheld: Iterable[Cell]) -> bool:
    """Tell whether a fit is stored and not shown."""
    return cell not in grid or cell in withheld


def _grid_of_group(path: Path) -> Any:
    """Return the axes in the store's own attributes, which may be damaged; None if there are none."""
    try:
        return json.loads((path / ROOT).read_bytes())["attributes"][GRID_ATTR]
    except (OSError, ValueError, KeyError, TypeError):
        return None
