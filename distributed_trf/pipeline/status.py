"""Where the work items of a study stand: held against its settings and inputs, or as its folder alone tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.dependencies import Dependencies, Fingerprint
from distributed_trf.pipeline.items import STAGES, Assess, Item, ReadSession
from distributed_trf.pipeline.run_record import PastRun
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import FolderScope
from distributed_trf.pipeline.work import finding, items
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.store.item_locks import Holder, holders
from distributed_trf.store.receipts import has_receipt, read_failure, read_receipt
from distributed_trf.store.study_store import StudyStore


class State(StrEnum):
    """Where a work item stands."""

    DONE = "done"
    PENDING = "pending"
    STALE = "stale"
    """It was done with other settings or inputs."""
    FAILED = "failed"
    WAITING = "waiting"
    """Something that it depends on is not done."""
    RUNNING = "running"
    """A process is at it."""


@dataclass(frozen=True)
class Planned:
    """A work item and where it stands."""

    item: Item
    state: State
    reason: str
    """Why it is not done; of one that is, what is worth knowing."""
    fingerprint: Fingerprint | None
    """What its receipt must carry; None while it waits."""
    median_r: float | None = None
    """Of a fit that is done: median test correlation over units, None if none varies."""

    def seen(self, at_work: Mapping[tuple[str, str], Holder]) -> Planned:
        """Say that it is running if a process is at it."""
        who = at_work.get((self.item.stage, self.item.key))
        if who is None or self.state is State.DONE:
            return self
        return replace(self, state=State.RUNNING, reason=f"on {who.host}, process {who.process}, since {who.since}")


def survey_all(context: Context) -> list[Planned]:
    """Find out where every item of a study stands; each receipt is read once."""
    expectations = Dependencies(context)
    return [planned for stage in STAGES for planned in survey(context, stage, expectations)]


def survey(context: Context, stage: str, expectations: Dependencies | None = None) -> list[Planned]:
    """Find out where every item of a stage stands; a session that cannot be read has nothing to be assessed."""
    expectations = expectations or Dependencies(context)
    return [
        _status(context, expectations, item)
        for item in items(context, stage)
        if not (isinstance(item, Assess) and expectations.unreadable(ReadSession(item.stimuli, item.session)))
    ]


def _status(context: Context, expectations: Dependencies, item: Item) -> Planned:
    store = context.store
    try:
        expected = expectations.of(item)
    except Waiting as waiting:
        return Planned(item, State.WAITING, str(waiting), None)
    done = expectations.receipt(item)
    if done is not None:
        remarks = finding(item, done).remarks()
        reason = f"heard in {remarks.parts} parts" if remarks.parts > 1 else ""
        return Planned(item, State.DONE, reason, expected, remarks.median_r)
    receipt = read_receipt(store, item.stage, item.key)
    failure = read_failure(store, item.stage, item.key)
    if failure is not None and failure.fingerprint == expected:
        return Planned(item, State.FAILED, failure.message, expected)
    if receipt is not None and receipt.lacks(expected) and not expectations.gone(item, receipt):
        return Planned(item, State.PENDING, f"{', '.join(receipt.lacks(expected))} is new", expected)
    if receipt is not None:
        changed = receipt.changed(expected)
        reason = f"changed: {', '.join(changed)}" if changed else expectations.gone(item, receipt)
        return Planned(item, State.STALE, reason, expected)
    if has_receipt(store, item.stage, item.key):
        return Planned(item, State.STALE, "its receipt is damaged", expected)
    return Planned(item, State.PENDING, "", expected)


NOT_BEGUN = "not begun"


@dataclass(frozen=True)
class StageStatus:
    """The items of one stage."""

    stage: str
    done: int
    failed: Mapping[str, str]
    """Why, by key."""
    missing: Mapping[str, str] | None
    """What each item that is neither waits for, by key; None where no run left word of what was asked for."""


def folder_status(store: StudyStore, runs: Sequence[PastRun], study: StudySettings | None) -> list[StageStatus]:
    """Find out what is done, failed and missing, stage by stage; stages without any item are left out.

    Parameters
    ----------
    store
        The study's folder.
    runs
        What ``past_runs`` returns; the newest that asked for all of it says what the recordings and networks have.
    study
        What is asked for, where that is known.
    """
    newest = runs[-1] if runs else None
    asked = None
    for run in reversed(runs):
        if study is not None and asked is None:
            asked = FolderScope.of_run(store, run.name, run.manifest, study)
    waiting = waiting_items(store, newest)
    found = []
    for stage in STAGES:
        done = {path.stem for path in (store.receipts / stage).glob("*.json")}
        failed = {path.stem: _why(store, stage, path.stem) for path in sorted((store.failures / stage).glob("*.json"))}
        missing = None
        if asked is not None:
            keys = [item.key for item in items(asked, stage) if not _has_no_spikes(store, item)]
            failed = {key: failed[key] for key in keys if key in failed}
            done = {key for key in keys if key in done and key not in failed}
            left = [key for key in keys if key not in done and key not in failed]
            missing = {key: waiting.get(f"{stage} {key}", NOT_BEGUN) for key in left}
        if done or failed or missing:
            found.append(StageStatus(stage, len(done), failed, missing))
    return found


def _has_no_spikes(store: StudyStore, item: Item) -> bool:
    """Tell whether an item is of a session that could not be read, of which there is nothing to assess."""
    read = ReadSession.stage
    return isinstance(item, Assess) and _failed(store, read, ReadSession(item.stimuli, item.session).key)


def _failed(store: StudyStore, stage: str, key: str) -> bool:
    return (store.failures / stage / f"{key}.json").exists()


def waiting_items(store: StudyStore, newest: PastRun | None) -> dict[str, str]:
    """Say of items that are not done what they wait for, or who is at them, by stage and key."""
    blocked: Mapping[str, str] = newest.manifest.get("blocked", {}) if newest is not None else {}
    at_work = {f"{stage} {key}": f"{State.RUNNING}: {who}" for (stage, key), who in holders(store).items()}
    return {**blocked, **at_work}


def _why(store: StudyStore, stage: str, key: str) -> str:
    failure = read_failure(store, stage, key)
    return failure.message if failure is not None else ""
