"""The progress of a running study: its stages, and the grid of networks and layers filled with median r.

It is small, since a page requests it every two seconds for a study of any size.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from distributed_trf.pipeline.events import Event, ItemEnded, RunEnded, RunStarted, StageBegan
from distributed_trf.pipeline.items import EXTRACT, Extract, Fit, Item
from distributed_trf.pipeline.status import Planned, State

REASONS = 20
"""Number of failure reasons that are listed; items with further reasons are only counted."""
REASON_LENGTH = 600

Slice = tuple[str, float]
"""Stimulus set and bin width in ms: one table of networks and layers."""


class Cell(StrEnum):
    """Status of a fit in one letter, since there are thousands of fits."""

    WAITING = "w"
    BLOCKED = "b"
    """One of its inputs is missing."""
    DONE = "d"
    EARLIER = "e"
    """Done in an earlier run."""
    FAILED = "f"


@dataclass
class StageProgress:
    """How many of a stage's items are done, and when it began and ended, in seconds since 1970."""

    total: int = 0
    done: int = 0
    earlier: int = 0
    """Done in an earlier run."""
    failed: int = 0
    blocked: int = 0
    began: float | None = None
    ended: float | None = None

    def left(self) -> float | None:
        """Return the seconds left, from the mean time per item; None if the stage is not running."""
        ended = self.done + self.failed
        if self.began is None or self.ended is not None or not ended:
            return None
        remaining = self.total - self.earlier - self.blocked - ended
        return round((time.time() - self.began) / ended * remaining, 1)


