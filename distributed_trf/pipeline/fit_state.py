"""How many of the fits that a study asks for are done, and why the others are not, as its folder tells.

No recordings are needed. Settings that a fit and what it was made of depend on are held against its receipts; whether
recordings or weights of networks have changed since is for ``survey`` to find out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from pydantic import ValidationError

from distributed_trf import names
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.features.network_table import NetworkTable, chosen_layers, chosen_weights, load_table
from distributed_trf.pipeline.items import ANALYSE, ASSESS, EXTRACT, FIT, READ, Assess, Extract, Fit, ReadSession
from distributed_trf.pipeline.run_record import PastRun, past_runs, run_settings
from distributed_trf.pipeline.stages import fit
from distributed_trf.pipeline.stages.extract import extraction_settings
from distributed_trf.pipeline.stages.fit import Fitted, fit_settings, training_setting
from distributed_trf.pipeline.stages.read_recordings import session_settings
from distributed_trf.pipeline.stages.reliability import reliability_settings
from distributed_trf.pipeline.status import NOT_BEGUN, waiting_items
from distributed_trf.store.counts import load_counts
from distributed_trf.store.fingerprint import fingerprint
from distributed_trf.store.receipts import Receipt, read_failure, read_receipt
from distributed_trf.store.results import ANALYSES_ATTR, asked_grid, session_units
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, open_group

LIKELY = (
    "likely, spikes are on another clock than the trials or in other units of time (milliseconds or samples, not "
    "seconds), or sessions have no trial of this stimulus set; see dtrf recordings"
)


@dataclass(frozen=True)
class FitState:
    """Where the fits of a study stand."""

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
    """Find out where the fits of a study stand.

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
    study = study or _newest(store, runs)
    if study is None:
        return None
    fits = list(_fits(store, study, runs))
    waits = waiting_items(store, runs[-1] if runs else None)
    expected = _Expected(store, study)
    found: dict[str, Counter[str]] = {"other": Counter(), "failed": Counter(), "missing": Counter()}
    done, blank, known = 0, Counter[tuple[str, float]](), Counter[tuple[str, float]]()
    for item in fits:
        receipt, failure = read_receipt(store, FIT, item.key), read_failure(store, FIT, item.key)
        changed = expected.changed(item, receipt) if receipt is not None else []
        if receipt is not None:
            known[item.stimuli, item.bin_width] += 1
            blank[item.stimuli, item.bin_width] += Fitted.of(receipt).median_r is None
        if failure is not None and (receipt is None or changed):
            found["failed"][failure.message] += 1
        elif receipt is None:
            found["missing"][waits.get(f"{FIT} {item.key}", NOT_BEGUN)] += 1
        elif changed:
            found["other"][f"changed: {', '.join(changed)}"] += 1
        else:
            done += 1
    without = {place: n for place, n in blank.items() if n and n == known[place]}
    return FitState(
        asked=len(fits),
        done=done,
        other_settings=found["other"],
        failed=found["failed"],
        missing=found["missing"],
        without_numbers=without,
        silent={place: _silent(store, *place) for place in without},
        other_analyses=expected.other_analyses(),
        not_asked=_not_asked(store, fits),
    )


