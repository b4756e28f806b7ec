"""A run on the terminal: where to watch it, and one bar per stage."""

from __future__ import annotations

from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from distributed_trf.cli.console import out
from distributed_trf.pipeline.events import (
    ClusterEvent,
    Dashboard,
    Event,
    ItemEnded,
    RunEnded,
    RunStarted,
    StageBegan,
    Waits,
    WorkerLeft,
)
from distributed_trf.pipeline.items import LABELS


class Bars:
    """Watch a run with a bar per stage; what goes wrong is printed as it comes."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<17}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}", style="red"),
            console=out,
        )
        self._bar: TaskID | None = None
        self._failed = 0
        """Of the items of the bar."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        match event:
            case RunStarted():
                if event.dashboard is not None:
                    _show(event.dashboard)
                self._progress.start()  # only now: a run with nothing to do shows no bars
            case StageBegan():
                self._finish()
                self._bar = self._progress.add_task(
                    LABELS[event.stage], total=event.total, completed=event.done, failed=""
                )
                self._failed = 0
                self._progress.advance(self._bar, 0)  # so that one with nothing to do counts as finished
            case ItemEnded(outcome):
                assert self._bar is not None
                if outcome.ok:
                    self._progress.advance(self._bar)
                else:  # a bar that is full says that all is done
                    self._failed += 1
                    self._progress.update(self._bar, failed=f"{self._failed} failed")
                    _say("failed", "red", f"{outcome.item.stage} {outcome.item.key}")
            case WorkerLeft(worker, host, left):
                _say("worker left", "yellow", f"{worker} on {host}, {left} remain")
            case ClusterEvent():
                _say("cluster", "yellow", event.words)
            case Waits(words):
                out.print(words, soft_wrap=True)
            case RunEnded():
                self._stop()

    def _finish(self) -> None:
        """Stop the clock of a bar, also of one whose stage left something undone."""
        if self._bar is not None:
            self._progress.stop_task(self._bar)

    def _stop(self) -> None:
        self._finish()
        if self._progress.live.is_started:
            self._progress.stop()


def _say(word: str, style: str, text: str) -> None:
    out.print(Text.assemble((word, style), f" {text}"), soft_wrap=True)


def _show(dashboard: Dashboard) -> None:
    """Say where to watch the run: here, from elsewhere, and through Jupyter."""
    taken = "" if dashboard.taken is None else f" (port {dashboard.taken} is another's)"
    out.print(f"study page: {dashboard.link}{taken}", soft_wrap=True)
    out.print(f"elsewhere:  {dashboard.tunnel}", soft_wrap=True)
    out.print(f"in Jupyter: /proxy/{dashboard.port}/study", soft_wrap=True)
