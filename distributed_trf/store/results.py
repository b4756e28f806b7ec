"""Results on disk: one dense grid of fits, one chunk per fit and variable.

The grid spans what the study asks for and, beside it, fits that were done before and are not asked for now. Chunks of
fits that are not done do not exist, so places that nobody asks for cost nothing. What is asked for is said in an
attribute, and is all that ``open_grid`` shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DamagedError
from distributed_trf.store.atomic import new_folder, sync_file, write_text
from distributed_trf.store.disk_full import room_for
from distributed_trf.store.fingerprint import digest_bytes, digest_file
from distributed_trf.store.laid import (
    ROOT,
    Laid,
    is_intact,
    laid_if_any,
    make_in_place,
    read_laid,
    write_laid,
)
from distributed_trf.store.receipts import FIT, receipts
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.vouched import VouchedStore, check_files, digest_files, read_vouched
from distributed_trf.store.zarr_arrays import codecs, open_array, open_group, read
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
    """Tell whether the results store is there with these axes, perhaps among others, its metadata and labels whole."""
    laid = laid_if_any(path.parent, path)
    return laid is not None and Grid.of_stored(laid.about).holds(grid) and is_intact(path, laid)


def describe_results(path: Path, grid: Grid, attrs: Mapping[str, Any], withheld: Iterable[Place] = ()) -> None:
    """Say anew what made the results and what of them is asked for, unless only where and when have changed."""
    old = read_laid(path.parent, path)
    content = json.loads(read_vouched(path / ROOT, old.files[ROOT]))
    said, new = content["attributes"], {**attrs, ASKED_ATTR: _asked(grid, withheld)}
    content["attributes"] = json.loads(json.dumps({**said, **new}))
    if {**content["attributes"], **{name: said[name] for name in ("host", "written") if name in said}} == said:
        return
    text = json.dumps(content, indent=2)
    laid = replace(old, files={**old.files, ROOT: digest_bytes(text.encode())})
    write_laid(path.parent, path, laid, before=old)
    write_text(path / ROOT, text)
    write_laid(path.parent, path, laid)


def mend_results(path: Path, grid: Grid, attrs: Mapping[str, Any]) -> bool:
    """Make metadata and labels of the results again where they are damaged; all numbers stay.

    Where it is not known any more which fits are shown, none of those that are in store is, until they are described
    anew.

    Returns
    -------
    bool
        Whether they were damaged: then numbers may be as well.
    """
    old = laid_if_any(path.parent, path)
    about = _grid_there(path) if old is None else old.about
    if about is None or (old is None and not Grid.of_stored(about).holds(grid)):
        return False  # nothing tells what the numbers are of
    if old is not None and is_intact(path, old):
        return False
    stored = Grid.of_stored(about)
    try:
        said = said_of(path)
    except DamagedError:
        said = {**attrs, ASKED_ATTR: _asked(grid, _filled(path, stored))}
    make_in_place(path.parent, path, about, lambda folder: _make(folder, stored, said))
    return True


def lay_results(
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
    before, kept = laid_if_any(path.parent, path), list(kept)
    old = None if before is None else Grid.of_stored(before.about)
    whole = grid if old is None else grid.spanning(old, [p for p in kept if p in old and _beside(p, grid, withheld)])
    with new_folder(path) as folder:
        _make(folder, whole, {**attrs, ASKED_ATTR: _asked(grid, withheld)})
        new = Laid(_as_stored(whole), digest_files(folder))
        were = {} if old is None else {label: k for k, label in enumerate(_unit_names(old.units))}
        both = [(k, were[label]) for k, label in enumerate(_unit_names(whole.units)) if label in were]
        here, there = [k for k, _ in both], [k for _, k in both]
        for place in kept:
            values = _read_whole(path, place)
            columns = {name: np.full(whole.n_units, np.nan) for name in values}
            for name, column in columns.items():
                column[here] = values[name][there]
            files = _write(folder, whole, place, columns)
            if moved is not None:
                moved(place, files)
        write_laid(path.parent, path, new, before=before)
    write_laid(path.parent, path, new)


def _make(folder: Path, grid: Grid, attrs: Mapping[str, Any]) -> None:
    """Make the labels, and arrays of NaN for all numbers."""
    labels = grid.coords()
    encoding = {name: {**v.encoding, "compressors": codecs()} for name, v in labels.variables.items()}
    labels.to_zarr(folder, mode="w", zarr_format=3, consolidated=False, encoding=encoding, write_empty_chunks=True)
    group = open_group(folder, mode="r+")
    group.attrs.update({**attrs, GRID_ATTR: _as_stored(grid)})
    of_units = " ".join(grid.units)
    for name, variable in names.RESULTS.items():
        _create(group, name, variable, names.RESULT_DIMS, grid, f"{of_units} layer_name layer_type")
    for name, variable in names.RELIABILITY.items():
        _create(group, name, variable, names.RELIABILITY_DIMS, grid, of_units)


def vouch_for_all(path: Path) -> None:
    """Hold on to the digests of all that is in a results store: for one that is made at once, without work items."""
    write_laid(path.parent, path, replace(read_laid(path.parent, path), files=digest_files(path)))


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
    laid, group = read_laid(store.root, path), store.name(path)
    files, axes = laid.files | laid.gathered, laid.about["axes"]
    for _, receipt in receipts(store, FIT):
        files |= located(axes, receipt.files.get(group, {}))
    return files


def located(axes: Mapping[str, Sequence[Any]], files: Mapping[str, str]) -> dict[str, str]:
    """Return the digests that the receipt of a fit has by where the files are; nothing of a place that is not there."""
    places = [{_text(label): k for k, label in enumerate(axes[dim])} for dim in names.GRID]
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
        VouchedStore(path, files),
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
    return _filled(path, stored_grid(path))


def _filled(path: Path, grid: Grid) -> set[Place]:
    places = set()
    for name in names.RESULTS:
        for chunk in (path / name / "c").glob("/".join("*" * len(names.RESULT_DIMS))):
            index = [int(part) for part in chunk.parts[-len(names.RESULT_DIMS) : -1]]
            places.add(tuple(grid.axes[dim][i] for dim, i in zip(names.GRID, index, strict=True)))
    return places


def fit_chunks(path: Path, place: Place) -> list[Path]:
    """Return the files that hold the results of one fit."""
    index = _index(stored_grid(path), place)
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
    laid = read_laid(path.parent, path)
    return _write(path, Grid.of_stored(laid.about), place, values, laid.files)


def _write(
    path: Path,
    grid: Grid,
    place: Place,
    values: Mapping[str, np.ndarray],
    files: Mapping[str, str] | None = None,
) -> dict[str, str]:
    index, written = _index(grid, place), {}
    for name, column in values.items():
        written["/".join((name, *map(_text, place)))] = _put(path, name, index, _widened(column, grid.n_units), files)
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
    laid = read_laid(path.parent, path)
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
        write_laid(path.parent, path, replace(laid, gathered=laid.gathered | gathered))


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
        If nothing says what they are.
    """
    return Grid.of_stored(read_laid(path.parent, path).about)


