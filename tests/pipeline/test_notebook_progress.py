"""What a run shows below the cell that starts it: links, bars that keep up, and what went wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from distributed_trf.pipeline import notebook_progress
from distributed_trf.pipeline.events import ClusterEvent, Dashboard, ItemEnded, RunEnded, RunStarted, StageBegan
from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.items import Assess
from distributed_trf.pipeline.notebook_progress import SHOWN, NotebookBars, StageBar, notebook_bars
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.status import Planned, State

STATES = (State.DONE, State.DONE, State.PENDING, State.STALE, State.FAILED, State.WAITING)
ITEMS = [Assess("timit", 50.0, f"session-{k}") for k in range(len(STATES))]
PLANNED = [Planned(item, state, "", None) for item, state in zip(ITEMS, STATES, strict=True)]
DASHBOARD = Dashboard("http://127.0.0.1:40123/study", 40123, "login-2", None)


def shown(*events):
    """Return what stands below the cell after each of the events, as IPython publishes it."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            bars = NotebookBars()
            for event in events:
                bars(event)
    finally:
        InteractiveShell.clear_instance()
    return [output.data["text/html"] for output in captured.outputs]


def started(dashboard=None):
    return RunStarted("study", Path("out"), Path("run"), "local", "cpu", {}, dashboard)


def test_bars__keep_up_with_the_run(monkeypatch):
    monkeypatch.setattr(notebook_progress, "INTERVAL", 0.0)
    begun, first, last, over = shown(
        StageBegan("assess", PLANNED),
        ItemEnded(Outcome(ITEMS[2])),
        ItemEnded(Outcome(ITEMS[3], "why")),
        RunEnded("finished", Report()),
    )
    assert '<progress value="2" max="5">' in begun
    assert "2/5" in begun
    assert " left<" not in begun  # nothing is known of it yet
    assert "3/5" in first
    assert "about 0:00 left" in first
    assert "1 failed" in last
    assert "failed assess timit" in last
    assert " left<" not in over


def test_time_left__follows_from_the_items_that_ended_now():
    bar = StageBar("fit layers", total=6, done=3, ended_now=2, began=time.monotonic() - 30)  # three are to come
    assert "about 0:45 left" in bar.row()


def test_failure__is_shown_at_once():
    _, drawn, *_ = shown(StageBegan("assess", PLANNED), ItemEnded(Outcome(ITEMS[2], "why")))
    assert "1 failed" in drawn


def test_bars__are_not_drawn_for_each_of_many_items():
    many = [ItemEnded(Outcome(ITEMS[2])) for _ in range(1000)]
    drawn = shown(StageBegan("assess", PLANNED), *many, RunEnded("finished", Report()))
    assert 2 <= len(drawn) < 100
    assert "1002/5" in drawn[-1]  # the last state is always drawn


@pytest.mark.parametrize("hub", [None, "/user/ada/"])
def test_links__lead_to_the_page_here_and_through_a_hub(monkeypatch, hub):
    monkeypatch.delenv(notebook_progress.HUB, raising=False)
    monkeypatch.setenv("LOGNAME", "ada")
    if hub is not None:
        monkeypatch.setenv(notebook_progress.HUB, hub)
    (drawn,) = shown(started(DASHBOARD))
    assert '<a href="http://127.0.0.1:40123/study"' in drawn
    assert ('<a href="/user/ada/proxy/40123/study"' in drawn) == (hub is not None)
    assert "ssh -N -L 40123:127.0.0.1:40123 ada@login-2" in drawn


def test_messages__are_text_and_not_endless():
    (*_, drawn) = shown(started(), *(ClusterEvent({"action": f"<b>{k}</b>"}) for k in range(SHOWN + 3)))
    assert "&lt;b&gt;0&lt;/b&gt;" in drawn
    assert "... and 3 more" in drawn
    assert drawn.count("<p>") == SHOWN + 1


def test_notebook_bars__are_for_notebooks_only():
    assert notebook_bars() is None