class ProgressGrid:
    """Watch a run and keep what its page shows.

    Parameters
    ----------
    planned
        All items of the study with their status before the run.
    layers
        Ids, names and types of the layers of each network.
    """

    def __init__(self, planned: Sequence[Planned], layers: Mapping[str, Sequence[tuple[int, str, str]]]) -> None:
        fits = [p.item for p in planned if isinstance(p.item, Fit)]
        self._slices: list[Slice] = list(dict.fromkeys((fit.stimuli, fit.bin_width) for fit in fits))
        self._rows = list(dict.fromkeys((fit.network, fit.weights) for fit in fits))
        self._layers = [list(layers[network]) for network, _ in self._rows]
        self._cells: dict[Slice, list[list[tuple[str, float | None]]]] = {
            table: [[(Cell.WAITING, None)] * len(row) for row in self._layers] for table in self._slices
        }
        self._extracted = {stimuli: [[0, 0] for _ in self._rows] for stimuli, _ in self._slices}
        rows = {row: k for k, row in enumerate(self._rows)}
        columns = [{layer: k for k, (layer, *_) in enumerate(layers_of_row)} for layers_of_row in self._layers]
        self._position: dict[Item, tuple[int, int]] = {}
        """Row and column of each fit; row and batch of each extraction."""
        for item in (p.item for p in planned):
            if isinstance(item, Fit):
                row = rows[item.network, item.weights]
                self._position[item] = row, columns[row][item.layer]
            elif isinstance(item, Extract):
                row = rows[item.network, item.weights]
                self._extracted[item.stimuli][row][1] += 1
                self._position[item] = row, item.batch
        self._stages: dict[str, StageProgress] = {}
        for p in planned:
            self._stages.setdefault(p.item.stage, StageProgress()).total += 1
        self._run: dict[str, Any] = {"state": "starting", "began": time.time(), "ended": None}
        self._reasons: dict[str, list[Any]] = {}
        self._lock = threading.Lock()
        self._changed: set[Slice] = set()
        self._survey(planned)

    def __call__(self, event: Event) -> None:
        """Update the progress from an event."""
        with self._lock:
            match event:
                case RunStarted():
                    self._run |= {"state": "running", "study": event.study, "output": str(event.output)}
                    self._run |= {"cluster": event.cluster, "device": event.device, "run": event.folder.name}
                case StageBegan(stage, planned):
                    self._begin(stage, planned)
                case ItemEnded(outcome):
                    progress = self._stages[outcome.item.stage]
                    if outcome.ok:
                        progress.done += 1
                    else:
                        progress.failed += 1
                        self._fail(outcome.item, outcome.message)
                    cell = Cell.DONE if outcome.ok else Cell.FAILED
                    self._set(outcome.item, cell, outcome.finding.remarks().median_r)
                case RunEnded(state):
                    self._finish_stages()
                    self._run |= {"state": state, "ended": time.time()}

    def layout(self) -> dict[str, Any]:
        """Return what does not change: tables, network and weights of each row, and layers of each network."""
        layers = {network: row_layers for (network, _), row_layers in zip(self._rows, self._layers, strict=True)}
        return {"tables": [[table_name(table), *table] for table in self._slices], "rows": self._rows, "layers": layers}

    def positions(self) -> dict[str, tuple[str, int, int | None]]:
        """Return table, row and column of fits, and stimulus set, row and None of extractions, by stage and key."""
        return {
            f"{item.stage} {item.key}": (table_name((item.stimuli, item.bin_width)), row, column)
            if isinstance(item, Fit)
            else (item.stimuli, row, None)
            for item, (row, column) in self._position.items()
        }

    def head(self) -> dict[str, Any]:
        """Return the state of the run and its stages, and why items failed."""
        with self._lock:
            stages = [{"name": name, **asdict(s), "left": s.left()} for name, s in self._stages.items()]
            reasons = [{"reason": why, "first": first, "items": n} for why, (first, n) in self._reasons.items()]
            fitted = {table_name(table): _fitted(cells) for table, cells in self._cells.items()}
            return {**self._run, "stages": stages, "failed": reasons, "fitted": fitted}

    def changes(self) -> dict[str, str]:
        """Return as JSON the tables that have changed since the last call, by name."""
        with self._lock:
            changed = {
                (name := table_name(table)): json.dumps(
                    {"name": name, "cells": self._cells[table], "extracted": self._extracted[table[0]]},
                    separators=(",", ":"),
                )
                for table in self._changed
            }
            self._changed.clear()
        return changed

    def _survey(self, planned: Iterable[Planned]) -> None:
        """Enter what earlier runs did."""
        for p in planned:
            if p.state is State.DONE:
                self._stages[p.item.stage].earlier += 1
                self._set(p.item, Cell.EARLIER, p.median_r)
        self._changed.update(self._slices)

    def _begin(self, stage: str, planned: Sequence[Planned]) -> None:
        self._finish_stages()
        progress = self._stages[stage] = StageProgress(total=len(planned), began=time.time())
        if stage == EXTRACT:
            for row in (row for rows in self._extracted.values() for row in rows):
                row[0] = 0
        for p in planned:
            if p.state is State.DONE:
                progress.earlier += 1
                self._set(p.item, Cell.EARLIER, p.median_r)
            elif p.state is State.WAITING:
                progress.blocked += 1
                self._set(p.item, Cell.BLOCKED)
            elif isinstance(p.item, Fit):
                self._set(p.item, Cell.WAITING)

    def _finish_stages(self) -> None:
        for stage in self._stages.values():
            if stage.began and not stage.ended:
                stage.ended = time.time()

    def _set(self, item: Item, cell: Cell, median_r: float | None = None) -> None:
        """Set the cell of a fit; count an extraction that is done in its row."""
        if isinstance(item, Fit):
            table, (row, column) = (item.stimuli, item.bin_width), self._position[item]
            self._cells[table][row][column] = (cell, None if median_r is None else round(median_r, 4))
            self._changed.add(table)
        elif isinstance(item, Extract) and cell in (Cell.DONE, Cell.EARLIER):
            self._extracted[item.stimuli][self._position[item][0]][0] += 1
            self._changed.update(table for table in self._slices if table[0] == item.stimuli)

    def _fail(self, item: Item, message: str) -> None:
        message = message if len(message) <= REASON_LENGTH else message[:REASON_LENGTH] + " ..."
        if message not in self._reasons and len(self._reasons) >= REASONS:
            message = f"others, for more than {REASONS} reasons; see them with dtrf status --all"
        self._reasons.setdefault(message, [f"{item.stage} {item.key}", 0])[1] += 1


def table_name(table: Slice) -> str:
    """Name a table.

    Examples
    --------
    >>> table_name(("timit", 50.0))
    'timit 50'
    """
    return f"{table[0]} {table[1]:g}"


def _fitted(cells: Sequence[Sequence[tuple[str, float | None]]]) -> tuple[int, int]:
    """Count the fits of a table that are done, and all fits."""
    states = [state for row in cells for state, _ in row]
    return sum(state in (Cell.DONE, Cell.EARLIER) for state in states), len(states)
