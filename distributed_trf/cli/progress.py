"""A run on the terminal: one bar per stage."""

from __future__ import annotations

from pathlib import Path
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

from distributed_trf.cli.console import out
from distributed_trf.pipeline.execute import Outcome

LABELS = {
    "read": "read recordings",
    "assess": "assess units",
    "extract": "extract features",
    "fit": "fit layers",
    "analyse": "analyses",
}


class Bars:
    """Watch a run with a bar per stage; failures are printed as they come."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<17}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=out,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:
            self._progress.stop()

    def started(self, dashboard: str | None, folder: Path) -> None:
        """Say where to watch, and show the bars: a run with nothing to do shows none."""
        if dashboard:
            out.print(f"dashboard: {dashboard}", soft_wrap=True)
        self._progress.start()

    def stage(self, name: str, *, todo: int, done: int) -> None:
        """Begin a bar; items done before count as done."""
        self._bar = self._progress.add_task(LABELS[name], total=todo + done, completed=done)

    def finished(self, outcome: Outcome) -> None:
        """Advance the bar."""
        assert self._bar is not None
        self._progress.advance(self._bar)
        if not outcome.ok:
            out.print(f"[red]failed[/] {outcome.item.stage} {outcome.item.key}", soft_wrap=True)

    def waits(self, text: str) -> None:
        """Say what an element of a job array waits for."""
        out.print(text, soft_wrap=True, markup=False)