def said_of(path: Path) -> dict[str, Any]:
    """Return what a results store says of itself.

    Raises
    ------
    DamagedError
        If that is damaged.
    """
    said: dict[str, Any] = json.loads(read_vouched(path / ROOT, read_laid(path.parent, path).files[ROOT]))["attributes"]
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


def _index(grid: Grid, place: Place) -> tuple[int, ...]:
    return tuple(grid.axes[dim].index(label) for dim, label in zip(names.GRID, place, strict=True))


def _read_whole(path: Path, place: Place) -> dict[str, np.ndarray]:
    """Read the results of one fit, each variable over all units in store."""
    index = _index(stored_grid(path), place)
    return {name: read(open_array(path, name), index) for name in names.RESULTS}


def _widened(column: np.ndarray, n_units: int) -> np.ndarray:
    """Let NaN follow for units that are in store and not asked for."""
    return np.concatenate([column, np.full(n_units - column.size, np.nan)])


def _chunk(name: str, index: tuple[int, ...]) -> str:
    """Return the file of one place's values of one variable, by its path in the group."""
    return "/".join(map(str, (name, "c", *index, 0)))


def _text(label: Any) -> str:
    """Write a label of an axis."""
    return f"{label:g}" if isinstance(label, float) else str(label)


def _grid_there(path: Path) -> Any:
    """Return what a results store says of its axes, whether that is what was written or not; None if nothing."""
    try:
        return json.loads((path / ROOT).read_bytes())["attributes"][GRID_ATTR]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _as_stored(grid: Grid) -> dict[str, Any]:
    """Return a grid as JSON gives it back."""
    stored: dict[str, Any] = json.loads(json.dumps(asdict(grid)))
    return stored


def _unit_names(units: Mapping[str, Sequence[Any]]) -> list[tuple[str, str]]:
    return list(zip(units["session"], units["channel"], strict=True))


def _labels(values: Any) -> np.ndarray:
    """Return labels as text or numbers; a None among numbers is an unknown one."""
    array = np.asarray(values)
    return array.astype(float) if array.dtype == object else array
