"""Events of a run, for its watchers and for a file of JSON lines."""

from __future__ import annotations

import getpass
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.status import Planned, State
from distributed_trf.store.atomic import room_for


@dataclass(frozen=True)
class Dashboard:
    """Where the pages of a cluster's scheduler are."""

    link: str
    """To the page of this study."""
    port: int
    host: str
    """Name of the machine that the scheduler runs on."""
    taken: int | None
    """Port named in the recipe, if another process uses it."""

    @property
    def tunnel(self) -> str:
        """The command that brings the port to another machine."""
        return f"ssh -N -L {self.port}:127.0.0.1:{self.port} {_user()}@{self.host}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # one that this machine has no name of
        return "USER"


@dataclass(frozen=True)
class RunStarted:
    """Workers are ready."""

    study: str
    output: Path
    folder: Path
    """Folder of this run's record."""
    cluster: str
    """Kind of the recipe, or ``this process``."""
    device: str
    workers: Mapping[str, str]
    """Host of each worker, by address."""
    dashboard: Dashboard | None


@dataclass(frozen=True)
class StageBegan:
    """A stage begins, of which some items may be done already."""

    stage: str
    planned: Sequence[Planned]
    """All items of the stage with their status."""

    @property
    def total(self) -> int:
        """Items of a bar: those that cannot begin are no part of it, and are reported at the end."""
        return sum(p.state is not State.WAITING for p in self.planned)

    @property
    def done(self) -> int:
        """Items that were done before."""
        return sum(p.state is State.DONE for p in self.planned)


@dataclass(frozen=True)
class ItemEnded:
    """An item is done, or has failed for good."""

    outcome: Outcome


@dataclass(frozen=True)
class Waits:
    """Other elements of a job array are running all that is left of the stage."""

    words: str


@dataclass(frozen=True)
class WorkerJoined:
    """A worker joined, at the start or to replace one that was lost."""

    worker: str
    host: str


@dataclass(frozen=True)
class WorkerLeft:
    """A worker was lost, or left at its walltime."""

    worker: str
    host: str
    left: int
    """Workers that remain."""


@dataclass(frozen=True)
class ClusterEvent:
    """The cluster was changed, for example a job was submitted again."""

    details: Mapping[str, Any]
    """``action`` says what was done."""

    @property
    def words(self) -> str:
        """The details in one line."""
        plain = {name: value for name, value in self.details.items() if isinstance(value, str | int)}
        return ", ".join(f"{value}" if name == "action" else f"{name} {value}" for name, value in plain.items())


@dataclass(frozen=True)
class RunEnded:
    """No more items follow."""

    state: str
    """``finished``, or ``interrupted`` with items that were not begun."""
    report: Report


Event = RunStarted | StageBegan | ItemEnded | Waits | WorkerJoined | WorkerLeft | ClusterEvent | RunEnded
Watcher = Callable[[Event], None]
"""Called with one event at a time, from several threads."""


class EventLog:
    """Write one line for each event: ``time`` in UTC, ``event``, and the content of the event.

    Parameters
    ----------
    path
        The file. Lines are appended.

    Raises
    ------
    StoreError
        If the disk has no room for a file.

    Notes
    -----
    A full disk loses lines of the log but no results: the items that cannot be written fail.
    """

    def __init__(self, path: Path) -> None:
        with room_for(path):
            self._file = path.open("ab", buffering=0)
        self._torn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __call__(self, event: Event) -> None:
        """Write an event."""
        name, content = _line(event)
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": name, **content}
        line = (json.dumps(record, default=str) + "\n").encode()
        if self._torn:
            line = b"\n" + line
        self._torn = True
        with suppress(OSError):
            self._torn = self._file.write(line) != len(line)


def _line(event: Event) -> tuple[str, dict[str, Any]]:
    """Return the name of an event and the content of its line."""
    match event:
        case RunStarted():
            content: dict[str, Any] = {
                "study": event.study,
                "output": event.output,
                "cluster": event.cluster,
                "device": event.device,
                "workers": dict(event.workers),
            }
            return "run started", content | ({"page": event.dashboard.link} if event.dashboard else {})
        case StageBegan():
            return "stage began", {"stage": event.stage, **Counter(str(p.state) for p in event.planned)}
        case ItemEnded(outcome):
            named = {"stage": outcome.item.stage, "key": outcome.item.key}
            if not outcome.ok:
                return "item failed", named | {"reason": outcome.message}
            return "item done", named | _item_content(outcome)
        case WorkerJoined(worker, host):
            return "worker joined", {"worker": worker, "host": host}
        case WorkerLeft(worker, host, left):
            return "worker left", {"worker": worker, "host": host, "left": left}
        case ClusterEvent(details):
            return "cluster", dict(details)
        case Waits(words):
            return "waits", {"words": words}
        case RunEnded(state, report):
            counts = {"done": report.done, "skipped": report.skipped, "seconds": report.seconds}
            return f"run {state}", counts | {"failed": len(report.failed), "blocked": len(report.blocked)}


def _item_content(outcome: Outcome) -> dict[str, Any]:
    """Return the content of the line for an item that is done, without its name."""
    execution, remarks = outcome.execution, outcome.finding.remarks()
    content: dict[str, Any] = {
        "seconds": execution.seconds,
        "timings": execution.timings,
        "process_peak_mib": execution.process_peak_mib,
        "device": execution.device,
        "host": execution.host,
        "process": execution.process,
    }
    return content | ({"median_r": remarks.median_r} if remarks.fitted else {})
