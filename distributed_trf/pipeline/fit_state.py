"""What a reader of a study's results must know of its fits: how many are done, and why the others are not.

No recordings are needed: all is in the study's folder.
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
from distributed_trf.store.stored_recordings import load_counts
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, open_group

LIKELY = (
    "likely, spikes are on another clock than the trials or in other units of time (milliseconds or samples, not "
    "seconds), or sessions have no trial of this stimulus set; see dtrf recordings"
)


@dataclass(frozen=True)
class FitState:
    """The status of a study's fits."""

    asked: int
    done: int
    """With the settings of the study."""
    other_settings: Mapping[str, int] = field(default_factory=dict)
    """Number of fits of other settings, by what is changed."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """By message."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """By what they wait for."""
    without_numbers: Mapping[tuple[str, float], int] = field(default_factory=dict)
    """Fits that are done, by stimulus set and bin width where no unit has a test correlation in any of them."""
    silent: Mapping[tuple[str, float], tuple[int, int]] = field(default_factory=dict)
    """Of those, the number of units that never fire in a trial, and of all."""
    other_analyses: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """What else is of other settings: how many of them, of how many that are done."""
    not_asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Labels that the results show and the study does not ask for, by dimension."""

    @property
    def was_done(self) -> bool:
        """Whether any fit is done, be it with other settings."""
        return bool(self.done or self.other_settings)

    def lines(self) -> Iterator[str]:
        """Say what a reader of the results must know, a line for each."""
        if self.other_settings:
            yield (
                f"{self._of(self.other_settings)} are of other settings than the study's; they are shown as they were: "
                f"run the study again ({_reasons(self.other_settings)})"
            )
        if self.failed:
            yield f"{self._of(self.failed)} failed: {_reasons(self.failed)}"
        if self.missing:
            yield f"{self._of(self.missing)} are missing: {_reasons(self.missing)}"
        for what, (n, of) in self.other_analyses.items():
            yield f"{n} of {of} {what} are of other settings than the study's; they are shown as they were"
        for (stimuli, bin_width), n in self.without_numbers.items():
            never, units = self.silent[stimuli, bin_width]
            yield (
                f"{stimuli}, {bin_width:g} ms bins: {n} fits are done, and no unit has a test correlation; {never} of "
                f"{units} units never fire in a trial: {LIKELY}"
            )
        for dim, labels in self.not_asked.items():
            yield (
                f"{dim} {', '.join(labels)}: shown as they were, though the study does not ask for them any more; run "
                "it to leave them out"
            )

    def _of(self, some: Mapping[str, int]) -> str:
        return f"{sum(some.values())} of {self.asked} fits"


def fit_state(store: StudyStore, study: StudySettings | None = None) -> FitState | None:
    """Return the status of a study's fits.

    Parameters
    ----------
    store
        The study's folder.
    study
        What is asked for; by default what the results or the newest run say.

    Returns
    -------
    FitState or None
        None where nothing says what is asked for, as of imported results.
    """
    runs = past_runs(store)
    of_results = attributes(open_group(store.results)) if store.results.is_dir() else None
    study = study or study_of(latest_provenance(of_results, runs))
    return None if study is None else fits_of(FolderStatus(store, study, runs))


def fits_of(status: FolderStatus) -> FitState:
    """Summarise the status of a study's fits."""
    store, fits = status.store, status.of(FIT)
    reasons: dict[State, Counter[str]] = {state: Counter() for state in (State.STALE, State.FAILED, State.PENDING)}
    made, blank = Counter[tuple[str, float]](), Counter[tuple[str, float]]()
    for p in fits:
        assert isinstance(p.item, Fit)
        if p.state is State.DONE or _is_of_other_settings(p):
            made[p.item.stimuli, p.item.bin_width] += 1
            blank[p.item.stimuli, p.item.bin_width] += p.median_r is None
        if _is_of_other_settings(p) or p.state is State.FAILED:
            reasons[p.state][p.reason] += 1
        elif p.state is not State.DONE:
            reasons[State.PENDING][missing_reason(p)] += 1
    without = {of: n for of, n in blank.items() if n and n == made[of]}
    return FitState(
        asked=len(fits),
        done=sum(p.state is State.DONE for p in fits),
        other_settings=reasons[State.STALE],
        failed=reasons[State.FAILED],
        missing=reasons[State.PENDING],
        without_numbers=without,
        silent={of: _silent(store, *of) for of in without},
        other_analyses=_other_analyses(status),
        not_asked=_not_asked(store, [p.item.cell for p in fits if isinstance(p.item, Fit)]),
    )


def _is_of_other_settings(planned: Planned) -> bool:
    return planned.state is State.STALE and planned.reason != DAMAGED_RECEIPT


def _other_analyses(status: FolderStatus) -> dict[str, tuple[int, int]]:
    """Count what is of other settings beside the grid of fits, and all that is done of the same kind."""
    if not status.store.results.is_dir():
        return {}
    found = {}
    for what, stage in (("assessments of sessions", ASSESS), ("analyses", ANALYSE)):
        others = sum(map(_is_of_other_settings, status.of(stage)))
        if others:
            found[what] = (others, others + sum(p.state is State.DONE for p in status.of(stage)))
    return found


def _silent(store: StudyStore, stimuli: str, bin_width: float) -> tuple[int, int]:
    """Count the units that never fire in any trial, and all units."""
    never = units = 0
    for session in session_units(store.results):
        if store.counts(stimuli, bin_width, session).is_dir():
            counts = load_counts(store, stimuli, bin_width, session)
            fires = np.any(counts.train, axis=0) | np.any(counts.test, axis=0)
            never, units = never + int((~fires).sum()), units + fires.size
    return never, units


def _not_asked(store: StudyStore, fits: list[Cell]) -> dict[str, tuple[str, ...]]:
    """Return the labels that the results show and no fit has."""
    if not store.results.is_dir():
        return {}
    axes, asked = requested_grid(store.results).axes, [{place[k] for place in fits} for k in range(len(names.GRID))]
    found = {
        dim: tuple(str(label) for label in axes[dim] if label not in labels)
        for dim, labels in zip(names.GRID, asked, strict=True)
    }
    return {dim: labels for dim, labels in found.items() if labels}


def _reasons(counted: Mapping[str, int]) -> str:
    """Tell the most frequent reason, and how many others there are."""
    first = max(counted, key=lambda reason: counted[reason])
    others = len(counted) - 1
    return f"{first}{f' (and {others} other reasons)' if others > 1 else ' (and another reason)' if others else ''}"
