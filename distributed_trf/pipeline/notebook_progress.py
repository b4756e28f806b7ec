"""A run in a notebook: where to watch it and a bar for each stage, as HTML that stays in the saved notebook."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from distributed_trf.pipeline.events import (
    ClusterEvent,
    Dashboard,
    Event,
    ItemEnded,
    RunEnded,
    RunStarted,
    StageBegan,
    Waits,
    Watcher,
    WorkerLeft,
)
from distributed_trf.pipeline.items import LABELS

INTERVAL = 0.2
"""Seconds between two drawings at least; items may end by the thousand in a second."""
SHOWN = 10
"""Lines of what went wrong, before the rest is counted."""
CELL = "text-align:left; white-space:nowrap; padding:0 1em 0 0"
"""Style of a cell, also where no style sheet of Jupyter is."""
HUB = "JUPYTERHUB_SERVICE_PREFIX"
"""Variable with the path below which a JupyterHub serves this kernel's user, such as ``/user/ada/``."""


def notebook_bars() -> Watcher | None:
    """Return what shows a run below the cell of a notebook that starts it; None outside notebooks."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return NotebookBars() if getattr(shell, "kernel", None) is not None else None


@dataclass
class StageBar:
    """How far a stage is."""

    label: str
    total: int
    done: int
    failed: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    ended_now: int = 0
    """Items that ended since it began; those done before tell nothing of the time that is left."""

    def row(self) -> str:
        """Write the stage as a row of a table."""
        seconds = (time.monotonic() if self.ended is None else self.ended) - self.began
        open_items = self.total - self.done - self.failed
        left = ""
        if open_items and self.ended_now and self.ended is None:
            left = f"about {_clock(seconds / self.ended_now * open_items)} left"
        cells = (
            self.label,
            f'<progress value="{self.done}" max="{max(self.total, 1)}"></progress>',
            f"{self.done}/{self.total}",
            _clock(seconds),
            f"<b>{self.failed} failed</b>" if self.failed else "",
            left,
        )
        return "<tr>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in cells) + "</tr>"


class NotebookBars:
    """Watch a run below a cell: a link to its page, a bar for each stage, and what went wrong."""

    def __init__(self) -> None:
        self._links = ""
        self._bars: list[StageBar] = []
        self._said: list[str] = []
        self._drawn = 0.0
        self._output: Any = None

    def __call__(self, event: Event) -> None:
        """Show an event."""
        at_once = True
        match event:
            case RunStarted():
                self._links = "" if event.dashboard is None else _links(event.dashboard)
            case StageBegan():
                self._end_bar()
                self._bars.append(StageBar(LABELS[event.stage], event.total, event.done))
            case ItemEnded(outcome):
                bar = self._bars[-1]
                bar.ended_now += 1
                at_once = not outcome.ok
                if outcome.ok:
                    bar.done += 1
                else:
                    bar.failed += 1
                    self._said.append(f"failed {outcome.item.stage} {outcome.item.key}")
            case WorkerLeft(worker, host, left):
                self._said.append(f"worker left: {worker} on {host}, {left} remain")
            case ClusterEvent() | Waits():
                self._said.append(event.words)
            case RunEnded():
                self._end_bar()
        if at_once or time.monotonic() - self._drawn > INTERVAL:
            self._draw()

    def _end_bar(self) -> None:
        if self._bars and self._bars[-1].ended is None:
            self._bars[-1].ended = time.monotonic()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        shown = HTML(_page(self._links, [bar.row() for bar in self._bars], self._said))
        if self._output is None:
            self._output = display(shown, display_id=True)
        else:
            self._output.update(shown)
        self._drawn = time.monotonic()


def _links(dashboard: Dashboard) -> str:
    """Write links to the page of a run: here, through a JupyterHub, and from elsewhere."""
    hub = os.environ.get(HUB)
    proxied = None if hub is None else f"{hub.rstrip('/')}/proxy/{dashboard.port}/study"
    ways = [escape(link) for link in (proxied, dashboard.link) if link is not None]
    shown = [f'<a href="{way}" target="_blank">{way}</a>' for way in ways]
    return f"<p>Study page: {' or '.join(shown)}; from elsewhere <code>{escape(dashboard.tunnel)}</code></p>"


def _page(head: str, rows: Sequence[str], said: Sequence[str]) -> str:
    lines = [escape(text) for text in said[:SHOWN]]
    if len(said) > SHOWN:
        lines.append(f"... and {len(said) - SHOWN} more")
    return head + f"<table>{''.join(rows)}</table>" + "".join(f"<p>{line}</p>" for line in lines)


def _clock(seconds: float) -> str:
    """Write a time as minutes and seconds, and hours if there are any.

    Examples
    --------
    >>> _clock(75), _clock(7505)
    ('1:15', '2:05:05')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
