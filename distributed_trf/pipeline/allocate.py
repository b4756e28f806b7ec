"""Allocate what workers write into, before they start: the arrays of features and the grid of results."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf import names
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.pipeline.dealt_stimuli import DEALT_ATTR, dealt_stimuli
from distributed_trf.pipeline.dependencies import Dependencies
from distributed_trf.pipeline.items import ANALYSE, ASSESS, EXTRACT, FIT, Assess, Extract, Fit, Item, ReadSounds
from distributed_trf.pipeline.provenance import provenance
from distributed_trf.pipeline.stages.read_recordings import SoundsRead
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import items
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.recordings.recording_set import Session
from distributed_trf.store.allocation import allocation_if_any
from distributed_trf.store.checked_files import check_files
from distributed_trf.store.feature_arrays import allocate_feature_arrays, stored_layers
from distributed_trf.store.features import FeatureLayout
from distributed_trf.store.item_locks import claim
from distributed_trf.store.receipts import read_receipt, receipt_files, revoke_receipt, write_receipt
from distributed_trf.store.result_allocation import allocate_result_arrays, describe_results, has_grid
from distributed_trf.store.result_grid import Cell, Grid
from distributed_trf.store.results import (
    ANALYSES_ATTR,
    EVALUATION_TABLES_ATTR,
    empty_fit,
    filled_cells,
    located,
    session_units,
    stored_grid,
    write_reliability,
)
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import member, open_group, read


def allocate_features(context: Context) -> tuple[list[str], set[str]]:
    """Allocate the arrays that extractions write into, where they are missing, damaged or of another layout.

    Arrays of other layers are kept, unless their layout differs. Before an array is allocated again, the receipts of
    the extractions into it are revoked.

    Returns
    -------
    removed, repaired
        Features that were removed though the study does not include them. Names of the groups that were damaged: what
        extractions wrote into them may be damaged too.
    """
    store = context.store
    removed: list[str] = []
    repaired: set[str] = set()
    for stimuli in context.study.stimuli:
        receipt = read_receipt(store, ReadSounds.stage, ReadSounds(stimuli).key)
        if receipt is None:
            continue
        sounds = SoundsRead.of(receipt)
        for network in context.study.networks:
            for weights in context.weights(network):
                layout = context.feature_layout(stimuli, network, weights, sounds.n_samples, sounds.sfreq)
                path = store.features(stimuli, network.name, weights)
                batches = range(len(layout.batches))
                extractions = [Extract(stimuli, network.name, weights, batch) for batch in batches]
                if allocate_feature_arrays(store, path, layout, _revoking(store, extractions, path, layout, removed)):
                    repaired.add(store.name(path))
    return removed, repaired


def _revoking(
    store: StudyStore, extractions: Sequence[Extract], path: Path, layout: FeatureLayout, removed: list[str]
) -> Callable[[], None]:
    """Return a function that revokes receipts of extractions and adds layers outside the study to ``removed``."""

    def revoke() -> None:
        others = {layer.id for layer in stored_layers(store, path)} - {layer.id for layer in layout.layers}
        if others:
            first, listed = extractions[0], ", ".join(map(str, sorted(others)))
            removed.append(f"features of {first.stimuli}, {first.network}, {first.weights}, layers {listed}")
        for item in extractions:
            revoke_receipt(store, EXTRACT, item.key)

    return revoke


def allocate_results(context: Context, done: Sequence[Item]) -> bool:
    """Allocate the grid that fits write into, and empty it of the study's fits that are not in ``done``.

    Their receipts are revoked first. Some fits are kept but not shown: fits outside the study, and fits that cannot be
    compared with the settings because one of their inputs is missing. They are compared once the study includes them,
    or once the input exists again. Fits that another element of a job array is running or has done are not touched.

    Returns
    -------
    bool
        Whether fits in ``done`` are damaged, so that they are no longer done.
    """
    store, grid, attrs = context.store, result_grid(context), result_attrs(context)
    fits = _Fits(context, done)
    damaged: set[Cell] = set()
    if has_grid(store.results, grid):
        describe_results(store.results, grid, attrs, fits.kept)
    else:
        cells = [*fits.done.values(), *fits.kept]
        damaged = {cell for cell in cells if not is_intact(store, cell)}
        for key in (*fits.others(), *(Fit(*cell).key for cell in damaged)):
            revoke_receipt(store, FIT, key)
        intact, withheld = [cell for cell in cells if cell not in damaged], fits.kept - damaged
        allocate_result_arrays(store.results, grid, intact, attrs, withheld=withheld, moved=follow(store))
    for key, cell in fits.others().items():
        with claim(store, FIT, key) as claimed:
            if claimed.file is not None and not fits.is_done_now(key):
                revoke_receipt(store, FIT, key)
                _remove_fit(store, cell)
    return not fits.kept.issuperset(damaged)


class _Fits:
    """The fits in a study's folder: fits that are done, fits that are kept outside the study, and others."""

    def __init__(self, context: Context, done: Sequence[Item]) -> None:
        store = context.store
        self._items = {item.key: item for item in items(context, FIT)}
        self._dependencies = Dependencies(context)
        self._receipts = {receipt.stem for receipt in store.receipts.glob(f"{FIT}/*.json")}
        self.done = {item.key: item.cell for item in done if isinstance(item, Fit)}
        filled = filled_cells(store.results) if allocation_if_any(store.root, store.results) is not None else set()
        self._cells = {Fit(*cell).key: cell for cell in (*filled, *store.all_models())}
        self.kept = {cell for cell in filled if (key := Fit(*cell).key) not in self.done and self._is_kept(key)}
        """Cells of fits that are outside the study, or cannot be compared with its settings; each has a receipt."""

    def _is_kept(self, key: str) -> bool:
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
        """Return all fits that are neither done nor kept, by key, with their cell if it is known."""
        kept = {*self.done, *(Fit(*cell).key for cell in self.kept)}
        return {key: self._cells.get(key) for key in (*self._receipts, *self._cells) if key not in kept}

    def is_done_now(self, key: str) -> bool:
        """Tell whether a fit of the study has been done meanwhile."""
        return key in self._items and self._dependencies.receipt(self._items[key]) is not None


