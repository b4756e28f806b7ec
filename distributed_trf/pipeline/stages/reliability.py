"""The assess stage: what the repeatability of each unit allows, before anything is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.arrays import all_to_device, to_numpy
from distributed_trf.config.analyses import NormaliserBootstrapSettings
from distributed_trf.config.study import ReliabilitySettings, StudySettings
from distributed_trf.errors import RecordingError
from distributed_trf.pipeline.items import Assess
from distributed_trf.pipeline.stages.read_recordings import load_counts
from distributed_trf.recordings.binning import Counts
from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.reliability.resampling import bootstrap_normaliser
from distributed_trf.store.analyses import write_analysis
from distributed_trf.store.study_store import StudyStore

REVISION = 3
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def assess_session(item: Assess, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    """Measure the reliability of all units of a session, and store it.

    Raises
    ------
    RecordingError
        If a test stimulus was presented only once.
    """
    settings = study.reliability
    assert settings is not None
    counts = load_counts(store, item.stimuli, item.bin_width, item.session)
    once = [i for i, n in zip(counts.test_ids, counts.repeats, strict=True) if n < 2]
    if once:
        raise RecordingError(
            f"session {item.session}: test stimuli {', '.join(once)} were presented once only, so nothing tells how "
            "well its units repeat themselves; its correlations stay without a normaliser"
        )
    trials = all_to_device(list(counts.test_trials.values()), device)
    key = (item.stimuli, item.session, item.bin_width)
    found = assess(
        trials,
        draws=settings.draws,
        null_shift=settings.null_shift,
        shifts=settings.shifts,
        splits=settings.splits,
        seed=settings.seed,
        key=key,
    )
    ds = xr.Dataset({name: (names.UNIT, values) for name, values in found.items()})
    if settings.bootstrap is not None:
        ds = ds.merge(_bootstrap(trials, counts, settings, settings.bootstrap, key))
    place = {names.STIMULI: item.stimuli, names.BIN_WIDTH: item.bin_width, "session": item.session}
    path = store.reliability(item.stimuli, item.bin_width, item.session)
    files = {store.name(path): write_analysis(path, ds, place)}
    return {"units": counts.test.shape[1], "repeats": counts.repeats, "files": files}


def _bootstrap(
    trials: list[Any],
    counts: Counts,
    settings: ReliabilitySettings,
    asked: NormaliserBootstrapSettings,
    key: tuple[str, str, float],
) -> xr.Dataset:
    """Normalisers of drawn stimuli and repeats; NaN for more repeats than the session has."""
    tables = PairTables.of(trials)
    shape = (len(asked.percent_duration), len(asked.n_repeats), asked.draws, counts.test.shape[1])
    drawn = np.full(shape, np.nan)
    for p, percent in enumerate(asked.percent_duration):
        for k, n_repeats in enumerate(asked.n_repeats):
            if n_repeats <= min(counts.repeats):
                drawn[p, k] = to_numpy(
                    bootstrap_normaliser(
                        tables,
                        percent_duration=percent,
                        n_repeats=n_repeats,
                        draws=asked.draws,
                        pairings=asked.pairings,
                        seed=settings.seed,
                        key=key,
                    )
                )
    dims = ("percent_duration", "n_repeats", "draw", names.UNIT)
    coords = {"percent_duration": asked.percent_duration, "n_repeats": asked.n_repeats}
    return xr.Dataset({"normaliser_drawn": (dims, drawn)}, coords=coords)
