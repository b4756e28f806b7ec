"""What a run prints: where to watch it, in lines that fit a terminal, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from distributed_trf.cli.progress import Bars
from distributed_trf.pipeline.events import (
    ClusterEvent,
    Dashboard,
    ItemEnded,
    RunEnded,
    RunStarted,
    StageBegan,
    WorkerLeft,
)
from distributed_trf.pipeline.execute import Outcome
from distributed_trf.pipeline.items import Assess
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.status import Planned, State

ITEMS = [Assess("timit", 50.0, f"session-{k}") for k in range(4)]


def started(dashboard=None):
    return RunStarted("study", Path("out"), Path("run"), "local", "cpu", {}, dashboard)


def printed(capsys, *events):
    with Bars() as bars:
        for event in events:
            bars(event)
    return capsys.readouterr().out


@pytest.mark.parametrize("taken", [None, 8787])
def test_run__says_where_to_watch_it(capsys, monkeypatch, taken):
    monkeypatch.setenv("LOGNAME", "someone")
    out = printed(capsys, started(Dashboard("http://127.0.0.1:40123/study", 40123, "login-2.site.edu", taken)))
    lines = out.splitlines()[:3]
    assert "http://127.0.0.1:40123/study" in lines[0]
    assert ("port 8787 is another's" in lines[0]) == (taken is not None)
    assert lines[1].endswith("ssh -N -L 40123:127.0.0.1:40123 someone@login-2.site.edu")
    assert lines[2].endswith("/proxy/40123/study")
    assert all(len(line) <= 80 for line in lines)


def test_bars__count_what_can_be_done_and_name_what_failed(capsys):
    states = [State.DONE, State.PENDING, State.STALE, State.WAITING]
    planned = [Planned(item, state, "", None) for item, state in zip(ITEMS, states, strict=True)]
    out = printed(
        capsys,
        started(),
        StageBegan("assess", planned),
        ItemEnded(Outcome(ITEMS[1])),
        ItemEnded(Outcome(ITEMS[2], "why")),
        WorkerLeft("tcp://10.0.0.7:4321", "node-7", 3),
        ClusterEvent({"action": "job submitted anew", "job": "[123]"}),
        RunEnded("finished", Report()),
    )
    assert "http" not in out
    assert "failed assess timit-50ms-session-2" in out
    assert "worker left tcp://10.0.0.7:4321 on node-7, 3 remain" in out
    assert "cluster job submitted anew, job [123]" in out
    last = out.splitlines()[-1]
    assert "2/3" in last
    assert last.rstrip().endswith("1 failed")


def test_stage_with_nothing_to_do__does_not_seem_to_go_on(capsys):
    done = [Planned(item, State.DONE, "", {}) for item in ITEMS]
    out = printed(capsys, started(), StageBegan("assess", done), RunEnded("finished", Report()))
    assert out.splitlines()[-1].split() == ["assess", "units", "━" * 24, "4/4", "0:00:00", "left", "0:00:00"]
