"""The messages to the page: every fit in its cell, the right counts, and few bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distributed_trf.pipeline.events import ItemEnded, RunEnded, RunStarted, StageBegan
from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.items import Assess, Extract, Fit
from distributed_trf.pipeline.progress_grid import REASONS, ProgressGrid
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.stages.fit import Fitted
from distributed_trf.pipeline.status import Planned, State

LAYERS = {"one": [(0, "first", "conv"), (3, "last", "rnn")], "two": [(0, "mel", "spectrogram")]}


def planned(item, state=State.PENDING, median_r=None):
    return Planned(item, state, "", {}, median_r)


def fits(state=State.PENDING):
    return [
        planned(Fit(stimuli, network, "reset", layer, width), state)
        for stimuli in ("timit", "mvocs")
        for network, layers in LAYERS.items()
        for layer, _, _ in layers
        for width in (50.0, 12.5)
    ]


def ended(item, median_r=None, message=""):
    return ItemEnded(Outcome(item, message, Fitted(median_r=median_r)))


def table(grid, name):
    return json.loads(grid.changes()[name])


def test_grid__puts_every_fit_where_it_belongs():
    grid = ProgressGrid(fits(), LAYERS)
    grid(StageBegan("fit", fits()))
    grid(ended(Fit("mvocs", "one", "reset", 3, 12.5), 0.123456))
    grid(ended(Fit("mvocs", "two", "reset", 0, 12.5), message="no"))
    changed = grid.changes()
    assert json.loads(changed["mvocs 12.5"])["cells"] == [[["w", None], ["d", 0.1235]], [["f", None]]]
    assert json.loads(changed["timit 12.5"])["cells"] == [[["w", None], ["w", None]], [["w", None]]]
    assert grid.changes() == {}  # only what is new
    grid(ended(Fit("timit", "one", "reset", 0, 50.0)))  # of which no unit varies
    (name,) = (changed := grid.changes())
    assert name == "timit 50"
    assert json.loads(changed[name])["cells"][0][0] == ["d", None]
    head = grid.head()
    assert head["fitted"] == {"timit 50": (1, 3), "timit 12.5": (0, 3), "mvocs 50": (0, 3), "mvocs 12.5": (1, 3)}
    (stage,) = head["stages"]
    assert {name: stage[name] for name in ("total", "done", "failed")} == {"total": 12, "done": 2, "failed": 1}
    assert grid.layout()["rows"] == [("one", "reset"), ("two", "reset")]
    assert grid.layout()["layers"] == LAYERS
    assert grid.layout()["tables"][1] == ["timit 12.5", "timit", 12.5]
    position = grid.positions()["fit mvocs-one-reset-03-12.5ms"]
    assert position == ("mvocs 12.5", 0, 1)


def test_grid__of_a_resumed_run_has_what_was_found_before():
    done = planned(Fit("timit", "one", "reset", 0, 50.0), State.DONE, 0.5)
    stale = planned(Fit("timit", "one", "reset", 3, 50.0), State.STALE)
    blocked = planned(Fit("timit", "two", "reset", 0, 50.0), State.WAITING)
    grid = ProgressGrid([done, stale, blocked], LAYERS)
    assert table(grid, "timit 50")["cells"] == [[["e", 0.5], ["w", None]], [["w", None]]]
    grid(StageBegan("fit", [done, stale, blocked]))
    assert table(grid, "timit 50")["cells"] == [[["e", 0.5], ["w", None]], [["b", None]]]
    (stage,) = grid.head()["stages"]
    assert {name: stage[name] for name in ("total", "earlier", "blocked")} == {"total": 3, "earlier": 1, "blocked": 1}


def test_grid__counts_batches_of_each_row():
    extractions = [planned(Extract("timit", network, "reset", k)) for network in LAYERS for k in range(3)]
    grid = ProgressGrid([*extractions, *fits()], LAYERS)
    grid(StageBegan("extract", [planned(extractions[0].item, State.DONE), *extractions[1:]]))
    grid(ended(extractions[1].item))
    assert table(grid, "timit 50")["extracted"] == [[2, 3], [0, 3]]
    assert grid.positions()["extract timit-two-reset-0002"] == ("timit", 1, None)


def test_grid__tells_time_left_of_the_stage_under_way_alone(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    assess = [planned(Assess("timit", 50.0, f"s{k}")) for k in range(4)]
    grid = ProgressGrid([*assess, *fits()], LAYERS)
    grid(RunStarted("study", Path("out"), Path("run"), "local", "cpu", {}, None))
    grid(StageBegan("assess", assess))
    assert [stage["left"] for stage in grid.head()["stages"]] == [None, None]
    now[0] += 10
    grid(ended(assess[0].item))
    assert [stage["left"] for stage in grid.head()["stages"]] == [30.0, None]
    grid(StageBegan("fit", fits()))
    grid(RunEnded("finished", Report()))
    head = grid.head()
    assert [stage["left"] for stage in head["stages"]] == [None, None]
    assert (head["state"], head["ended"]) == ("finished", 1010.0)


def test_grid__groups_failures_by_reason_and_keeps_them_few_and_short():
    items = [Fit("timit", "one", "reset", 0, float(k + 1)) for k in range(200)]
    grid = ProgressGrid([planned(item) for item in items], LAYERS)
    for k, item in enumerate(items):
        grid(ended(item, message="the same" if k < 100 else f"{k} " + "long " * 1000))
    failed = grid.head()["failed"]
    assert failed[0] == {"reason": "the same", "first": f"fit {items[0].key}", "items": 100}
    assert len(failed) == REASONS + 1
    assert sum(entry["items"] for entry in failed) == 200
    assert len(json.dumps(failed)) < 20_000


@pytest.mark.parametrize(("networks", "layers", "limit"), [(28, 10, 8_000), (500, 100, 700_000)])
def test_grid__stays_small(networks, layers, limit):
    """The study of Ahmed et al. (2025), and one of 50 000 fits."""
    names = {f"network_{k}": [(i, f"layer_{i}", "conv") for i in range(layers)] for k in range(networks)}
    items = [Fit("timit", name, "trained", i, 50.0) for name, of in names.items() for i, _, _ in of]
    grid = ProgressGrid([planned(item) for item in items], names)
    grid(StageBegan("fit", [planned(item) for item in items]))
    for item in items:
        grid(ended(item, 0.123456789))
    assert len(grid.changes()["timit 50"]) < limit
    assert len(json.dumps(grid.head())) < 2_000
