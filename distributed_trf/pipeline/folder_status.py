"""The status of work items from the study's folder alone: recordings and weights of networks are not needed.

The current settings, and the table of stimuli that they name, are compared with receipts; recordings and weights count
as unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from distributed_trf.config.evaluation import EVALUATION
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.pipeline.dependencies import Expected, Fingerprint
from distributed_trf.pipeline.evaluation import TABLE, Evaluation
from distributed_trf.pipeline.items import STAGES, Extract, Fit, Item, ReadSession, ReadSounds
from distributed_trf.pipeline.run_record import PastRun
from distributed_trf.pipeline.stages.fit import training_setting
from distributed_trf.pipeline.stages.read_recordings import SoundsRead
from distributed_trf.pipeline.status import Planned, State, statuses
from distributed_trf.pipeline.study_scope import FolderScope
from distributed_trf.pipeline.work import items, kind_of
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.store.fingerprint import fingerprint
from distributed_trf.store.item_locks import holders
from distributed_trf.store.receipts import read_failure
from distributed_trf.store.study_store import StudyStore

NOT_BEGUN = "not begun"


@dataclass(frozen=True)
class StageStatus:
    """The items of one stage."""

    stage: str
    done: int
    """With these settings or others: a result of other settings is shown until a run replaces it."""
    failed: Mapping[str, str]
    """Why, by key."""
    missing: Mapping[str, str] | None
    """What every other item waits for, by key; None if no run left a list of items."""


class FolderStatus:
    """The status of a study's items; each stage is surveyed when it is first requested.

    Parameters
    ----------
    store, study
        The study's folder and settings.
    runs
        What ``past_runs`` returns.

    Raises
    ------
    ConfigError
        If a network has no table, neither in this version nor in the folder.
    """

    def __init__(self, store: StudyStore, study: StudySettings, runs: Sequence[PastRun]) -> None:
        self.store = store
        self.scope = FolderScope.open(store, study, runs)
        self.study = self.scope.study
        self._expected = _RecordedInputs(self.scope, runs[-1].report.blocked if runs else {})
        self._planned: dict[str, list[Planned]] = {}

    @cached_property
    def _running(self) -> Mapping[tuple[str, str], Any]:
        return holders(self.store)

    def of(self, stage: str) -> list[Planned]:
        """Return every item of a stage with its status."""
        if stage not in self._planned:
            by_receipts = statuses(self.store, items(self.scope, stage), self._expected)
            self._planned[stage] = [planned.with_running(self._running) for planned in by_receipts]
        return self._planned[stage]


def stage_statuses(store: StudyStore, status: FolderStatus | None) -> list[StageStatus]:
    """Count what is done, failed and missing, stage by stage; stages without items are left out.

    Without a list of items, receipts and failures are counted.
    """
    listed = status if status is not None and status.scope.is_whole else None
    counts = [_count_files(store, stage) if listed is None else _count(stage, listed.of(stage)) for stage in STAGES]
    return [s for s in counts if s.done or s.failed or s.missing]


def _count(stage: str, planned: Iterable[Planned]) -> StageStatus:
    done, failed, missing = 0, dict[str, str](), dict[str, str]()
    for p in planned:
        if p.state in (State.DONE, State.STALE):
            done += 1
        elif p.state is State.FAILED:
            failed[p.item.key] = p.reason
        else:
            missing[p.item.key] = missing_reason(p)
    return StageStatus(stage, done, failed, missing)


def missing_reason(planned: Planned) -> str:
    """Say what an item waits for that is neither done nor failed."""
    if planned.state is State.RUNNING:
        return f"{State.RUNNING}: {planned.reason}"
    return planned.reason or NOT_BEGUN


def _count_files(store: StudyStore, stage: str) -> StageStatus:
    done = {path.stem for path in (store.receipts / stage).glob("*.json")}
    failed = {}
    for path in sorted((store.failures / stage).glob("*.json")):
        failure = read_failure(store, stage, path.stem)
        failed[path.stem] = "" if failure is None else failure.message
    return StageStatus(stage, len(done), failed, None)


class _RecordedInputs(Expected):
    """Fingerprints by the settings of the study as they are now, and by inputs as they were when an item was done.

    Parameters
    ----------
    scope
        The study and its items.
    blocked
        What items waited for at the end of the latest run, by stage and key.
    """

    def __init__(self, scope: FolderScope, blocked: Mapping[str, str]) -> None:
        super().__init__(scope.store)
        self._scope, self._study, self._blocked = scope, scope.study, blocked
        self._changed: dict[tuple[str, ...], Fingerprint] = {}
        self._tables: dict[str, Fingerprint] = {}

    def of(self, item: Item) -> Fingerprint:
        """Return the fingerprint of an item as it was done, with the settings as they are now; see ``Expected``."""
        failure, receipt = read_failure(self._store, item.stage, item.key), self.stored(item)
        if failure is not None:  # whatever its settings: the next run tries the item again
            return failure.fingerprint
        if receipt is not None:
            # A fixed test set leaves no trace in a fingerprint, so that of a receipt with another scheme must not stay.
            done = {name: digest for name, digest in receipt.fingerprint.items() if name != EVALUATION}
            return (
                done | self._settings(item) | self._table(item.stimuli)
                if TABLE in done
                else done | self._settings(item)
            )
        waits = self._blocked.get(f"{item.stage} {item.key}")
        if waits is not None:
            raise Waiting(waits)
        return {}

    def _settings(self, item: Item) -> Fingerprint:
        """Return what an item depends on in the settings of its study."""
        settings = fingerprint(kind_of(item).settings(item, self._study))
        return settings | self._upstream(item) if isinstance(item, Fit) else settings

    def _table(self, stimuli: str) -> Fingerprint:
        """Return what is tested by the table that the study names; one that is gone or does not fit is unchanged."""
        if stimuli not in self._tables:
            self._tables[stimuli] = {}
            sounds = self.stored(ReadSounds(stimuli))
            with suppress(ConfigError, RecordingError, OSError):
                ids = [] if sounds is None else SoundsRead.of(sounds).ids
                self._tables[stimuli] = fingerprint(Evaluation.of(self._study, stimuli, ids, ids).table_inputs)
        return self._tables[stimuli]

    def _upstream(self, item: Fit) -> Fingerprint:
        """Return the settings that differ in the features and responses of a fit, and how it trains."""
        network = (item.stimuli, item.network, item.weights)
        if network not in self._changed:
            self._changed[network] = self._differing([Extract(*network, 0)])
        if (item.stimuli,) not in self._changed:
            read = [ReadSession(item.stimuli, session) for session in self._scope.sessions_of(item.stimuli)]
            training = training_setting(self._study, map(self.stored, read))
            self._changed[item.stimuli,] = self._differing(read) | fingerprint({"training": training})
        return self._changed[network] | self._changed[item.stimuli,]

    def _differing(self, items: Iterable[Item]) -> Fingerprint:
        changed: Fingerprint = {}
        for item in items:
            receipt = self.stored(item)
            if receipt is not None:
                settings = self._settings(item)
                known = receipt.fingerprint
                changed |= {name: digest for name, digest in settings.items() if known.get(name) != digest}
        return changed
