"""The grid of results: its axes, and the cell of each fit."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf import names

if TYPE_CHECKING:
    import xarray as xr

Cell = tuple[str, str, str, int, float]
"""The coordinates of a fit: stimulus set, network, weights, layer, bin width in ms."""


@dataclass(frozen=True)
class Grid:
    """Axes of the results: every combination of labels is a cell, though not every cell is fitted."""

    axes: dict[str, tuple[Any, ...]]
    """Labels along each of ``names.GRID``."""
    units: dict[str, tuple[Any, ...]]
    """Per unit: session, channel, area, subject, x, y, and those of ``names.UNIT_COORDS`` that the recordings say; the
    coordinates of an unknown recording site are None."""
    layers: dict[str, dict[str, tuple[str, str]]]
    """Name and type of each layer, by network and layer id (as text, since JSON keeps it)."""
    splits: tuple[str, ...] = ()
    """Labels of the splits that fits are tested on, of all stimulus sets; none for fixed test sets."""

    @property
    def n_units(self) -> int:
        """Units of all sessions."""
        return len(self.units["session"])

    @classmethod
    def of_stored(cls, stored: Mapping[str, Any]) -> Grid:
        """Return a grid from its JSON values."""
        axes, units = ({name: tuple(labels) for name, labels in stored[part].items()} for part in ("axes", "units"))
        layers = {n: {layer: (x[0], x[1]) for layer, x in table.items()} for n, table in stored["layers"].items()}
        return cls(axes, units, layers, tuple(stored.get("splits", ())))

    def spanning(self, old: Grid, kept: Collection[Cell]) -> Grid:
        """Return a grid with its own labels first, then those of some cells of an older grid."""
        if not kept:
            return self
        axes = {
            dim: tuple(dict.fromkeys((*self.axes[dim], *(cell[k] for cell in kept))))
            for k, dim in enumerate(names.GRID)
        }
        present = set(unit_names(self.units))
        left = [k for k, name in enumerate(unit_names(old.units)) if name not in present]
        units = {
            name: (*column, *(old.units.get(name, (_blank(column),) * old.n_units)[k] for k in left))
            for name, column in self.units.items()
        }
        layers = {n: {**old.layers.get(n, {}), **self.layers.get(n, {})} for n in axes[names.NETWORK]}
        return Grid(axes, units, layers, tuple(dict.fromkeys((*self.splits, *old.splits))))

    def holds(self, other: Grid) -> bool:
        """Tell whether all labels of another grid are in this one, units in the same order from the first on."""
        return (
            all(set(other.axes[dim]) <= set(self.axes[dim]) for dim in names.GRID)
            and self.units.keys() == other.units.keys()
            and all(self.units[name][: other.n_units] == column for name, column in other.units.items())
            and set(other.splits) <= set(self.splits)
            and all(table.items() <= self.layers.get(network, {}).items() for network, table in other.layers.items())
        )

    def __contains__(self, cell: Cell) -> bool:
        return all(label in self.axes[dim] for dim, label in zip(names.GRID, cell, strict=True))

    def coords(self) -> xr.Dataset:
        """Return the labels as coordinates, described by ``names``; text has a fixed width."""
        import xarray as xr  # takes half a second to load, and items are named and listed without it

        columns: dict[str, tuple[Any, np.ndarray]] = {
            name: (names.UNIT, _labels(values)) for name, values in self.units.items()
        }
        networks, layers = self.axes[names.NETWORK], self.axes[names.LAYER]
        for k, name in enumerate(("layer_name", "layer_type")):
            table = [[self.layers[n].get(str(layer), ("", ""))[k] for layer in layers] for n in networks]
            columns[name] = ((names.NETWORK, names.LAYER), _labels(table))
        axes = self.axes | ({names.SPLIT: self.splits} if self.splits else {})
        ds = xr.Dataset(coords={**{dim: (dim, _labels(v)) for dim, v in axes.items()}, **columns})
        further = {name: variable for name, variable in names.UNIT_COORDS.items() if name in self.units}
        described = names.COORDS | further | ({names.SPLIT: names.SPLIT_LABEL} if self.splits else {})
        for name, variable in described.items():
            ds[name].attrs.update(variable.attrs)
            if ds[name].dtype.kind == "U":
                ds[name].encoding["dtype"] = object  # text of fixed width has no stable zarr type yet
        return ds


def result_names(grid: Grid) -> list[str]:
    """Return the variables of fits that a store with these axes has."""
    return [*names.RESULTS, *(names.SPLIT_RESULTS if grid.splits else ())]


def with_absent(ds: xr.Dataset) -> xr.Dataset:
    """Add the variables that a store of an earlier version lacks, NaN throughout and without memory of their own."""
    dims = {
        **dict.fromkeys(names.RESULTS, names.RESULT_DIMS),
        **dict.fromkeys(names.RELIABILITY, names.RELIABILITY_DIMS),
    }
    absent = {}
    for name, variable in (names.RESULTS | names.RELIABILITY).items():
        if name not in ds:
            nothing = np.broadcast_to(np.nan, [ds.sizes[dim] for dim in dims[name]])
            absent[name] = (dims[name], nothing, variable.attrs)
    return ds.assign(absent)


def spread_splits(values: np.ndarray, splits: Sequence[str], stored: Sequence[str]) -> np.ndarray:
    """Put values of some splits, shape (splits, units), where a store has them, if it does; NaN in its others."""
    spread = np.full((len(stored), values.shape[1]), np.nan)
    for label, row in zip(splits, values, strict=True):
        if label in stored:
            spread[stored.index(label)] = row
    return spread


def unit_names(units: Mapping[str, Sequence[Any]]) -> list[tuple[str, str]]:
    """Return session and channel of each unit."""
    return list(zip(units["session"], units["channel"], strict=True))


def index_of(grid: Grid, cell: Cell) -> tuple[int, ...]:
    """Return the index of a cell along each axis."""
    return tuple(grid.axes[dim].index(label) for dim, label in zip(names.GRID, cell, strict=True))


def as_stored(grid: Grid) -> dict[str, Any]:
    """Return a grid as JSON returns it."""
    fields = {name: value for name, value in asdict(grid).items() if name != "splits" or value}
    stored: dict[str, Any] = json.loads(json.dumps(fields))
    return stored


def label_text(label: Any) -> str:
    """Write a label of an axis."""
    return f"{label:g}" if isinstance(label, float) else str(label)


def _blank(column: Sequence[Any]) -> str | None:
    """Return what stands in a column of labels or of numbers where nothing is said."""
    return "" if any(isinstance(value, str) for value in column) else None


def _labels(values: Any) -> np.ndarray:
    """Return labels as text or numbers; a None among numbers becomes NaN."""
    array = np.asarray(values)
    return array.astype(float) if array.dtype == object else array
