"""What the driver makes before workers write into it: the arrays of features and the grid of results."""

from __future__ import annotations

import shutil
from collections.abc import Container, Sequence

import numpy as np

from distributed_trf import names
from distributed_trf.errors import DamagedError
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.expected import Expectations
from distributed_trf.pipeline.items import ASSESS, EXTRACT, FIT, Assess, Extract, Fit, Item, ReadSounds
from distributed_trf.pipeline.manifest import provenance
from distributed_trf.pipeline.stages.extract import feature_layout
from distributed_trf.pipeline.survey import items
from distributed_trf.store.claims import claim
from distributed_trf.store.features import create_features, has_layout
from distributed_trf.store.receipts import read_receipt, revoke_receipt
from distributed_trf.store.results import (
    Grid,
    Place,
    describe_results,
    empty_fit,
    filled_places,
    has_grid,
    lay_results,
    session_units,
    write_reliability,
)
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_arrays import member, open_group, read


def lay_feature_arrays(context: Context) -> None:
    """Make the arrays that extractions write into, where they are missing or laid out otherwise.

    Receipts of extractions into an array that is made anew are taken back first.
    """
    store = context.store
    for stimuli in context.study.stimuli:
        sounds = read_receipt(store, ReadSounds.stage, ReadSounds(stimuli).key)
        if sounds is None:
            continue
        durations = [s.duration for s in context.stimuli[stimuli]]
        for network in context.study.networks:
            table, layers = context.tables[network.name], context.layers(network)
            batches = context.batches(stimuli)
            for weights in context.weights(network):
                layout = feature_layout(context.study, table, weights, layers, sounds.details, durations, batches)
                path = store.features(stimuli, network.name, weights)
                if not has_layout(path, layout):
                    for batch in range(len(batches)):
                        revoke_receipt(store, EXTRACT, Extract(stimuli, network.name, weights, batch).key)
                    create_features(path, layout)


def lay_result_grid(context: Context, done: Sequence[Item]) -> bool:
    """Make the grid that fits write into, and empty it of fits that are not in ``done``.

    Receipts of all other fits are taken back first, those of fits that the study no longer asks for too: their results
    go, and asked for again they must be fitted again. Fits that an element of a job array is at, or has done since, are
    left alone.

    Returns
    -------
    bool
        Whether fits in ``done`` turned out to be damaged, which are not done any more then.
    """
    store, grid = context.store, result_grid(context)
    lost = False
    if has_grid(store.results, grid):
        describe_results(store.results, provenance(context.study))
    else:
        lost = lay_anew(context, done)
    _empty_others(context, grid, {item.key for item in done})
    return lost


def lay_anew(context: Context, done: Sequence[Item]) -> bool:
    """Make the grid in place of the one that is there, and keep the fits in ``done``; whether any of them is damaged.

    Receipts of those that are not kept are taken back first.
    """
    store = context.store
    kept = {item.place: item for item in done if isinstance(item, Fit)}
    damaged = []

    def lose(place: Place) -> None:
        damaged.append(place)
        revoke_receipt(store, FIT, kept[place].key)

    valid = {item.key for item in kept.values()}
    for receipt in store.receipts.glob(f"{FIT}/*.json"):
        if receipt.stem not in valid:
            revoke_receipt(store, FIT, receipt.stem)
    lay_results(store.results, result_grid(context), kept, provenance(context.study), lose=lose)
    return bool(damaged)


def _empty_others(context: Context, grid: Grid, done: Container[str]) -> None:
    """Take back all fits but those of some keys, and what they left; not those that are being done or were just now."""
    store, models, expectations = context.store, context.store.all_models(), Expectations(context)
    asked = {item.key: item for item in items(context, FIT)}
    others: dict[str, Place | None] = {receipt.stem: None for receipt in store.receipts.glob(f"{FIT}/*.json")}
    others |= {Fit(*place).key: place for place in (*filled_places(store.results, grid), *models)}
    for key, place in others.items():
        if key in done:
            continue
        with claim(store, FIT, key) as claimed:
            if claimed.file is None or (key in asked and expectations.receipt(asked[key]) is not None):
                continue
            revoke_receipt(store, FIT, key)
            if place is not None:
                empty_fit(store.results, grid, place)
            if place in models:
                shutil.rmtree(models[place])


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
        group = open_group(store.reliability(item.stimuli, item.bin_width, item.session))
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
