"""The status of a study while it runs: the stages, and the grid of networks and layers filled with median r.

It is made to be small: a page asks for it every other second, of a study of any size.
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
"""Different reasons of failures that are listed; of further ones only the number of items."""
REASON_LENGTH = 600

Slice = tuple[str, float]
"""Stimulus set and bin width in ms: one table of networks and layers."""


class Cell(StrEnum):
    """Status of a fit; one letter each, since there are thousands."""

    WAITING = "w"
    BLOCKED = "b"
    """Something that it depends on is missing."""
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
        """Return the seconds that it will take if its items go on as they did; None if it is not under way."""
        now = self.done + self.failed
        if self.began is None or self.ended is not None or not now:
            return None
        remaining = self.total - self.earlier - self.blocked - now
        return round((time.time() - self.began) / now * remaining, 1)


class ProgressGrid:
    """Watch a run and keep what a page shows of it.

    Parameters
    ----------
    planned
        All items of the study as they stood before the run.
    layers
        For each network ids, names and types of its layers.
    """

    def __init__(self, planned: Sequence[Planned], layers: Mapping[str, Sequence[tuple[int, str, str]]]) -> None:
        fits = [p.item for p in planned if isinstance(p.item, Fit)]
        self._slices: list[Slice] = list(dict.fromkeys((fit.stimuli, fit.bin_width) for fit in fits))
        self._rows = list(dict.fromkeys((fit.network, fit.weights) for fit in fits))
        self._layers = [list(layers[network]) for network, _ in self._rows]
        self._cells: dict[Slice, list[list[tuple[str, float | None]]]] = {
            of: [[(Cell.WAITING, None)] * len(row) for row in self._layers] for of in self._slices
        }
        self._extracted = {stimuli: [[0, 0] for _ in self._rows] for stimuli, _ in self._slices}
        rows = {row: k for k, row in enumerate(self._rows)}
        columns = [{layer: k for k, (layer, *_) in enumerate(of_row)} for of_row in self._layers]
        self._position: dict[Item, tuple[int, int]] = {}
        """Row and column of fits; row and batch of extractions."""
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
        """Take note of an event."""
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
                    self._set(outcome.item, cell, outcome.found.remarks().median_r)
                case RunEnded(state):
                    self._finish_stages()
                    self._run |= {"state": state, "ended": time.time()}

    def layout(self) -> dict[str, Any]:
        """Return what stays as it is: tables, the network and weights of each row, and the layers of each network."""
        layers = {network: of_row for (network, _), of_row in zip(self._rows, self._layers, strict=True)}
        return {"tables": [[name_of(of), *of] for of in self._slices], "rows": self._rows, "layers": layers}

    def positions(self) -> dict[str, tuple[str, int, int | None]]:
        """Return table, row and column of fits, by stage and key; of extractions stimulus set, row and None."""
        return {
            f"{item.stage} {item.key}": (name_of((item.stimuli, item.bin_width)), row, column)
            if isinstance(item, Fit)
            else (item.stimuli, row, None)
            for item, (row, column) in self._position.items()
        }

    def head(self) -> dict[str, Any]:
        """Return what is known of the run and its stages, and why items failed."""
        with self._lock:
            stages = [{"name": name, **asdict(s), "left": s.left()} for name, s in self._stages.items()]
            reasons = [{"reason": why, "first": first, "items": n} for why, (first, n) in self._reasons.items()]
            fitted = {name_of(of): _fitted(table) for of, table in self._cells.items()}
            return {**self._run, "stages": stages, "failed": reasons, "fitted": fitted}

    def changes(self) -> dict[str, str]:
        """Return as JSON the tables that are not as they were when this was asked last, by ``name_of`` their slice."""
        with self._lock:
            found = {
                name_of(of): json.dumps(
                    {"name": name_of(of), "cells": self._cells[of], "extracted": self._extracted[of[0]]},
                    separators=(",", ":"),
                )
                for of in self._changed
            }
            self._changed.clear()
        return found

    def _survey(self, planned: Iterable[Planned]) -> None:
        """Fill in what earlier runs did."""
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
        """Put a fit into its cell; an extraction that is done counts for its row."""
        if isinstance(item, Fit):
            of, (row, column) = (item.stimuli, item.bin_width), self._position[item]
            self._cells[of][row][column] = (cell, None if median_r is None else round(median_r, 4))
            self._changed.add(of)
        elif isinstance(item, Extract) and cell in (Cell.DONE, Cell.EARLIER):
            self._extracted[item.stimuli][self._position[item][0]][0] += 1
            self._changed.update(of for of in self._slices if of[0] == item.stimuli)

    def _fail(self, item: Item, message: str) -> None:
        message = message if len(message) <= REASON_LENGTH else message[:REASON_LENGTH] + " ..."
        if message not in self._reasons and len(self._reasons) >= REASONS:
            message = f"others, for more than {REASONS} reasons; see them with dtrf status --all"
        self._reasons.setdefault(message, [f"{item.stage} {item.key}", 0])[1] += 1


def name_of(of: Slice) -> str:
    """Name a table.

    Examples
    --------
    >>> name_of(("timit", 50.0))
    'timit 50'
    """
    return f"{of[0]} {of[1]:g}"


def _fitted(table: Sequence[Sequence[tuple[str, float | None]]]) -> tuple[int, int]:
    """Count the fits of a table that are done, and all."""
    states = [state for row in table for state, _ in row]
    return sum(state in (Cell.DONE, Cell.EARLIER) for state in states), len(states)
