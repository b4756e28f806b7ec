"""What many GPUs would do to a study: its items, as the driver gives them out, one event after another."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distributed_trf import simulate
from distributed_trf.config.study import load_study
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.costs.cost import cost
from distributed_trf.pipeline.costs.operations import Operations
from distributed_trf.pipeline.costs.rates import Rates
from distributed_trf.pipeline.items import STAGES
from distributed_trf.pipeline.survey import items
from distributed_trf.recordings.recording_set import Session

SESSIONS, CHANNELS = 41, 1718
"""Of the published recordings (Ahmed et al. 2025)."""
GPU = Operations(single=25e12, double=25e12, eigh=2e12, transform=0.0)
"""Floating-point operations per second assumed of an H100: 40 % of the 67 TFLOPS that NVIDIA gives for float32 and for
float64 on tensor cores; a decomposition of 2048 columns in 36 ms, published for an A100. Transforms stay on the CPU."""
DISK = (1e9, 5e8)
"""Bytes per second assumed that a worker reads and writes."""
SHARED_DISK, SHARED_FILES = 20e9, 10_000.0
"""Bytes, and files made, per second assumed of the file system that all workers share."""


@dataclass(frozen=True)
class Work:
    """Items of a stage: how long each takes on a worker, what it moves and how many files it makes."""

    stage: str
    seconds: list[float]
    moved: float
    """Bytes read and written by all together."""
    files: int


@dataclass(frozen=True)
class Driver:
    """What was measured of the driver."""

    item: float
    """Seconds of driver and scheduler for each item, one after another."""
    survey: float
    """Seconds to find out where an item stands, before its stage begins."""
    memory: float
    """Bytes for each item of a stage that the driver holds."""


@dataclass(frozen=True)
class Simulated:
    """How a study would go."""

    seconds: float
    busy: float
    """Part of the workers' time in which they work."""
    waiting: float
    """Seconds that the driver took before stages began."""
    breaks: str
    """What bounds it."""


class PublishedSize:
    """A simulated recording set that says it has as many sessions and channels as the published one."""

    def __init__(self, recordings: Any) -> None:
        self._recordings = recordings
        first = recordings.sessions[0]
        sizes = [CHANNELS // SESSIONS + (k < CHANNELS % SESSIONS) for k in range(SESSIONS)]
        self.sessions = tuple(
            replace(first, name=f"session{k}", channels=tuple(map(str, range(n)))) for k, n in enumerate(sizes)
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recordings, name)

    def heard(self, stimuli: str) -> tuple[Session, ...]:
        """Return all sessions."""
        return self.sessions

    def session_files(self, session: Session) -> tuple[Path, ...]:
        """Return as many files of one simulated channel as the session has channels."""
        return (self._recordings.session_files(self._recordings.sessions[0])[0],) * len(session.channels)


def published_study(scratch: Path, *, sentences: int, calls: int) -> Context:
    """Return the paper's study on sounds like theirs."""
    simulate(scratch / "recordings", sessions=1, channels=1, sentences=sentences, calls=calls)
    study = load_study("ahmed25")
    recordings = study.recordings.model_copy(update={"path": scratch / "recordings"})
    context = Context.open(study.model_copy(update={"recordings": recordings, "output": scratch / "study"}))
    return replace(context, recordings=PublishedSize(context.recordings))  # type: ignore[arg-type]  # it has all that a plan asks for


def work_of(context: Context, machine: Rates) -> list[Work]:
    """List the items of a study as stages, with the times that a GPU worker would take."""
    rates = Rates(replace(GPU, transform=machine.operations.transform), *DISK, machine.file)
    found = []
    for stage in STAGES:
        costs = [cost(context, item, "cuda") for item in items(context, stage)]
        if costs:
            found.append(
                Work(stage, [rates.seconds(c) for c in costs], sum(c.read + c.written for c in costs),
                     sum(c.files for c in costs))
            )  # fmt: skip
    return found


def repeated(work: Sequence[Work], times: int) -> list[Work]:
    """Return a study that is so many times as large: as many times the networks and sessions."""
    return [Work(w.stage, w.seconds * times, w.moved * times, w.files * times) for w in work]


def simulated(work: Sequence[Work], workers: int, driver: Driver) -> Simulated:
    """Let workers do a study, stage after stage, as the driver gives items out.

    Driver and scheduler serve one item at a time: a worker that ends one gets the next of the window when it is its
    turn. A stage begins when the one before has ended and was looked through.
    """
    now, worked, waited = 0.0, 0.0, 0.0
    for stage in work:
        waited += driver.survey * len(stage.seconds)
        now += driver.survey * len(stage.seconds)
        free, served, end = [now] * workers, now, now
        heapq.heapify(free)
        for seconds in stage.seconds:
            served = max(served, heapq.heappop(free)) + driver.item
            end = max(end, served + seconds)
            heapq.heappush(free, served + seconds)
        worked, now = worked + sum(stage.seconds), end
    busy = worked / (workers * now)
    return Simulated(now, busy, waited, _bound(work, workers, driver, waited))


def _bound(work: Sequence[Work], workers: int, driver: Driver, waited: float) -> str:
    """Name what keeps a study from being quicker: the largest of the times that each part takes by itself."""
    return max(_parts(work, workers, driver, waited), key=lambda part: part[1])[0]


def _parts(work: Sequence[Work], workers: int, driver: Driver, waited: float) -> Iterator[tuple[str, float]]:
    count = sum(len(stage.seconds) for stage in work)
    yield "the workers' arithmetic and disks", sum(sum(stage.seconds) for stage in work) / workers
    yield "the scheduler's time for each item", count * driver.item
    yield "the driver's look at every item", waited
    yield "the longest item of each stage", sum(max(stage.seconds) for stage in work)
    yield "the bandwidth of the file system", sum(stage.moved for stage in work) / SHARED_DISK
    yield "the number of files", sum(stage.files for stage in work) / SHARED_FILES
