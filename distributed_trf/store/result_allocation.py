"""What a driver makes for fits to write into: the results store with its labels, made, described and mended."""

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
from distributed_trf.store.fingerprint import digest_bytes
from distributed_trf.store.result_grid import Grid, Place, as_stored, unit_names
from distributed_trf.store.results import ASKED_ATTR, GRID_ATTR, filled_in, read_whole, said_of, write_at
from distributed_trf.store.zarr_store import codecs, digest_files, open_group, read_verified


def has_grid(path: Path, grid: Grid) -> bool:
    """Tell whether the results store is there with these axes, perhaps among others, its metadata and labels whole."""
    laid = allocation_if_any(path.parent, path)
    return laid is not None and Grid.of_stored(laid.about).holds(grid) and is_intact(path, laid)


def describe_results(path: Path, grid: Grid, attrs: Mapping[str, Any], withheld: Iterable[Place] = ()) -> None:
    """Say anew what made the results and what of them is asked for, unless only where and when have changed."""
    old = read_allocation(path.parent, path)
    content = json.loads(read_verified(path / ROOT, old.files[ROOT]))
    said, new = content["attributes"], {**attrs, ASKED_ATTR: _asked(grid, withheld)}
    content["attributes"] = json.loads(json.dumps({**said, **new}))
    if {**content["attributes"], **{name: said[name] for name in ("host", "written") if name in said}} == said:
        return
    text = json.dumps(content, indent=2)
    laid = replace(old, files={**old.files, ROOT: digest_bytes(text.encode())})
    write_allocation(path.parent, path, laid, before=old)
    write_text(path / ROOT, text)
    write_allocation(path.parent, path, laid)


def mend_results(path: Path, grid: Grid, attrs: Mapping[str, Any]) -> bool:
    """Make metadata and labels of the results again where they are damaged; all numbers stay.

    Where it is not known any more which fits are shown, none of those that are in store is, until they are described
    anew.

    Returns
    -------
    bool
        Whether they were damaged: then numbers may be as well.
    """
    old = allocation_if_any(path.parent, path)
    about = _grid_there(path) if old is None else old.about
    if about is None or (old is None and not Grid.of_stored(about).holds(grid)):
        return False  # nothing tells what the numbers are of
    if old is not None and is_intact(path, old):
        return False
    stored = Grid.of_stored(about)
    try:
        said = said_of(path)
    except DamagedError:
        said = {**attrs, ASKED_ATTR: _asked(grid, filled_in(path, stored))}
    allocate_in_place(path.parent, path, about, lambda folder: _make(folder, stored, said))
    return True


def allocate_result_arrays(
    path: Path,
    grid: Grid,
    kept: Iterable[Place],
    attrs: Mapping[str, Any],
    *,
    withheld: Iterable[Place] = (),
    moved: Callable[[Place, dict[str, str]], None] | None = None,
) -> None:
    """Make the results store, or lay it anew because the study's axes have changed, with the fits in ``kept``.

    ``grid`` is what is asked for; fits in ``kept`` may lie outside it, and stay in store with all their units. The
    caller revokes the receipts of all other fits first. Units that are new have no part in those that are kept.
    ``moved`` is told of the digests of the files of each before the new store takes its place: they are others where
    there are other units. ``withheld`` are fits that are kept inside the grid though nobody asks for them.

    Raises
    ------
    StoreError
        If numbers of a fit are damaged; the store is left as it was.
    """
    before, kept = allocation_if_any(path.parent, path), list(kept)
    old = None if before is None else Grid.of_stored(before.about)
    whole = grid if old is None else grid.spanning(old, [p for p in kept if p in old and _beside(p, grid, withheld)])
    with new_folder(path) as folder:
        _make(folder, whole, {**attrs, ASKED_ATTR: _asked(grid, withheld)})
        new = Allocation(as_stored(whole), digest_files(folder))
        were = {} if old is None else {label: k for k, label in enumerate(unit_names(old.units))}
        both = [(k, were[label]) for k, label in enumerate(unit_names(whole.units)) if label in were]
        here, there = [k for k, _ in both], [k for _, k in both]
        for place in kept:
            values = read_whole(path, place)
            columns = {name: np.full(whole.n_units, np.nan) for name in values}
            for name, column in columns.items():
                column[here] = values[name][there]
            files = write_at(folder, whole, place, columns)
            if moved is not None:
                moved(place, files)
        write_allocation(path.parent, path, new, before=before)
    write_allocation(path.parent, path, new)


def record_digests(path: Path) -> None:
    """Hold on to the digests of all that is in a results store: for one that is made at once, without work items."""
    write_allocation(path.parent, path, replace(read_allocation(path.parent, path), files=digest_files(path)))


def _make(folder: Path, grid: Grid, attrs: Mapping[str, Any]) -> None:
    """Make the labels, and arrays of NaN for all numbers."""
    labels = grid.coords()
    encoding = {name: {**v.encoding, "compressors": codecs()} for name, v in labels.variables.items()}
    labels.to_zarr(folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding, write_empty_chunks=True)
    group = open_group(folder, mode="r+")
    group.attrs.update({**attrs, GRID_ATTR: as_stored(grid)})
    of_units = " ".join(grid.units)
    for name, variable in names.RESULTS.items():
        _create(group, name, variable, names.RESULT_DIMS, grid, f"{of_units} layer_name layer_type")
    for name, variable in names.RELIABILITY.items():
        _create(group, name, variable, names.RELIABILITY_DIMS, grid, of_units)


def _create(
    group: Any, name: str, variable: names.Variable, dims: tuple[str, ...], grid: Grid, coordinates: str
) -> None:
    """Make an array of NaN over some of the axes and all units, with one chunk for all units of a place."""
    shape = tuple(len(grid.axes[dim]) for dim in dims[:-1])
    group.create_array(
        name,
        shape=(*shape, grid.n_units),
        chunks=(*(1 for _ in shape), grid.n_units),
        dtype="float64",
        fill_value=np.nan,
        compressors=codecs(),
        dimension_names=dims,
        attributes={**variable.attrs, "coordinates": coordinates},
    )


def _asked(grid: Grid, withheld: Iterable[Place]) -> dict[str, Any]:
    """Return what is asked for as zarr's JSON holds it."""
    inside = sorted(place for place in withheld if place in grid)
    asked: dict[str, Any] = json.loads(
        json.dumps({"axes": grid.axes, "layers": grid.layers, "units": grid.n_units, "withheld": inside})
    )
    return asked


def _beside(place: Place, grid: Grid, withheld: Iterable[Place]) -> bool:
    """Tell whether a fit is none of those that are shown."""
    return place not in grid or place in withheld


def _grid_there(path: Path) -> Any:
    """Return what a results store says of its axes, whether that is what was written or not; None if nothing."""
    try:
        return json.loads((path / ROOT).read_bytes())["attributes"][GRID_ATTR]
    except (OSError, ValueError, KeyError, TypeError):
        return None