class _Expected:
    """What receipts must say of settings."""

    def __init__(self, store: StudyStore, study: StudySettings) -> None:
        self._store, self._study = store, study
        self._upstream: dict[tuple[str, ...], list[str]] = {}
        self._training: dict[str, str] = {}

    def changed(self, item: Fit, receipt: Receipt) -> list[str]:
        """Name the settings of a fit, of its features and of its responses that are not those of the study."""
        own = fingerprint(fit_settings(self._study, item.bin_width, fit.REVISION))
        features = (item.stimuli, item.network, item.weights)
        if features not in self._upstream:
            first = Extract(*features, 0).key
            self._upstream[features] = self._differ(EXTRACT, first, extraction_settings(self._study, 0))
        if (item.stimuli,) not in self._upstream:
            sessions = session_units(self._store.results) if self._store.results.is_dir() else {}
            read = [ReadSession(item.stimuli, session).key for session in sessions]
            expected = session_settings(self._study)
            self._upstream[item.stimuli,] = sorted({n for key in read for n in self._differ(READ, key, expected)})
            self._training[item.stimuli] = training_setting(
                self._study, (read_receipt(self._store, READ, key) for key in read)
            )
        own |= fingerprint({"training": self._training[item.stimuli]})
        mine = [name for name, digest in own.items() if receipt.fingerprint.get(name) != digest]
        return [*mine, *self._upstream[features], *self._upstream[item.stimuli,]]

    def other_analyses(self) -> dict[str, tuple[int, int]]:
        """Count what is of other settings beside the grid of fits."""
        store, study = self._store, self._study
        if not store.results.is_dir():
            return {}
        assessed, analysed = [], []
        if study.reliability is not None:
            settings = reliability_settings(study.reliability)
            for stimuli, width, session in product(study.stimuli, study.bin_widths, session_units(store.results)):
                key = Assess(stimuli, width, session).key
                if read_receipt(store, ASSESS, key) is not None:
                    assessed.append(bool(self._differ(ASSESS, key, settings)))
        settings = {"lags": study.lags.model_dump(), "ridge": study.ridge.model_dump(exclude={"unit_block"})}
        for key in attributes(open_group(store.results)).get(ANALYSES_ATTR, ()):
            if read_receipt(store, ANALYSE, key) is not None:
                analysed.append(bool(self._differ(ANALYSE, key, settings)))
        found = {"assessments of sessions": assessed, "analyses": analysed}
        return {what: (sum(differ), len(differ)) for what, differ in found.items() if any(differ)}

    def _differ(self, stage: str, key: str, settings: Mapping[str, Any]) -> list[str]:
        receipt = read_receipt(self._store, stage, key)
        if receipt is None:
            return []
        return [name for name, digest in fingerprint(settings).items() if receipt.fingerprint.get(name) != digest]


def _newest(store: StudyStore, runs: list[PastRun]) -> StudySettings | None:
    """Return what the results say of their study, or the newest run if that is newer."""
    said: list[Mapping[str, Any]] = []
    if store.results.is_dir():
        said.append(attributes(open_group(store.results)))
    if runs:
        said.append({**runs[-1].manifest, "written": runs[-1].manifest.get("updated", "")})
    known = [attrs for attrs in said if isinstance(attrs.get("study"), dict)]
    newest = max(known, key=lambda attrs: str(attrs.get("written", "")), default=None)
    try:
        return None if newest is None else StudySettings.model_validate(newest["study"])
    except ValidationError:
        return None


def _fits(store: StudyStore, study: StudySettings, runs: list[PastRun]) -> Iterator[Fit]:
    """List the fits of a study, by network tables as they are now, or else as a run remembers them."""
    remembered: dict[str, NetworkTable] = {}
    for run in runs:
        try:
            remembered |= run_settings(store.runs / run.name).tables
        except (StoreError, ValidationError):
            continue
    for stimuli in study.stimuli:
        for network in study.networks:
            try:
                table = load_table(network.name)
            except ConfigError:
                if network.name not in remembered:
                    raise
                table = remembered[network.name]
            for weights in chosen_weights(table, network):
                for layer in chosen_layers(table, network):
                    for bin_width in study.bin_widths:
                        yield Fit(stimuli, network.name, weights, layer.id, bin_width)


def _silent(store: StudyStore, stimuli: str, bin_width: float) -> tuple[int, int]:
    """Count the units that never fire in any trial, and all units."""
    never = units = 0
    for session in session_units(store.results):
        if store.counts(stimuli, bin_width, session).is_dir():
            counts = load_counts(store, stimuli, bin_width, session)
            fires = np.any(counts.train, axis=0) | np.any(counts.test, axis=0)
            never, units = never + int((~fires).sum()), units + fires.size
    return never, units


def _not_asked(store: StudyStore, fits: list[Fit]) -> dict[str, tuple[str, ...]]:
    """Return the labels that the results show and no fit has."""
    if not store.results.is_dir():
        return {}
    axes, asked = asked_grid(store.results).axes, [{item.place[k] for item in fits} for k in range(len(names.GRID))]
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
