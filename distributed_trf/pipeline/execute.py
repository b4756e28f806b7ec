"""Execute a task: claim its item, run it, then write its receipt."""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import resource
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import IO, Self, TypeVar

from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DamagedError, DeviceError, DistributedTRFError, StoreError
from distributed_trf.features.device import free_torch_blocks, is_crowded
from distributed_trf.features.network import release_networks
from distributed_trf.features.table import NetworkTable
from distributed_trf.pipeline.dependencies import Fingerprint
from distributed_trf.pipeline.items import Item
from distributed_trf.pipeline.run_record import run_settings
from distributed_trf.pipeline.work import kind_of, read_finding
from distributed_trf.pipeline.work_kind import Execution, Finding, Job, ReleaseSlot, keep_slot
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.store.fingerprint import digest
from distributed_trf.store.item_locks import Claim, Holder, claim
from distributed_trf.store.receipts import Failure, Receipt, read_receipt, revoke_receipt, write_failure, write_receipt
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import recording

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """An item with what a worker needs to run it."""

    item: Item
    fingerprint: Fingerprint
    folder: Path
    """Folder of the run, in the study's folder."""
    device: str
    limit: float | None = None
    """Seconds after which a process that is still running the item is ended; None for no limit."""

    @property
    def study(self) -> StudySettings:
        """The study."""
        return run_settings(self.folder).study

    @property
    def tables(self) -> dict[str, NetworkTable]:
        """Tables of the study's networks."""
        return run_settings(self.folder).tables

    @property
    def root(self) -> Path:
        """The study's folder."""
        return self.folder.parent.parent

    @property
    def run(self) -> str:
        """Name of the run, which the receipt holds."""
        return self.folder.name


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    item: Item
    message: str = ""
    """Why the item failed; empty if it is done."""
    finding: Finding = Finding()
    """What the item found, if it is done."""
    execution: Execution = Execution()
    """Where and when it was done, by this run or another."""

    @property
    def ok(self) -> bool:
        """Whether it is done."""
        return not self.message

    @classmethod
    def of_receipt(cls, item: Item, receipt: Receipt) -> Self:
        """Return the outcome of an item that was done before."""
        return cls(item, finding=read_finding(item, receipt), execution=Execution.of(receipt))


def execute(task: Task, release_slot: ReleaseSlot = keep_slot) -> Outcome:
    """Run one work item; in a plain loop and on a worker the numbers are the same.

    An extraction calls ``release_slot`` before it writes, so that its worker can start the next batch.

    An error in the input fails the item for good and is recorded. Any other error is raised, and the driver decides
    whether to try again. If the item's receipt exists already, because a worker was lost after writing it, the item is
    done. If another process is still running the item, because it hangs or lost its connection, the item is run here
    as well: both write the same.
    """
    outcome = _execute(task, release_slot, even_if_running=True)
    assert outcome is not None
    return outcome


def execute_if_free(task: Task) -> Outcome | None:
    """Run one work item as ``execute`` does; return None if another process is running it."""
    return _execute(task, keep_slot, even_if_running=False)


def _execute(task: Task, release_slot: ReleaseSlot, *, even_if_running: bool) -> Outcome | None:
    expected = digest(task.fingerprint)
    try:
        with claim(StudyStore(task.root), task.item.stage, task.item.key, digest=expected) as claimed:
            if claimed.file is None:
                if not even_if_running:
                    return None
                if claimed.holder.digest not in (expected, ""):
                    why = f"{claimed.holder} is running this item with other settings or inputs; end that process"
                    return fail(task, why)
                logger.warning("%s %s: %s is running this item as well", task.item.stage, task.item.key, claimed.holder)
            return _claimed(task, claimed, release_slot)
    except DamagedError as error:
        return fail(task, str(error), error.path)
    except DistributedTRFError as error:
        return fail(task, str(error))


