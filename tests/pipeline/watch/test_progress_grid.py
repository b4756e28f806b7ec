"""What the page is told: every fit in its place, the right counts, and little of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.items import Assess, Extract, Fit
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.stages.fit import Fitted
from distributed_trf.pipeline.status import Planned, State
from distributed_trf.pipeline.watch.events import ItemEnded, RunEnded, RunStarted, StageBegan
from distributed_trf.pipeline.watch.progress_grid import REASONS, ProgressGrid

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


def table(board, name):
    return json.loads(board.changes()[name])


def test_board__puts_every_fit_where_it_belongs():
    board = ProgressGrid(fits(), LAYERS)
    board(StageBegan("fit", fits()))
    board(ended(Fit("mvocs", "one", "reset", 3, 12.5), 0.123456))
    board(ended(Fit("mvocs", "two", "reset", 0, 12.5), message="no"))
    changed = board.changes()
    assert json.loads(changed["mvocs 12.5"])["cells"] == [[["w", None], ["d", 0.1235]], [["f", None]]]
    assert json.loads(changed["timit 12.5"])["cells"] == [[["w", None], ["w", None]], [["w", None]]]
    assert board.changes() == {}  # only what is new
    board(ended(Fit("timit", "one", "reset", 0, 50.0)))  # of which no unit varies
    (name,) = (changed := board.changes())
    assert name == "timit 50"
    assert json.loads(changed[name])["cells"][0][0] == ["d", None]
    head = board.head()
    assert head["fitted"] == {"timit 50": (1, 3), "timit 12.5": (0, 3), "mvocs 50": (0, 3), "mvocs 12.5": (1, 3)}
    (stage,) = head["stages"]
    assert {name: stage[name] for name in ("total", "done", "failed")} == {"total": 12, "done": 2, "failed": 1}
    assert board.layout()["rows"] == [("one", "reset"), ("two", "reset")]
    assert board.layout()["layers"] == LAYERS
    assert board.layout()["tables"][1] == ["timit 12.5", "timit", 12.5]
    place = board.places()["fit mvocs-one-reset-03-12.5ms"]
    assert place == ("mvocs 12.5", 0, 1)


def test_board__of_a_resumed_run_has_what_was_found_before():
    done = planned(Fit("timit", "one", "reset", 0, 50.0), State.DONE, 0.5)
    stale = planned(Fit("timit", "one", "reset", 3, 50.0), State.STALE)
    blocked = planned(Fit("timit", "two", "reset", 0, 50.0), State.WAITING)
    board = ProgressGrid([done, stale, blocked], LAYERS)
    assert table(board, "timit 50")["cells"] == [[["e", 0.5], ["w", None]], [["w", None]]]
    board(StageBegan("fit", [done, stale, blocked]))
    assert table(board, "timit 50")["cells"] == [[["e", 0.5], ["w", None]], [["b", None]]]
    (stage,) = board.head()["stages"]
    assert {name: stage[name] for name in ("total", "earlier", "blocked")} == {"total": 3, "earlier": 1, "blocked": 1}


def test_board__counts_batches_of_each_row():
    heard = [planned(Extract("timit", network, "reset", k)) for network in LAYERS for k in range(3)]
    board = ProgressGrid([*heard, *fits()], LAYERS)
    board(StageBegan("extract", [planned(heard[0].item, State.DONE), *heard[1:]]))
    board(ended(heard[1].item))
    assert table(board, "timit 50")["heard"] == [[2, 3], [0, 3]]
    assert board.places()["extract timit-two-reset-0002"] == ("timit", 1, None)


def test_board__tells_time_left_of_the_stage_under_way_alone(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    assess = [planned(Assess("timit", 50.0, f"s{k}")) for k in range(4)]
    board = ProgressGrid([*assess, *fits()], LAYERS)
    board(RunStarted("study", Path("out"), Path("run"), "local", "cpu", {}, None))
    board(StageBegan("assess", assess))
    assert [stage["left"] for stage in board.head()["stages"]] == [None, None]
    now[0] += 10
    board(ended(assess[0].item))
    assert [stage["left"] for stage in board.head()["stages"]] == [30.0, None]
    board(StageBegan("fit", fits()))
    board(RunEnded("finished", Report()))
    head = board.head()
    assert [stage["left"] for stage in head["stages"]] == [None, None]
    assert (head["state"], head["ended"]) == ("finished", 1010.0)


def test_board__groups_failures_by_reason_and_keeps_them_few_and_short():
    items = [Fit("timit", "one", "reset", 0, float(k + 1)) for k in range(200)]
    board = ProgressGrid([planned(item) for item in items], LAYERS)
    for k, item in enumerate(items):
        board(ended(item, message="the same" if k < 100 else f"{k} " + "long " * 1000))
    failed = board.head()["failed"]
    assert failed[0] == {"reason": "the same", "first": f"fit {items[0].key}", "items": 100}
    assert len(failed) == REASONS + 1
    assert sum(entry["items"] for entry in failed) == 200
    assert len(json.dumps(failed)) < 20_000


@pytest.mark.parametrize(("networks", "layers", "limit"), [(28, 10, 8_000), (500, 100, 700_000)])
def test_board__stays_small(networks, layers, limit):
    """The study of Ahmed et al. (2025), and one of 50 000 fits."""
    names = {f"network_{k}": [(i, f"layer_{i}", "conv") for i in range(layers)] for k in range(networks)}
    items = [Fit("timit", name, "trained", i, 50.0) for name, of in names.items() for i, _, _ in of]
    board = ProgressGrid([planned(item) for item in items], names)
    board(StageBegan("fit", [planned(item) for item in items]))
    for item in items:
        board(ended(item, 0.123456789))
    assert len(board.changes()["timit 50"]) < limit
    assert len(json.dumps(board.head())) < 2_000
