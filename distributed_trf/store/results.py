"""Results on disk: one dense grid of fits, one chunk per fit and variable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.store.atomic import new_folder, sync_file
from distributed_trf.store.disk_full import room_for
from distributed_trf.store.zarr_arrays import attributes, codecs, member, open_group, read
from distributed_trf.timing import timed

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


def lay_results(path: Path, grid: Grid, done: Iterable[Place], attrs: Mapping[str, Any]) -> None:
    """Make the results store, or lay it anew when the study's axes have changed, keeping the fits in ``done``.

    ``done`` names the fits that are still valid; whatever else is in the store is emptied. The caller revokes the
    receipts of those others first.
    """
    wanted, done = json.loads(json.dumps(asdict(grid))), set(done)
    old = _stored_grid(path)
    if old == wanted and _filled(path, grid) <= done:
        open_group(path, mode="r+").attrs.update(dict(attrs))
        return
    with new_folder(path) as folder:
        grid.coords().to_zarr(folder, mode="w", zarr_format=3, consolidated=False)
        group = open_group(folder, mode="r+")
        group.attrs.update({**attrs, GRID_ATTR: wanted})
        of_units = " ".join(grid.units)
        for name, variable in names.RESULTS.items():
            _create(group, name, variable, names.RESULT_DIMS, grid, f"{of_units} layer_name layer_type")
        for name, variable in names.RELIABILITY.items():
            _create(group, name, variable, names.RELIABILITY_DIMS, grid, of_units)
        if old is not None and old["units"] == wanted["units"]:
            for place in done:
                write_fit(folder, place, read_fit(path, place))


@timed("write")
def write_fit(path: Path, place: Place, values: Mapping[str, np.ndarray]) -> None:
    """Write the results of one fit, each variable of shape (units,); on disk when this returns."""
    group, index = open_group(path, mode="r+"), _index(path, place)
    for name, column in values.items():
        with room_for(path / name, column.nbytes):
            member(group, name)[index] = column
            chunk = path / name / "c" / "/".join(str(i) for i in (*index, 0))
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


def _filled(path: Path, grid: Grid) -> set[Place]:
    """List the places that have a chunk of any variable."""
    places = set()
    for name in names.RESULTS:
        for chunk in (path / name / "c").glob("/".join("*" * len(names.RESULT_DIMS))):
            index = [int(part) for part in chunk.parts[-len(names.RESULT_DIMS) : -1]]
            places.add(tuple(grid.axes[dim][i] for dim, i in zip(names.GRID, index, strict=True)))
    return places


def _labels(values: Any) -> np.ndarray:
    array = np.asarray(values)
    # Text of fixed width has no stable zarr type yet; a None among numbers is an unknown one.
    return (
        array.astype(object)
        if array.dtype.kind == "U"
        else array.astype(float if array.dtype == object else array.dtype)
    )