def _claimed(task: Task, claimed: Claim, release_slot: ReleaseSlot) -> Outcome:
    """Run an item whose lock is claimed."""
    store, item = StudyStore(task.root), task.item
    receipt = read_receipt(store, item.stage, item.key)
    if receipt is not None and receipt.covers(task.fingerprint):
        return Outcome.of_receipt(item, receipt)
    if claimed.file is not None and claimed.left is not None and claimed.holder.hung:
        logger.warning("%s %s: %s hung here:\n%s", item.stage, item.key, claimed.left, claimed.left.stacks)
        if claimed.holder.hung >= task.study.attempts:
            return fail(task, _hung(task, claimed.holder.hung, claimed.left))
    lacking = receipt.lacks(task.fingerprint) if receipt is not None else []
    if not lacking:
        revoke_receipt(store, item.stage, item.key)
    start = time.perf_counter()
    with limited(task.limit, claimed.file or sys.__stderr__):
        with recording() as timings:
            finding = _run(task, store, release_slot, lacking or task.fingerprint)
        execution = Execution(
            seconds=round(time.perf_counter() - start, 3),
            timings={name: round(seconds, 4) for name, seconds in timings.items()},
            process_peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            device=task.device,
            host=socket.gethostname(),
            process=os.getpid(),
            run=task.run,
            finished=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        made = Receipt(task.fingerprint, finding.to_json() | execution.to_json())
        made = receipt.with_parts(made) if receipt is not None and lacking else made
        write_receipt(store, item.stage, item.key, made)
    return Outcome(item, finding=finding, execution=execution)


def _hung(task: Task, times: int, last: Holder) -> str:
    limit = "" if task.limit is None else f" for {task.limit:g} s"
    return (
        f"it hung: {times} processes were running it{limit} and were ended; the last one, {last}, was in "
        f"{where(last.stacks)}; if the item only needs longer, raise `item_limit` in the recipe"
    )


def fail(task: Task, message: str, damaged: Path | None = None) -> Outcome:
    """Record that an item failed for good, and why; on a full disk nothing is recorded.

    Parameters
    ----------
    task
        The task of the item.
    message
        Why it failed.
    damaged
        The damaged file or array, if that is the reason.
    """
    failure = Failure(task.fingerprint, message, task.run, None if damaged is None else str(damaged))
    with suppress(StoreError):
        write_failure(StudyStore(task.root), task.item.stage, task.item.key, failure)
    return Outcome(task.item, message)


def _run(task: Task, store: StudyStore, release_slot: ReleaseSlot, parts: Collection[str]) -> Finding:
    """Run an item, or the named parts of it; on a GPU, items without a network may release the memory of networks."""
    kind, item = kind_of(task.item), task.item
    job = Job(
        study=task.study,
        tables=task.tables,
        store=store,
        device=task.device,
        open_recordings=lambda: _recordings(task),
        fingerprint=task.fingerprint,
        parts=parts,
        release_slot=release_slot,
    )
    if kind.uses_networks:
        return kind.run(item, job)
    return with_room(task.device, lambda: kind.run(item, job))


def _recordings(task: Task) -> RecordingSet:
    return _open(task.study.recordings.format, task.study.recordings.path, task.run)


@lru_cache(maxsize=1)
def _open(format: str, path: Path, run: str) -> RecordingSet:
    """Open recordings once per process and run: every session needs the stimuli, which come from large files."""
    return open_recordings(format, path)


_LOCK = Lock()
_DUE: dict[int, float] = {}
"""When each limit ends, by the descriptor of the file for the stacks."""


@contextmanager
def limited(seconds: float | None, file: IO[str] | None) -> Iterator[None]:
    """End this process if the block takes longer than some seconds, and write its stacks into ``file``.

    Without seconds or file there is no limit.
    """
    if seconds is None or file is None:
        yield
        return
    descriptor = file.fileno()
    with _LOCK:
        _DUE[descriptor] = time.monotonic() + seconds
        _arm()
    try:
        yield
    finally:
        with _LOCK:
            del _DUE[descriptor]
            _arm()


def where(stacks: str) -> str:
    """Return the function, file and line that an item was running when its process was ended."""
    for thread in stacks.split("\n\n"):
        frames = re.findall(r'File "(.*)", line (\d+) in (\S+)', thread)
        if frames and any(name.endswith("pipeline/execute.py") for name, _, _ in frames):
            name, line, function = frames[0]
            return f"{function} ({name}, line {line})"
    return "an unknown place"


def _arm() -> None:
    faulthandler.cancel_dump_traceback_later()
    if _DUE:
        descriptor, due = min(_DUE.items(), key=lambda entry: entry[1])
        faulthandler.dump_traceback_later(max(due - time.monotonic(), 0.001), exit=True, file=descriptor)


T = TypeVar("T")


def with_room(device: str, calculate: Callable[[], T]) -> T:
    """Calculate; on a GPU, networks that take more than half of its memory are released first.

    If memory runs out while networks are still loaded, they are released and the calculation is repeated once.
    """
    if device == "cpu":
        return calculate()
    free_torch_blocks(device)
    if is_crowded(device):
        release_networks(device)
    try:
        return calculate()
    except (MemoryError, DeviceError) as error:  # cupy's error is a MemoryError, or the cause of a DeviceError
        if not isinstance(error, MemoryError) and not isinstance(error.__cause__, MemoryError):
            raise
        if not release_networks(device):
            raise
    return calculate()  # outside the handler, which keeps the arrays of the first attempt alive
