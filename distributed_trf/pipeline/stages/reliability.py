"""The assess stage: how repeatable the responses of each unit are, before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import log2
from typing import Any

import numpy as np

from distributed_trf import names
from distributed_trf.arrays import all_to_device, to_numpy
from distributed_trf.config.analyses import NormaliserBootstrapSettings
from distributed_trf.config.evaluation import EVALUATION
from distributed_trf.config.study import ReliabilitySettings, StudySettings
from distributed_trf.pipeline.costs import REPEATS, Cost, Operations, response_bytes
from distributed_trf.pipeline.items import Assess, ReadSession
from distributed_trf.pipeline.stages.read_recordings import SessionRead
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import (
    Files,
    Finding,
    Inputs,
    Job,
    Remarks,
    Upstream,
    WorkKind,
    left_out_if_none,
)
from distributed_trf.recordings.recording_set import stimulus_bins
from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.halves import OF_DRAWS, deal_repeats
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.reliability.resampling import bootstrap_normaliser
from distributed_trf.store.analyses import CELL_ATTR
from distributed_trf.store.fingerprint import library_versions
from distributed_trf.store.stored_recordings import BinnedResponses, load_responses
from distributed_trf.store.zarr_store import write_group

REVISION = 4
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""
RANKED = 8
"""Units whose draws are ranked at once; ranking needs ten times the memory of the draws and their null."""
AXES = ("percent_duration", "n_repeats")
"""What normalisers are drawn for, as the settings name it."""
SMALLER = "fewer `reliability.draws`"


@dataclass(frozen=True)
class Assessed(Finding):
    """The units of one session."""

    units: int = 0
    repeats: list[int] = field(default_factory=list)
    """Number of presentations of each stimulus that it is measured on."""
    absent: str | None = left_out_if_none()
    """Why there is no reliability."""
    files: Files = field(default_factory=dict)

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks(notes=[] if self.absent is None else [f"no reliability: {self.absent}"])


def reliability_settings(settings: ReliabilitySettings) -> Inputs:
    """Return what an assessment of units depends on apart from their responses."""
    return {"reliability": settings.model_dump(), "versions": [REVISION, library_versions("numpy", "scipy")]}


def assess_session(item: Assess, job: Job) -> Assessed:
    """Measure the reliability of all units of a session, and store it; NaN where stimuli were not repeated."""
    settings, store = job.study.reliability, job.store
    assert settings is not None
    found = load_responses(store, item.stimuli, item.bin_width, item.session)
    absent = _absent(found)
    n_units = found.train.shape[1]
    trials = [] if absent else all_to_device(list(found.repeated_trials.values()), job.device)
    key = (item.stimuli, item.session, item.bin_width)
    measures = {name: np.full(n_units, np.nan) for name in names.RELIABILITY}
    if not absent:
        measures |= assess(
            trials,
            draws=settings.draws,
            null_shift=settings.null_shift,
            shifts=settings.shifts,
            splits=settings.splits,
            seed=settings.seed,
            key=key,
            halves=deal_repeats(found.shared_repeats, settings.seed, (item.stimuli, item.session)),
        )
    dims: dict[str, tuple[str, ...]] = dict.fromkeys(measures, (names.UNIT,))
    if settings.bootstrap is not None:
        drawing = settings.bootstrap
        measures["normaliser_drawn"] = _bootstrap(trials, n_units, settings, drawing, key)
        dims["normaliser_drawn"] = (*AXES, "draw", names.UNIT)
        measures |= {axis: np.asarray(getattr(drawing, axis)) for axis in AXES}
        dims |= {axis: (axis,) for axis in AXES}
    labels = {names.STIMULI: item.stimuli, names.BIN_WIDTH: item.bin_width, "session": item.session}
    path = store.reliability(item.stimuli, item.bin_width, item.session)
    files = {store.name(path): write_group(path, measures, {CELL_ATTR: labels}, dims=dims)}
    repeats = [trial.shape[0] for trial in found.repeated_trials.values()]
    return Assessed(units=n_units, repeats=repeats, absent=absent or None, files=files)


def _absent(found: BinnedResponses) -> str:
    """Say why the reliability of units is unknown; nothing where it can be measured."""
    why = "so the repeatability of units is unknown; their correlations have no normaliser and no ceiling"
    if not found.repeated_trials:
        return f"no stimulus was presented twice, {why}"
    once = [i for i, trial in found.repeated_trials.items() if trial.shape[0] < 2]
    return f"test stimuli {', '.join(once)} were presented only once, {why}" if once else ""


def _bootstrap(
    trials: list[Any],
    n_units: int,
    settings: ReliabilitySettings,
    drawing: NormaliserBootstrapSettings,
    key: tuple[str, str, float],
) -> np.ndarray:
    """Return normalisers of drawn stimuli and repeats; NaN for more than there are. Shape (*AXES, draw, unit)."""
    shape = (len(drawing.percent_duration), len(drawing.n_repeats), drawing.draws, n_units)
    drawn = np.full(shape, np.nan)
    tables, fewest = PairTables.of(trials) if trials else None, min((trial.shape[0] for trial in trials), default=0)
    for p, percent in enumerate(drawing.percent_duration):
        for k, n_repeats in enumerate(drawing.n_repeats):
            if n_repeats <= fewest:
                assert tables is not None
                drawn[p, k] = to_numpy(
                    bootstrap_normaliser(
                        tables,
                        percent_duration=percent,
                        n_repeats=n_repeats,
                        draws=drawing.draws,
                        pairings=drawing.pairings,
                        seed=settings.seed,
                        key=key,
                    )
                )
    return drawn


def _items(scope: ItemSource) -> Iterator[Assess]:
    for stimuli in scope.study.stimuli if scope.study.reliability is not None else ():
        for bin_width in scope.study.bin_widths:
            for session in scope.sessions_of(stimuli):
                yield Assess(stimuli, bin_width, session)


def _inputs(item: Assess, upstream: Upstream) -> Inputs:
    counts = SessionRead.of(upstream.require(ReadSession(item.stimuli, item.session)))
    return {"responses": counts.digests[f"{item.bin_width:g}"], **_settings(item, upstream.context.study)}


def _settings(item: Assess, study: StudySettings) -> Inputs:
    assert study.reliability is not None
    which = {} if study.test.fixed else {EVALUATION: "all repeated stimuli"}
    return {**reliability_settings(study.reliability), **which}


def _cost(context: Context, item: Assess, device: str) -> Cost:
    settings = context.study.reliability
    assert settings is not None
    session = context.session(item.session)
    repeated = context.repeated(item.stimuli, session)
    units, draws = len(session.channels), settings.draws if repeated else 0
    bins = sum(stimulus_bins(s.duration, item.bin_width) for s in repeated)
    # First the choices of each draw. Then the draws and their null, together with the larger of two: the ranking of
    # some units, or both halves of each split of the repeats, centred, and their products.
    ranking, splitting = 20 * draws * min(units, RANKED), 7 * settings.splits * bins * units
    values = max(5 * draws * len(repeated), 2 * draws * (len(repeated) + units) + max(ranking, splitting))
    # Products of the shifted draws and of the repeats in the test for tuning, of the first half of them too; ranking.
    products = 2.0 * bins * units * (draws * (1 + 2 / OF_DRAWS) + 1.5 * REPEATS * settings.shifts)
    flops = products + 20.0 * draws * units * log2(2 * settings.draws)
    return Cost(
        read=response_bytes(context, item.stimuli, item.bin_width, [session]),
        written=8 * len(names.RELIABILITY) * units,
        files=2 + 2 * len(names.RELIABILITY),
        host=8 * values,
        operations=Operations(transform=flops),
    )


ASSESSMENTS = WorkKind(
    item=Assess,
    finding=Assessed,
    items=_items,
    inputs=_inputs,
    outputs=lambda item, context: iter([context.store.reliability(item.stimuli, item.bin_width, item.session)]),
    cost=_cost,
    run=assess_session,
    settings=_settings,
    loads=lambda item, context: ("scipy.stats",),
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
)
