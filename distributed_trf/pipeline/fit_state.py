"""What a reader of a study's results must know about its fits: how many are done, and why the others are not.

Recordings are not needed: all information is in the study's folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from distributed_trf import names
from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.folder_status import FolderStatus, missing_reason
from distributed_trf.pipeline.items import ANALYSE, ASSESS, FIT, Fit
from distributed_trf.pipeline.provenance import study_of
from distributed_trf.pipeline.run_record import latest_provenance, past_runs
from distributed_trf.pipeline.status import DAMAGED_RECEIPT, Planned, State
from distributed_trf.store.result_grid import Cell
from distributed_trf.store.results import requested_grid, session_units
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, open_group

LIKELY = (
    "likely, spikes are on another clock than the trials or in other units of time (milliseconds or samples, not "
    "seconds), or sessions have no trial of this stimulus set; see dtrf recordings"
)


@dataclass(frozen=True)
class FitState:
    """The status of a study's fits."""

    total: int
    """Fits in the study."""
    done: int
    """Fits with the settings of the study."""
    other_settings: Mapping[str, int] = field(default_factory=dict)
    """Number of fits with other settings, by what is changed."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Number of failed fits, by message."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """Number of missing fits, by what they wait for."""
    without_numbers: Mapping[tuple[str, float], int] = field(default_factory=dict)
    """Number of done fits, by stimulus set and bin width, where no unit has a test correlation in any fit."""
    silent: Mapping[tuple[str, float], tuple[int, int]] = field(default_factory=dict)
    """For these, the number of units that never fire in a trial, and of all units."""
    other_analyses: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Number of other items with other settings, and of all that are done, by what they are."""
    outside_study: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Labels that the results show but the study does not include, by dimension."""

    @property
    def was_done(self) -> bool:
        """Whether any fit is done, with these settings or others."""
        return bool(self.done or self.other_settings)

    def lines(self) -> Iterator[str]:
        """Yield what a reader of the results must know, line by line."""
        if self.other_settings:
            yield (
                f"{self._count(self.other_settings)} have other settings than the study; their earlier results are "
                f"shown: run the study again ({_reasons(self.other_settings)})"
            )
        if self.failed:
            yield f"{self._count(self.failed)} failed: {_reasons(self.failed)}"
        if self.missing:
            yield f"{self._count(self.missing)} are missing: {_reasons(self.missing)}"
        for what, (n, total) in self.other_analyses.items():
            yield f"{n} of {total} {what} have other settings than the study; their earlier results are shown"
        for (stimuli, bin_width), n in self.without_numbers.items():
            never, units = self.silent[stimuli, bin_width]
            yield (
                f"{stimuli}, {bin_width:g} ms bins: {n} fits are done, and no unit has a test correlation; {never} of "
                f"{units} units never fire in a trial: {LIKELY}"
            )
        for dim, labels in self.outside_study.items():
            yield (
                f"{dim} {', '.join(labels)}: earlier results are shown, though the study no longer includes them; run "
                "it to leave them out"
            )

    def _count(self, some: Mapping[str, int]) -> str:
        return f"{sum(some.values())} of {self.total} fits"


def fit_state(store: StudyStore, study: StudySettings | None = None) -> FitState | None:
    """Return the status of a study's fits.

    Parameters
    ----------
    store
        The study's folder.
    study
        Settings of the study; by default those in the results or in the newest run.

    Returns
    -------
    FitState or None
        None if no settings are known, as for imported results.
    """
    runs = past_runs(store)
    result_attrs = attributes(open_group(store.results)) if store.results.is_dir() else None
    study = study or study_of(latest_provenance(result_attrs, runs))
    return None if study is None else fits_of(FolderStatus(store, study, runs))


def fits_of(status: FolderStatus) -> FitState:
    """Summarise the status of a study's fits."""
    store, fits = status.store, status.of(FIT)
    reasons: dict[State, Counter[str]] = {state: Counter() for state in (State.STALE, State.FAILED, State.PENDING)}
    made, blank = Counter[tuple[str, float]](), Counter[tuple[str, float]]()
    for p in fits:
        assert isinstance(p.item, Fit)
        if p.state is State.DONE or _has_other_settings(p):
            made[p.item.stimuli, p.item.bin_width] += 1
            blank[p.item.stimuli, p.item.bin_width] += p.median_r is None
        if _has_other_settings(p) or p.state is State.FAILED:
            reasons[p.state][p.reason] += 1
        elif p.state is not State.DONE:
            reasons[State.PENDING][missing_reason(p)] += 1
    without = {key: n for key, n in blank.items() if n and n == made[key]}
    return FitState(
        total=len(fits),
        done=sum(p.state is State.DONE for p in fits),
        other_settings=reasons[State.STALE],
        failed=reasons[State.FAILED],
        missing=reasons[State.PENDING],
        without_numbers=without,
        silent={key: _silent(store, *key) for key in without},
        other_analyses=_other_analyses(status),
        outside_study=_outside_study(store, [p.item.cell for p in fits if isinstance(p.item, Fit)]),
    )


def _has_other_settings(planned: Planned) -> bool:
    return planned.state is State.STALE and planned.reason != DAMAGED_RECEIPT


def _other_analyses(status: FolderStatus) -> dict[str, tuple[int, int]]:
    """Count assessments and analyses with other settings, and all of them that are done."""
    if not status.store.results.is_dir():
        return {}
    counts = {}
    for what, stage in (("assessments of sessions", ASSESS), ("analyses", ANALYSE)):
        others = sum(map(_has_other_settings, status.of(stage)))
        if others:
            counts[what] = (others, others + sum(p.state is State.DONE for p in status.of(stage)))
    return counts


def _silent(store: StudyStore, stimuli: str, bin_width: float) -> tuple[int, int]:
    """Count the units that never fire in any trial, and all units."""
    never = units = 0
    for session in session_units(store.results):
        if store.responses(stimuli, bin_width, session).is_dir():
            counts = load_responses(store, stimuli, bin_width, session)
            fires = np.any(counts.train, axis=0) | np.any(counts.test, axis=0)
            never, units = never + int((~fires).sum()), units + fires.size
    return never, units


def _outside_study(store: StudyStore, fits: list[Cell]) -> dict[str, tuple[str, ...]]:
    """Return the labels that the results show and no fit of the study has."""
    if not store.results.is_dir():
        return {}
    axes, included = requested_grid(store.results).axes, [{cell[k] for cell in fits} for k in range(len(names.GRID))]
    outside = {
        dim: tuple(str(label) for label in axes[dim] if label not in labels)
        for dim, labels in zip(names.GRID, included, strict=True)
    }
    return {dim: labels for dim, labels in outside.items() if labels}


def _reasons(counted: Mapping[str, int]) -> str:
    """Return the most frequent reason, and the number of other reasons."""
    first = max(counted, key=lambda reason: counted[reason])
    others = len(counted) - 1
    return f"{first}{f' (and {others} other reasons)' if others > 1 else ' (and another reason)' if others else ''}"
