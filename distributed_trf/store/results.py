"""Results on disk: one dense grid of fits, one chunk per fit and variable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.store.atomic import new_folder, sync_file
from distributed_trf.store.disk_full import room_for
from distributed_trf.store.zarr_arrays import attributes, codecs, is_whole, member, open_group, read

Place = tuple[str, str, str, int, float]
"""Where a fit lies: stimulus set, network, weights, layer, bin width in ms."""


GRID_ATTR = "grid"
"""Attribute of the store that holds its axes, as ``Grid`` does."""


@dataclass(frozen=True)
class Grid:
    """Axes of the results: every combination has a place, though not every combination is fitted."""

    axes: dict[str, tuple[Any, ...]]
    """Labels along each of ``names.GRID``."""
    units: dict[str, tuple[Any, ...]]
    """Per unit: session, channel, area, subject, x, y; an unknown site is None."""
    layers: dict[str, dict[str, tuple[str, str]]]
    """Name and type of each layer, by network and layer id (as text, since JSON keeps it)."""

    @property
    def n_units(self) -> int:
        """Units of all sessions."""
        return len(self.units["session"])

    def coords(self) -> xr.Dataset:
        """Return the labels as coordinates, described by ``names``."""
        columns: dict[str, tuple[Any, np.ndarray]] = {
            name: (names.UNIT, _labels(values)) for name, values in self.units.items()
        }
        networks, layers = self.axes[names.NETWORK], self.axes[names.LAYER]
        for k, name in enumerate(("layer_name", "layer_type")):
            table = [[self.layers[n].get(str(layer), ("", ""))[k] for layer in layers] for n in networks]
            columns[name] = ((names.NETWORK, names.LAYER), _labels(table))
        ds = xr.Dataset(coords={**{dim: (dim, _labels(v)) for dim, v in self.axes.items()}, **columns})
        for name, variable in names.COORDS.items():
            ds[name].attrs.update(variable.attrs)
        return ds


def has_grid(path: Path, grid: Grid) -> bool:
    """Tell whether the results store is there, whole, with these axes."""
    return is_whole(path) and _stored_grid(path) == _as_stored(grid)


def describe_results(path: Path, attrs: Mapping[str, Any]) -> None:
    """Say anew what made the results."""
    open_group(path, mode="r+").attrs.update(dict(attrs))


def lay_results(
    path: Path,
    grid: Grid,
    done: Iterable[Place],
    attrs: Mapping[str, Any],
    *,
    lose: Callable[[Place], None] | None = None,
) -> None:
    """Make the results store, or lay it anew because the study's axes have changed, keeping the fits in ``done``.

    ``done`` names the fits that are still valid; the caller revokes the receipts of others first. Units that are new
    have no part in those. ``lose`` is told of a fit whose numbers are damaged, before the new store takes its place.

    Raises
    ------
    StoreError
        If numbers of a fit are damaged and nobody is to be told; the store is left as it was.
    """
    wanted = _as_stored(grid)
    old = _stored_grid(path) if is_whole(path) else None
    with new_folder(path) as folder:
        labels = grid.coords()
        encoding = {name: {"compressors": codecs()} for name in labels.variables}
        labels.to_zarr(folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
        group = open_group(folder, mode="r+")
        group.attrs.update({**attrs, GRID_ATTR: wanted})
        of_units = " ".join(grid.units)
        for name, variable in names.RESULTS.items():
            _create(group, name, variable, names.RESULT_DIMS, grid, f"{of_units} layer_name layer_type")
        for name, variable in names.RELIABILITY.items():
            _create(group, name, variable, names.RELIABILITY_DIMS, grid, of_units)
        if old is None:
            return
        were = {label: k for k, label in enumerate(_unit_names(old))}
        kept = [(k, were[label]) for k, label in enumerate(_unit_names(wanted)) if label in were]
        here, there = [k for k, _ in kept], [k for _, k in kept]
        for place in done:
            try:
                stored = read_fit(path, place)
            except StoreError:
                if lose is None:
                    raise
                lose(place)
                continue
            columns = {name: np.full(grid.n_units, np.nan) for name in stored}
            for name, column in columns.items():
                column[here] = stored[name][there]
            write_fit(folder, place, columns)


def filled_places(path: Path, grid: Grid) -> set[Place]:
    """List the places that have a chunk of any variable."""
    places = set()
    for name in names.RESULTS:
        for chunk in (path / name / "c").glob("/".join("*" * len(names.RESULT_DIMS))):
            index = [int(part) for part in chunk.parts[-len(names.RESULT_DIMS) : -1]]
            places.add(tuple(grid.axes[dim][i] for dim, i in zip(names.GRID, index, strict=True)))
    return places


def empty_fit(path: Path, grid: Grid, place: Place) -> None:
    """Remove the results of one fit, if its place is in the grid."""
    if all(label in grid.axes[dim] for dim, label in zip(names.GRID, place, strict=True)):
        for name in names.RESULTS:
            _chunk(path, name, _index(path, place)).unlink(missing_ok=True)


def write_fit(path: Path, place: Place, values: Mapping[str, np.ndarray]) -> None:
    """Write the results of one fit, each variable of shape (units,); on disk when this returns."""
    group, index = open_group(path, mode="r+"), _index(path, place)
    for name, column in values.items():
        with room_for(path / name, column.nbytes):
            member(group, name)[index] = column
            chunk = _chunk(path, name, index)
            if chunk.exists():  # zarr stores no chunk that is NaN throughout
                sync_file(chunk)


def write_reliability(path: Path, stimuli: str, bin_width: float, values: Mapping[str, np.ndarray]) -> None:
    """Write the reliability of all units at one stimulus set and bin width, each variable of shape (units,)."""
    group, grid = open_group(path, mode="r+"), _stored_grid(path)
    assert grid is not None
    index = (grid["axes"][names.STIMULI].index(stimuli), grid["axes"][names.BIN_WIDTH].index(bin_width))
    for name, column in values.items():
        with room_for(path / name, column.nbytes):
            member(group, name)[index] = column


def read_fit(path: Path, place: Place) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable of shape (units,)."""
    group, index = open_group(path), _index(path, place)
    return {name: read(member(group, name), index) for name in names.RESULTS}


