"""Results on disk: one dense grid of fits, one chunk per fit and variable.

The grid spans what the study asks for and, beside it, fits that were done before and are not asked for now. Chunks of
fits that are not done do not exist, so places that nobody asks for cost nothing. What is asked for is said in an
attribute, and is all that ``open_grid`` shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
from distributed_trf.timing import timed

Place = tuple[str, str, str, int, float]
"""Where a fit lies: stimulus set, network, weights, layer, bin width in ms."""


GRID_ATTR = "grid"
"""Attribute of the store that holds its axes, as ``Grid`` does."""
ASKED_ATTR = "asked"
"""Attribute that holds what of the grid the study asks for: ``axes`` and ``layers`` as of ``Grid``; ``units``, their
number, from the first on; ``withheld``, places in between whose fits are not asked for, or cannot be judged now."""
ANALYSES_ATTR = "analyses"
"""Attribute that lists the keys of the analyses that the study asks for; imported results have none."""


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

    @classmethod
    def of_stored(cls, stored: Mapping[str, Any]) -> Grid:
        """Return a grid from what zarr's JSON gives back of it."""
        axes, units = ({name: tuple(labels) for name, labels in stored[part].items()} for part in ("axes", "units"))
        layers = {n: {layer: (of[0], of[1]) for layer, of in table.items()} for n, table in stored["layers"].items()}
        return cls(axes, units, layers)

    def spanning(self, old: Grid, kept: Collection[Place]) -> Grid:
        """Return a grid with the labels of some places of another one beside its own, which come first."""
        if not kept:
            return self
        axes = {
            dim: tuple(dict.fromkeys((*self.axes[dim], *(place[k] for place in kept))))
            for k, dim in enumerate(names.GRID)
        }
        known = set(_unit_names(self.units))
        left = [k for k, name in enumerate(_unit_names(old.units)) if name not in known]
        units = {name: (*column, *(old.units[name][k] for k in left)) for name, column in self.units.items()}
        layers = {n: {**old.layers.get(n, {}), **self.layers.get(n, {})} for n in axes[names.NETWORK]}
        return Grid(axes, units, layers)

    def holds(self, other: Grid) -> bool:
        """Tell whether all labels of another grid are in this one, units in the same order from the first on."""
        return (
            all(set(other.axes[dim]) <= set(self.axes[dim]) for dim in names.GRID)
            and all(self.units[name][: other.n_units] == column for name, column in other.units.items())
            and all(table.items() <= self.layers.get(network, {}).items() for network, table in other.layers.items())
        )

    def __contains__(self, place: Place) -> bool:
        return all(label in self.axes[dim] for dim, label in zip(names.GRID, place, strict=True))

    def coords(self) -> xr.Dataset:
        """Return the labels as coordinates, described by ``names``; text has a fixed width."""
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
            if ds[name].dtype.kind == "U":
                ds[name].encoding["dtype"] = object  # text of fixed width has no stable zarr type yet
        return ds


def has_grid(path: Path, grid: Grid) -> bool:
    """Tell whether the results store is there, whole, with these axes, perhaps among others."""
    return is_whole(path) and stored_grid(path).holds(grid)


def describe_results(path: Path, grid: Grid, attrs: Mapping[str, Any], withheld: Iterable[Place] = ()) -> None:
    """Say anew what made the results, and what of them is asked for."""
    open_group(path, mode="r+").attrs.update({**attrs, ASKED_ATTR: _asked(grid, withheld)})


