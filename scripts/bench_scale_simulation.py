"""What many GPUs would do to a study: its items, as the driver gives them out, one event after another."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distributed_trf import simulate
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.study import load_study
from distributed_trf.features.families.registry import expected_work, loads_file
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.costs import Cost, Operations
from distributed_trf.pipeline.items import STAGES, Extract, Fit, Item
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import cost, items
from distributed_trf.recordings.recording_set import Session

SESSIONS, CHANNELS = 41, 1718
"""Of the published recordings (Ahmed et al. 2025)."""
GPU = Operations(single=25e12, double=25e12, eigh=2e12, transform=3e9)
"""Floating-point operations per second assumed of an H100: 40 % of the 67 TFLOPS that NVIDIA gives for float32 and for
float64 on tensor cores; a decomposition of 2048 columns in 36 ms, published for an A100. Transforms stay on the CPU, at
what one core of a server was measured to do."""
LAUNCH, WAIT, COPY = 5e-6, 20e-6, 10e-6
"""Seconds assumed that the host takes to launch a kernel, to wait for a device, and to begin a copy, from Python."""
PCIE = 25e9
"""Bytes per second assumed of a copy from pinned memory: half of what PCI Express 5.0 with 16 lanes gives."""
STARTING = 30.0
"""Seconds assumed that a worker takes to begin: libraries, contexts, and some hundred kernels compiled at first use."""
BUILDING = 4.0
"""Seconds assumed that a network takes to be built and brought to a device, once on each worker."""
DISK, FILE = (1e9, 5e8), 2e-3
"""Bytes per second assumed that a worker reads and writes, and seconds until a small file is on disk: a local SSD."""
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
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds of all items together, by what they are spent on."""
    before: float = 0.0
    """Seconds that each worker takes before its first item."""


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
    context = open_context(study.model_copy(update={"recordings": recordings, "output": scratch / "study"}))
    return replace(context, recordings=PublishedSize(context.recordings))  # type: ignore[arg-type]  # it has all that a plan asks for


PRODUCTS = "products in float64"
NINE = ("wav2letter", "wav2vec2", "speech2text", "whisper_tiny", "whisper_base", "deepspeech2", "w2v2_audioset",
        "cochresnet50", "cochcnn9")  # fmt: skip
FIG_3 = NINE[:6]


def study_of(context: Context, networks: Sequence[str]) -> Context:
    """Return the study with these networks alone, trained and reset, and nothing asked of the responses themselves."""
    asked = [NetworkSettings(name=name, weights=["trained", "reset"]) for name in networks]
    study = context.study.model_copy(update={"networks": asked, "reliability": None})
    opened = open_context(study)
    return replace(opened, recordings=context.recordings)  # of the published size


def work_of(context: Context, counts: dict[str, dict[str, int]]) -> list[Work]:
    """List the items of a study as stages, with the times that a GPU worker would take.

    Parameters
    ----------
    context
        The study.
    counts
        How often a fit and an extraction ask something of a device (see ``bench_scale_calls.counted``).
    """
    found = []
    for stage in STAGES:
        chosen = list(items(context, stage))
        if chosen:
            costs = [cost(context, item, "cuda") for item in chosen]
            parts = [parts_of(context, item, c, counts) for item, c in zip(chosen, costs, strict=True)]
            spent: Counter[str] = Counter()
            for of_item in parts:
                spent.update(of_item)
            found.append(
                Work(stage, [sum(of_item.values()) for of_item in parts], sum(c.read + c.written for c in costs),
                     sum(c.files for c in costs), dict(spent))
            )  # fmt: skip
    return found


def parts_of(context: Context, item: Item, cost: Cost, counts: dict[str, dict[str, int]]) -> dict[str, float]:
    """Say how long an item takes, by what it is spent on.

    A fit reads its next batch while it calculates, and what an extraction found is written while the next one hears, so
    that either costs what is beyond the rest. A network's weights are read by the first item that hears with it.
    """
    done, read, writing = cost.operations, cost.read, cost.written / DISK[1] + cost.files * FILE
    calls, moved = 0.0, 0
    if isinstance(item, Extract):
        layout, lengths = context.expected_features[item.stimuli, item.network, item.weights]
        first, last = layout.batch_borders[item.batch]
        table = context.tables[item.network]
        if loads_file(item.weights):
            read -= expected_work(table, item.weights, lengths[first:last]).weights
        one, nine = counts["1 sounds"], counts["9 sounds"]
        layers = len(layout.layers) / one["layers"]
        each = {name: (nine[name] - one[name]) / 8 for name in one}
        calls = layers * _asking({name: one[name] + each[name] * (last - first - 1) for name in one})
        moved = cost.written
    elif isinstance(item, Fit):
        calls, moved = _asking(counts["eigh" if done.eigh else "cholesky"]), cost.read
    parts = {
        PRODUCTS: done.double / GPU.double,
        "eigenvectors": done.eigh / GPU.eigh,
        "networks": done.single / GPU.single,
        "transforms on the CPU": float(done.transform / GPU.transform),
        "launches, waits and copies": calls + moved / PCIE,
        "reading": read / DISK[0],
    }
    if isinstance(item, Fit):
        parts["reading"] = max(2 * parts["reading"] - sum(parts.values()), 0.0)
    if isinstance(item, Extract):
        writing = max(writing - sum(parts.values()), 0.0)
    return parts | {"writing": writing}


def _asking(counts: dict[str, float] | dict[str, int]) -> float:
    """Return the seconds that the host takes to ask."""
    return counts["launches"] * LAUNCH + counts["waits"] * WAIT + counts["copies"] * COPY


def bounds(work: Sequence[Work], workers: int, driver: Driver) -> str:
    """Name what takes most of a study, and the seconds of a worker that go to it."""
    spent: Counter[str] = Counter({"the driver": sum(len(w.seconds) for w in work) * (driver.item + driver.survey)})
    for stage in work:
        spent.update({name: seconds / workers for name, seconds in stage.parts.items()})
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in spent.most_common(3))


def begun(work: Sequence[Work], networks: int, workers: int) -> list[Work]:
    """Return the same work on workers that begin with nothing: each starts, and builds every network that it hears."""
    first = {"starting workers": STARTING, "building networks": networks * BUILDING}
    more = {name: seconds * workers for name, seconds in first.items()}
    extraction = next(k for k, stage in enumerate(work) if stage.stage == Extract.stage)
    return [
        replace(stage, before=sum(first.values()), parts=stage.parts | more) if k == extraction else stage
        for k, stage in enumerate(work)
    ]


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
        free, served, end = [now + stage.before] * workers, now, now
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
