"""What the driver makes before workers write into it: the arrays of features and the grid of results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf import names
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.pipeline.dependencies import Dependencies
from distributed_trf.pipeline.items import ANALYSE, ASSESS, EXTRACT, FIT, Assess, Extract, Fit, Item, ReadSounds
from distributed_trf.pipeline.provenance import provenance
from distributed_trf.pipeline.stages.read_recordings import SoundsRead
from distributed_trf.pipeline.study_context import Context, feature_layout
from distributed_trf.pipeline.work import items
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.store.allocation import allocation_if_any
from distributed_trf.store.feature_arrays import allocate_feature_arrays, stored_layers
from distributed_trf.store.features import FeatureLayout
from distributed_trf.store.item_locks import claim
from distributed_trf.store.receipts import read_receipt, receipt_files, revoke_receipt, write_receipt
from distributed_trf.store.result_allocation import allocate_result_arrays, describe_results, has_grid
from distributed_trf.store.result_grid import Cell, Grid
from distributed_trf.store.results import (
    ANALYSES_ATTR,
    empty_fit,
    filled_cells,
    located,
    session_units,
    stored_grid,
    write_reliability,
)
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import check_files, member, open_group, read


def allocate_features(context: Context) -> tuple[list[str], set[str]]:
    """Make the arrays that extractions write into, where they are missing, damaged or laid out otherwise.

    Those of other layers stay beside them, unless these are laid out otherwise. Receipts of extractions into an array
    that is made anew are taken back first.

    Returns
    -------
    gone, mended
        What of it was there that the study does not ask for, and is gone. Names of the groups that were damaged: what
        extractions wrote into them may be as well.
    """
    store = context.store
    gone: list[str] = []
    mended: set[str] = set()
    for stimuli in context.study.stimuli:
        receipt = read_receipt(store, ReadSounds.stage, ReadSounds(stimuli).key)
        if receipt is None:
            continue
        sounds = SoundsRead.of(receipt)
        durations = [s.duration for s in context.stimuli[stimuli]]
        for network in context.study.networks:
            table, layers = context.tables[network.name], context.layers(network)
            batches = context.batches(stimuli)
            for weights in context.weights(network):
                layout = feature_layout(context.study, table, weights, layers, sounds, durations, batches)
                path = store.features(stimuli, network.name, weights)
                extractions = [Extract(stimuli, network.name, weights, batch) for batch in range(len(batches))]
                if allocate_feature_arrays(store, path, layout, _losing(store, extractions, path, layout, gone)):
                    mended.add(store.name(path))
    return gone, mended


def _losing(
    store: StudyStore, extractions: Sequence[Extract], path: Path, layout: FeatureLayout, gone: list[str]
) -> Callable[[], None]:
    """Return what takes back receipts of extractions, and adds the layers that are not asked for to ``gone``."""

    def lose() -> None:
        left = {layer.id for layer in stored_layers(store, path)} - {layer.id for layer in layout.layers}
        if left:
            of, listed = extractions[0], ", ".join(map(str, sorted(left)))
            gone.append(f"features of {of.stimuli}, {of.network}, {of.weights}, layers {listed}")
        for item in extractions:
            revoke_receipt(store, EXTRACT, item.key)

    return lose


def allocate_results(context: Context, done: Sequence[Item]) -> bool:
    """Make the grid that fits write into, and empty it of fits that the study asks for and that are not in ``done``.

    Receipts of those are taken back first. Kept, and not shown, are fits that the study does not ask for, and those
    that cannot be judged since what they were made of is not there now: asked for again, or made again, they are held
    against the settings then. Fits that an element of a job array is at, or has done since, are left alone.

    Returns
    -------
    bool
        Whether fits in ``done`` turned out to be damaged, which are not done any more then.
    """
    store, grid = context.store, result_grid(context)
    of = _Fits(context, done)
    lost = False
    if has_grid(store.results, grid):
        describe_results(store.results, grid, result_attrs(context), of.kept)
    else:
        lost = _lay(context, of)
    for key, place in of.others().items():
        with claim(store, FIT, key) as claimed:
            if claimed.file is not None and not of.is_done_now(key):
                revoke_receipt(store, FIT, key)
                _remove_fit(store, place)
    return lost


def rebuild_results(context: Context, done: Sequence[Item]) -> bool:
    """Make the grid in place of the one that is there, with the fits in ``done`` and those that are kept beside them.

    Receipts of all others are taken back first. Tells whether any in ``done`` is damaged.
    """
    return _lay(context, _Fits(context, done))


class _Fits:
    """The fits in a study's folder: those that are done, those that are kept beside them, and the others."""

    def __init__(self, context: Context, done: Sequence[Item]) -> None:
        store = self._store = context.store
        self._items = {item.key: item for item in items(context, FIT)}
        self._dependencies = Dependencies(context)
        self._receipts = {receipt.stem for receipt in store.receipts.glob(f"{FIT}/*.json")}
        self.done = {item.key: item.cell for item in done if isinstance(item, Fit)}
        filled = filled_cells(store.results) if allocation_if_any(store.root, store.results) is not None else set()
        self._places = {Fit(*place).key: place for place in (*filled, *store.all_models())}
        self.kept = {
            place for place in filled if (key := Fit(*place).key) not in self.done and self._outlasts(key, place)
        }
        """Places of fits that are not asked for, or cannot be judged; a receipt vouches for each."""

    def _outlasts(self, key: str, place: Cell) -> bool:
        if key not in self._receipts:
            return False
        if key not in self._items:
            return True
        try:
            self._dependencies.of(self._items[key])
        except Waiting:
            return True
        return False

    def others(self) -> dict[str, Cell | None]:
        """Return all that are neither done nor kept, by key, with their place where it is known."""
        kept = {Fit(*place).key for place in self.kept}
        found = {key: self._places.get(key) for key in (*self._receipts, *self._places)}
        return {key: place for key, place in found.items() if key not in self.done and key not in kept}

    def is_done_now(self, key: str) -> bool:
        """Tell whether a fit that the study asks for has been done meanwhile."""
        return key in self._items and self._dependencies.receipt(self._items[key]) is not None