def is_intact(store: StudyStore, cell: Cell) -> bool:
    """Verify the digests of all numbers that a fit wrote."""
    try:
        files = receipt_files(store, FIT, Fit(*cell).key, store.results)
        present = located(stored_grid(store.results).axes, files)
        check_files(store.results, present)
    except StoreError:
        return False
    return len(present) == len(files) > 0


def follow(store: StudyStore) -> Callable[[Cell, dict[str, str]], None]:
    """Return a function that adds the digests of a fit's moved numbers to its receipt, for both locations."""
    group = store.name(store.results)

    def moved(cell: Cell, files: dict[str, str]) -> None:
        key = Fit(*cell).key
        receipt = read_receipt(store, FIT, key)
        if receipt is not None and receipt.files[group] != files:
            before = receipt.files[group]
            both = {name: " ".join(dict.fromkeys([new, *before[name].split()])) for name, new in files.items()}
            write_receipt(store, FIT, key, receipt.with_files({**receipt.files, group: both}))

    return moved


def result_attrs(context: Context) -> dict[str, Any]:
    """Return the attributes of the results: provenance, how stimuli were dealt, and the analyses of the study."""
    tables = {name: digest for name, x in context.evaluations.items() for digest in x.table_inputs.values()}
    by_tables = {EVALUATION_TABLES_ATTR: tables} if tables else {}
    dealt = {DEALT_ATTR: dealt_stimuli(context)}
    return {
        **provenance(context.study),
        **by_tables,
        **dealt,
        ANALYSES_ATTR: [item.key for item in items(context, ANALYSE)],
    }


def _remove_fit(store: StudyStore, cell: Cell | None) -> None:
    """Remove the results and the model of a fit whose receipt is revoked."""
    if cell is not None:
        empty_fit(store.results, cell)
        shutil.rmtree(store.model(*cell), ignore_errors=True)


def gather_reliability(context: Context, done: Sequence[Item]) -> None:
    """Write the values of the assessments in ``done`` into the results, and NaN for all other units."""
    store, units = context.store, session_units(context.store.results)
    n_units = max(part.stop for part in units.values())
    for stimuli in context.study.stimuli:
        for bin_width in context.study.bin_widths:
            columns = {name: np.full(n_units, np.nan) for name in names.RELIABILITY}
            for item in done:
                if isinstance(item, Assess) and (item.stimuli, item.bin_width) == (stimuli, bin_width):
                    for name, values in _assessed(store, item).items():
                        columns[name][units[item.session]] = values
            write_reliability(store.results, stimuli, bin_width, columns)


def _assessed(store: StudyStore, item: Assess) -> dict[str, np.ndarray]:
    """Read the values of each unit from an assessment.

    Raises
    ------
    DamagedError
        If its output is damaged; its receipt is revoked.
    """
    try:
        path = store.reliability(item.stimuli, item.bin_width, item.session)
        group = open_group(path, receipt_files(store, ASSESS, item.key, path))
        return {name: read(member(group, name)) for name in names.RELIABILITY}
    except DamagedError as error:
        revoke_receipt(store, ASSESS, item.key)
        raise DamagedError(f"{error.path}: damaged; run the same command again to compute it", error.path) from error


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
            **_places(context.recordings.sessions),
        },
        layers=layers,
        splits=tuple(dict.fromkeys(label for x in context.evaluations.values() for label in x.labels)),
    )


def _places(sessions: Sequence[Session]) -> dict[str, tuple[Any, ...]]:
    """Return where units lie: ``x`` and ``y`` of the unit or else of its session, and what else recordings say."""
    names_there = {name for session in sessions for name in session.unit_coords}
    places: dict[str, tuple[Any, ...]] = {}
    for name in ("x", "y", *names.UNIT_COORDS):
        if name in ("x", "y") or name in names_there:
            blank = "" if name in ("region", "hemisphere") else None
            places[name] = tuple(
                _known(value)
                for session in sessions
                for value in session.unit_coords.get(name, (getattr(session, name, blank),) * len(session.channels))
            )
    return places


def _known(coordinate: Any) -> Any:
    return None if coordinate != coordinate else coordinate
