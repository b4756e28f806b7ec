"""The events of a run as JSON lines, for whoever looks at it later or from a program."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from distributed_trf.pipeline.watch.events import (
    ClusterTold,
    Event,
    ItemEnded,
    RunEnded,
    RunStarted,
    StageBegan,
    Waits,
    WorkerJoined,
    WorkerLeft,
)
from distributed_trf.store.atomic import room_for

OF_ITEMS = ("seconds", "timings", "process_peak_mib", "device", "host", "process", "median_r")
"""What a line tells of an item beside its name, where its receipt has it."""


class EventLog:
    """Write a line per event, as it comes: ``time`` in UTC, ``event``, and what there is to tell.

    Parameters
    ----------
    path
        The file. Lines are added to what is there.

    Raises
    ------
    StoreError
        If the disk has no room for a file.

    Notes
    -----
    A disk that is full loses lines here and no results: items say so themselves.
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
        name, content = _told(event)
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": name, **content}
        line = (json.dumps(record, default=str) + "\n").encode()
        if self._torn:
            line = b"\n" + line
        self._torn = True
        with suppress(OSError):
            self._torn = self._file.write(line) != len(line)


def _told(event: Event) -> tuple[str, dict[str, Any]]:
    """Name an event and say what there is to tell of it."""
    match event:
        case RunStarted():
            told: dict[str, Any] = {
                "study": event.study,
                "output": event.output,
                "cluster": event.cluster,
                "device": event.device,
                "workers": dict(event.workers),
            }
            return "run started", told | ({"page": event.dashboard.link} if event.dashboard else {})
        case StageBegan():
            return "stage began", {"stage": event.stage, **Counter(str(p.state) for p in event.planned)}
        case ItemEnded(outcome):
            details = {name: outcome.details[name] for name in OF_ITEMS if name in outcome.details}
            reason = {} if outcome.ok else {"reason": outcome.message}
            named = {"stage": outcome.item.stage, "key": outcome.item.key}
            return ("item done" if outcome.ok else "item failed"), named | reason | details
        case WorkerJoined(worker, host):
            return "worker joined", {"worker": worker, "host": host}
        case WorkerLeft(worker, host, left):
            return "worker left", {"worker": worker, "host": host, "left": left}
        case ClusterTold(details):
            return "cluster", dict(details)
        case Waits(words):
            return "waits", {"words": words}
        case RunEnded(state, report):
            counts = {"done": report.done, "skipped": report.skipped, "seconds": report.seconds}
            return f"run {state}", counts | {"failed": len(report.failed), "blocked": len(report.blocked)}