def _lay(context: Context, of: _Fits) -> bool:
    store = context.store
    kept = [*of.done.values(), *of.kept]
    damaged = {place for place in kept if not is_well(store, place)}
    for key in (*of.others(), *(Fit(*place).key for place in damaged)):
        revoke_receipt(store, FIT, key)
    well = [place for place in kept if place not in damaged]
    withheld, grid = of.kept - damaged, result_grid(context)
    allocate_result_arrays(store.results, grid, well, result_attrs(context), withheld=withheld, moved=follow(store))
    return not of.kept.issuperset(damaged)


def is_well(store: StudyStore, place: Cell) -> bool:
    """Tell whether the numbers of a fit are those that it wrote."""
    try:
        files = receipt_files(store, FIT, Fit(*place).key, store.results)
        here = located(stored_grid(store.results).axes, files)
        check_files(store.results, here)
    except StoreError:
        return False
    return len(here) == len(files) > 0


def follow(store: StudyStore) -> Callable[[Cell, dict[str, str]], None]:
    """Return what lets the receipt of a fit hold for its numbers where they are and where they are about to be."""
    group = store.name(store.results)

    def moved(place: Cell, files: dict[str, str]) -> None:
        key = Fit(*place).key
        receipt = read_receipt(store, FIT, key)
        if receipt is not None and receipt.files[group] != files:
            was = receipt.files[group]
            both = {name: " ".join(dict.fromkeys([new, *was[name].split()])) for name, new in files.items()}
            write_receipt(store, FIT, key, receipt.with_files({**receipt.files, group: both}))

    return moved


def result_attrs(context: Context) -> dict[str, Any]:
    """Return what the results say of themselves."""
    return {**provenance(context.study), ANALYSES_ATTR: [item.key for item in items(context, ANALYSE)]}


def _remove_fit(store: StudyStore, place: Cell | None) -> None:
    """Remove the results and the model of a fit whose receipt is taken back."""
    if place is not None:
        empty_fit(store.results, place)
        shutil.rmtree(store.model(*place), ignore_errors=True)


def gather_reliability(context: Context, done: Sequence[Item]) -> None:
    """Put what the assessments in ``done`` found into the grid of results, and NaN where there is none."""
    store, units = context.store, session_units(context.store.results)
    n_units = max(place.stop for place in units.values())
    for stimuli in context.study.stimuli:
        for bin_width in context.study.bin_widths:
            columns = {name: np.full(n_units, np.nan) for name in names.RELIABILITY}
            for item in done:
                if isinstance(item, Assess) and (item.stimuli, item.bin_width) == (stimuli, bin_width):
                    for name, values in _assessed(store, item).items():
                        columns[name][units[item.session]] = values
            write_reliability(store.results, stimuli, bin_width, columns)


def _assessed(store: StudyStore, item: Assess) -> dict[str, np.ndarray]:
    """Read what an assessment found of each unit.

    Raises
    ------
    DamagedError
        If it is damaged; it is not done any more then.
    """
    try:
        path = store.reliability(item.stimuli, item.bin_width, item.session)
        group = open_group(path, receipt_files(store, ASSESS, item.key, path))
        return {name: read(member(group, name)) for name in names.RELIABILITY}
    except DamagedError as error:
        revoke_receipt(store, ASSESS, item.key)
        raise DamagedError(f"{error.path}: damaged; run the same command again to make it anew", error.path) from error


def result_grid(context: Context) -> Grid:
    """Return the axes of the results of a study."""
    study = context.study
    weights = [w for network in study.networks for w in context.weights(network)]
    layers: dict[str, dict[str, tuple[str, str]]] = {
        network.name: {str(layer.id): (layer.name, layer.type) for layer in context.layers(network)}
        for network in study.networks
    }
    units = [(session, channel) for session in context.recordings.sessions for channel in session.channels]
    return Grid(
        axes={
            names.STIMULI: tuple(study.stimuli),
            names.NETWORK: tuple(layers),
            names.WEIGHTS: tuple(dict.fromkeys(weights)),
            names.LAYER: tuple(sorted({int(i) for table in layers.values() for i in table})),
            names.BIN_WIDTH: tuple(study.bin_widths),
        },
        units={
            "session": tuple(session.name for session, _ in units),
            "channel": tuple(channel for _, channel in units),
            "area": tuple(session.area for session, _ in units),
            "subject": tuple(session.subject for session, _ in units),
            "x": tuple(_known(session.x) for session, _ in units),
            "y": tuple(_known(session.y) for session, _ in units),
        },
        layers=layers,
    )


def _known(coordinate: float) -> float | None:
    return None if coordinate != coordinate else coordinate
