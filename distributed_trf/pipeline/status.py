"""The status of work items, and the reason: done, pending, stale, failed, waiting or running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from distributed_trf.errors import StoreError
from distributed_trf.pipeline.dependencies import Dependencies, Fingerprint
from distributed_trf.pipeline.items import STAGES, Assess, Item, ReadSession
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import finding, items
from distributed_trf.pipeline.work_kind import Waiting
from distributed_trf.store.item_locks import Holder
from distributed_trf.store.receipts import Receipt, has_receipt, read_failure, read_receipt
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
    """A process has it."""


@dataclass(frozen=True)
class Planned:
    """A work item and its status."""

    item: Item
    state: State
    reason: str
    """Why it is not done; of one that is, what is worth knowing."""
    fingerprint: Fingerprint | None
    """What its receipt must carry, as far as that is known; None while it waits."""
    median_r: float | None = None
    """Of a fit that has a receipt: median test correlation over units, None if none varies."""

    def seen(self, at_work: Mapping[tuple[str, str], Holder]) -> Planned:
        """Say that it is running if a process has it."""
        who = at_work.get((self.item.stage, self.item.key))
        if who is None or self.state is State.DONE:
            return self
        return replace(self, state=State.RUNNING, reason=str(who))


class Expected(Protocol):
    """What the receipts of a study's items must carry: by settings and inputs, or by the study's folder alone."""

    def of(self, item: Item) -> Fingerprint:
        """Return the fingerprint that an item's receipt must carry; raises ``Waiting`` if that cannot be known yet."""

    def receipt(self, item: Item) -> Receipt | None:
        """Return the receipt of an item if it is valid and what it vouches for is there."""

    def gone(self, item: Item, receipt: Receipt) -> str:
        """Say what of that which an item wrote is damaged or gone; nothing if it is well."""

    def unreadable(self, item: ReadSession) -> bool:
        """Tell whether a session failed for good, so that the others go on without it."""


def survey_all(context: Context) -> list[Planned]:
    """Return the status of every item of a study; each receipt is read once."""
    expectations = Dependencies(context)
    return [planned for stage in STAGES for planned in survey(context, stage, expectations)]


def survey(context: Context, stage: str, expectations: Dependencies | None = None) -> list[Planned]:
    """Return the status of every item of a stage, by settings and inputs as they are now."""
    return statuses(context.store, items(context, stage), expectations or Dependencies(context))


def statuses(store: StudyStore, items: Iterable[Item], expected: Expected) -> list[Planned]:
    """Return the status of items; a session that cannot be read has nothing to be assessed."""
    return [
        _status(store, item, expected)
        for item in items
        if not (isinstance(item, Assess) and expected.unreadable(ReadSession(item.stimuli, item.session)))
    ]


def _status(store: StudyStore, item: Item, expectations: Expected) -> Planned:
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
        return Planned(item, State.STALE, reason, expected, _median_r(item, receipt))
    if has_receipt(store, item.stage, item.key):
        return Planned(item, State.STALE, DAMAGED_RECEIPT, expected)
    return Planned(item, State.PENDING, "", expected)


def _median_r(item: Item, receipt: Receipt) -> float | None:
    """Return what is shown of a fit whose receipt may be of another version."""
    try:
        return finding(item, receipt).remarks().median_r
    except StoreError:
        return None
