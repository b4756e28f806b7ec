"""The status of work items, and the reason: done, pending, stale, failed, waiting or running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from distributed_trf.errors import StoreError
from distributed_trf.pipeline.dependencies import Dependencies, Expected, Fingerprint
from distributed_trf.pipeline.items import STAGES, Assess, Item, ReadSession
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import items, read_finding
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.store.item_locks import Holder
from distributed_trf.store.receipts import Receipt, has_receipt, read_failure
from distributed_trf.store.study_store import StudyStore

DAMAGED_RECEIPT = "its receipt is damaged"


class State(StrEnum):
    """Status of a work item."""

    DONE = "done"
    PENDING = "pending"
    STALE = "stale"
    """It was done with other settings or inputs."""
    FAILED = "failed"
    WAITING = "waiting"
    """Something that it depends on is not done."""
    RUNNING = "running"
    """A process is running it."""


@dataclass(frozen=True)
class Planned:
    """A work item and its status."""

    item: Item
    state: State
    reason: str
    """Why it is not done; for an item that is done, a remark or nothing."""
    fingerprint: Fingerprint | None
    """What its receipt must carry; None while the item waits."""
    median_r: float | None = None
    """For a fit with a receipt: median test correlation over units, None if no unit varies."""

    def with_running(self, running: Mapping[tuple[str, str], Holder]) -> Planned:
        """Return the item as running if a process holds its lock."""
        holder = running.get((self.item.stage, self.item.key))
        if holder is None or self.state is State.DONE:
            return self
        return replace(self, state=State.RUNNING, reason=str(holder))


def survey_all(context: Context) -> list[Planned]:
    """Return the status of every item of a study; each receipt is read once."""
    dependencies = Dependencies(context)
    return [planned for stage in STAGES for planned in survey(context, stage, dependencies)]


def survey(context: Context, stage: str, dependencies: Dependencies | None = None) -> list[Planned]:
    """Return the status of every item of a stage, by settings and inputs as they are now."""
    return statuses(context.store, items(context, stage), dependencies or Dependencies(context))


def statuses(store: StudyStore, items: Iterable[Item], expected: Expected) -> list[Planned]:
    """Return the status of items; sessions that cannot be read are not assessed."""
    return [
        _status(store, item, expected)
        for item in items
        if not (isinstance(item, Assess) and expected.unreadable(ReadSession(item.stimuli, item.session)))
    ]


def _status(store: StudyStore, item: Item, expected: Expected) -> Planned:
    try:
        fingerprint = expected.of(item)
    except Waiting as waiting:
        return Planned(item, State.WAITING, str(waiting), None)
    receipt = expected.stored(item)
    if receipt is not None and expected.receipt(item) is not None:
        remarks = read_finding(item, receipt).remarks()
        reason = f"forward pass in {remarks.parts} parts" if remarks.parts > 1 else ""
        return Planned(item, State.DONE, reason, fingerprint, remarks.median_r)
    failure = read_failure(store, item.stage, item.key)
    if failure is not None and failure.fingerprint == fingerprint:
        return Planned(item, State.FAILED, failure.message, fingerprint)
    if receipt is not None and (lacking := receipt.lacks(fingerprint)) and not expected.gone(item, receipt):
        return Planned(item, State.PENDING, f"{', '.join(lacking)} is new", fingerprint)
    if receipt is not None:
        changed = receipt.changed(fingerprint)
        reason = f"changed: {', '.join(changed)}" if changed else expected.gone(item, receipt)
        return Planned(item, State.STALE, reason, fingerprint, _median_r(item, receipt))
    if has_receipt(store, item.stage, item.key):
        return Planned(item, State.STALE, DAMAGED_RECEIPT, fingerprint)
    return Planned(item, State.PENDING, "", fingerprint)


def _median_r(item: Item, receipt: Receipt) -> float | None:
    """Return the median r of a fit whose receipt may be of another version."""
    try:
        return read_finding(item, receipt).remarks().median_r
    except StoreError:
        return None