def lay_results(
    path: Path,
    grid: Grid,
    kept: Iterable[Place],
    attrs: Mapping[str, Any],
    *,
    withheld: Iterable[Place] = (),
    lose: Callable[[Place], None] | None = None,
) -> None:
    """Make the results store, or lay it anew because the study's axes have changed, with the fits in ``kept``.

    ``grid`` is what is asked for; fits in ``kept`` may lie outside it, and stay in store with all their units. The
    caller revokes the receipts of all other fits first. Units that are new have no part in those that are kept.
    ``lose`` is told of a fit whose numbers are damaged or gone, before the new store takes its place. ``withheld`` are
    fits that are kept inside the grid though nobody asks for them.

    Raises
    ------
    StoreError
        If numbers of a fit are damaged and nobody is to be told; the store is left as it was.
    """
    old, kept = stored_grid(path) if is_whole(path) else None, list(kept)
    whole = grid if old is None else grid.spanning(old, [p for p in kept if p in old and _beside(p, grid, withheld)])
    with new_folder(path) as folder:
        labels = whole.coords()
        encoding = {name: {**v.encoding, "compressors": codecs()} for name, v in labels.variables.items()}
        labels.to_zarr(folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
        group = open_group(folder, mode="r+")
        as_stored = json.loads(json.dumps(asdict(whole)))
        group.attrs.update({**attrs, GRID_ATTR: as_stored, ASKED_ATTR: _asked(grid, withheld)})
        of_units = " ".join(whole.units)
        for name, variable in names.RESULTS.items():
            _create(group, name, variable, names.RESULT_DIMS, whole, f"{of_units} layer_name layer_type")
        for name, variable in names.RELIABILITY.items():
            _create(group, name, variable, names.RELIABILITY_DIMS, whole, of_units)
        were = {} if old is None else {label: k for k, label in enumerate(_unit_names(old.units))}
        both = [(k, were[label]) for k, label in enumerate(_unit_names(whole.units)) if label in were]
        here, there = [k for k, _ in both], [k for _, k in both]
        for place in kept:
            try:
                values = _read_whole(path, place)
            except (StoreError, ValueError):
                if lose is None:
                    raise
                lose(place)
                continue
            columns = {name: np.full(whole.n_units, np.nan) for name in values}
            for name, column in columns.items():
                column[here] = values[name][there]
            write_fit(folder, place, columns)


def open_grid(path: Path, *, chunks: dict[Any, Any] | None = None) -> xr.Dataset:
    """Open what the study asks for of the results store, lazily, with labels; NaN where a fit is withheld.

    Parameters
    ----------
    path
        The results store.
    chunks
        Of dask arrays, by dimension; by default variables are no dask arrays, but where fits are withheld.
    """
    stored, asked, withheld = stored_grid(path), asked_grid(path), withheld_places(path)
    if withheld and chunks is None:
        chunks = {}
    labels = list(names.COORDS)
    ds = xr.open_zarr(
        path, consolidated=False, chunks=chunks, zarr_format=3, decode_cf=False, drop_variables=labels
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
    axes, places = stored_grid(path).axes, set()
    for name in names.RESULTS:
        for chunk in (path / name / "c").glob("/".join("*" * len(names.RESULT_DIMS))):
            index = [int(part) for part in chunk.parts[-len(names.RESULT_DIMS) : -1]]
            places.add(tuple(axes[dim][i] for dim, i in zip(names.GRID, index, strict=True)))
    return places


def fit_chunks(path: Path, place: Place) -> list[Path]:
    """Return the files that hold the results of one fit."""
    index = _index(path, place)
    return [chunk for name in names.RESULTS if (chunk := _chunk(path, name, index)).exists()]


def empty_fit(path: Path, place: Place) -> None:
    """Remove the results of one fit, if its place is in the store."""
    if place in stored_grid(path):
        for chunk in fit_chunks(path, place):
            chunk.unlink(missing_ok=True)


@timed("write")
def write_fit(path: Path, place: Place, values: Mapping[str, np.ndarray]) -> None:
    """Write the results of one fit, each variable of shape (units,), the units asked for; on disk when this returns."""
    group, index = open_group(path, mode="r+"), _index(path, place)
    for name, column in values.items():
        array = member(group, name)
        with room_for(path / name, column.nbytes):
            array[index] = _widened(column, array.shape[-1])
            chunk = _chunk(path, name, index)
            if chunk.exists():  # zarr stores no chunk that is NaN throughout
                sync_file(chunk)


def write_reliability(path: Path, stimuli: str, bin_width: float, values: Mapping[str, np.ndarray]) -> None:
    """Write the reliability of the units at one stimulus set and bin width, each variable of shape (units,)."""
    group, axes = open_group(path, mode="r+"), stored_grid(path).axes
    index = (axes[names.STIMULI].index(stimuli), axes[names.BIN_WIDTH].index(bin_width))
    for name, column in values.items():
        array = member(group, name)
        with room_for(path / name, column.nbytes):
            array[index] = _widened(column, array.shape[-1])


def read_fit(path: Path, place: Place) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable of shape (units,), the units that are asked for."""
    n_units = asked_grid(path).n_units
    return {name: column[:n_units] for name, column in _read_whole(path, place).items()}


def session_units(path: Path) -> dict[str, slice]:
    """Return where the units of each session that is asked for lie on the unit axis."""
    sessions = asked_grid(path).units["session"]
    return {s: slice(sessions.index(s), sessions.index(s) + sessions.count(s)) for s in dict.fromkeys(sessions)}


def stored_grid(path: Path) -> Grid:
    """Return the axes of the results store.

    Raises
    ------
    DamagedError
        If it is missing or unreadable.
    """
    return Grid.of_stored(attributes(open_group(path))[GRID_ATTR])


def asked_grid(path: Path) -> Grid:
    """Return what of the results store is asked for."""
    attrs = attributes(open_group(path))
    asked, units = attrs[ASKED_ATTR], attrs[GRID_ATTR]["units"]
    return Grid.of_stored({**asked, "units": {name: column[: asked["units"]] for name, column in units.items()}})


def shown_fits(path: Path) -> Callable[[Place], bool]:
    """Return what tells whether the results show a fit."""
    asked, withheld = asked_grid(path), withheld_places(path)
    return lambda place: place in asked and place not in withheld


def withheld_places(path: Path) -> set[Place]:
    """Return the places inside what is asked for whose fits are kept and not shown."""
    return {(s, n, w, layer, width) for s, n, w, layer, width in attributes(open_group(path))[ASKED_ATTR]["withheld"]}


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


def _index(path: Path, place: Place) -> tuple[int, ...]:
    axes = stored_grid(path).axes
    return tuple(axes[dim].index(label) for dim, label in zip(names.GRID, place, strict=True))


def _read_whole(path: Path, place: Place) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable over all units in store."""
    group, index = open_group(path), _index(path, place)
    return {name: read(member(group, name), index) for name in names.RESULTS}


def _widened(column: np.ndarray, n_units: int) -> np.ndarray:
    """Let NaN follow for units that are in store and not asked for."""
    return np.concatenate([column, np.full(n_units - column.size, np.nan)])


def _chunk(path: Path, name: str, index: tuple[int, ...]) -> Path:
    """Return the file of one fit's values of one variable; zarr has none where all are NaN."""
    return path / name / "c" / "/".join(str(i) for i in (*index, 0))


def _unit_names(units: Mapping[str, Sequence[Any]]) -> list[tuple[str, str]]:
    return list(zip(units["session"], units["channel"], strict=True))


def _labels(values: Any) -> np.ndarray:
    """Return labels as text or numbers; a None among numbers is an unknown one."""
    array = np.asarray(values)
    return array.astype(float) if array.dtype == object else array
