"""What happens in a run, told to everyone who watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.report import Report
from distributed_trf.pipeline.survey import Planned


@dataclass(frozen=True)
class Dashboard:
    """Where the pages of a cluster's scheduler are."""

    link: str
    """Of the page of this study."""
    port: int
    host: str
    """Name of the machine that the scheduler runs on."""
    taken: int | None
    """Port that the recipe asks for, if another process has it."""


@dataclass(frozen=True)
class RunStarted:
    """Workers are ready."""

    study: str
    output: Path
    folder: Path
    """Where this run leaves its record."""
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
    """All items of the stage and where they stand."""


@dataclass(frozen=True)
class ItemEnded:
    """An item is done, or has failed for good."""

    outcome: Outcome


@dataclass(frozen=True)
class Waits:
    """Other elements of a job array are at all that is left of the stage."""

    words: str


@dataclass(frozen=True)
class WorkerJoined:
    """A worker came, at the beginning or in the place of one that was lost."""

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
class ClusterTold:
    """Whoever looks after the cluster did something, such as submitting jobs anew."""

    details: Mapping[str, Any]
    """``action`` says what was done."""

    @property
    def words(self) -> str:
        """The same in a line."""
        told = {name: value for name, value in self.details.items() if isinstance(value, str | int)}
        return ", ".join(f"{value}" if name == "action" else f"{name} {value}" for name, value in told.items())


@dataclass(frozen=True)
class RunEnded:
    """No more items follow."""

    state: str
    """``finished``, or ``interrupted`` with items that were not begun."""
    report: Report


Event = RunStarted | StageBegan | ItemEnded | Waits | WorkerJoined | WorkerLeft | ClusterTold | RunEnded
Watcher = Callable[[Event], None]
"""Whoever wants to see a run go by. It is told one event at a time, from several threads."""