def session_units(path: Path) -> dict[str, slice]:
    """Return where the units of each session lie on the unit axis."""
    grid = _stored_grid(path)
    assert grid is not None
    sessions = grid["units"]["session"]
    return {s: slice(sessions.index(s), sessions.index(s) + sessions.count(s)) for s in dict.fromkeys(sessions)}


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


def _stored_grid(path: Path) -> dict[str, Any] | None:
    return attributes(open_group(path)).get(GRID_ATTR) if path.is_dir() else None


def _index(path: Path, place: Place) -> tuple[int, ...]:
    grid = _stored_grid(path)
    assert grid is not None
    return tuple(grid["axes"][dim].index(label) for dim, label in zip(names.GRID, place, strict=True))


def _chunk(path: Path, name: str, index: tuple[int, ...]) -> Path:
    """Return the file of one fit's values of one variable; zarr has none where all are NaN."""
    return path / name / "c" / "/".join(str(i) for i in (*index, 0))


def _as_stored(grid: Grid) -> dict[str, Any]:
    """Return a grid as zarr's JSON gives it back."""
    stored: dict[str, Any] = json.loads(json.dumps(asdict(grid)))
    return stored


def _unit_names(stored: Mapping[str, Any]) -> list[tuple[str, str]]:
    units = stored["units"]
    return list(zip(units["session"], units["channel"], strict=True))


def _labels(values: Any) -> np.ndarray:
    array = np.asarray(values)
    # Text of fixed width has no stable zarr type yet; a None among numbers is an unknown one.
    return (
        array.astype(object)
        if array.dtype.kind == "U"
        else array.astype(float if array.dtype == object else array.dtype)
    )
