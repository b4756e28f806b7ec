"""The events of a run as JSON lines: complete, in order, and no reason to lose a run."""

from __future__ import annotations

import json
import resource
from datetime import UTC, datetime, timedelta

import pytest

from distributed_trf import Study
from distributed_trf.pipeline.events import ClusterEvent, EventLog, StageBegan

MEL = [{"name": "mel_librosa"}]


def lines(study):
    (run,) = (study.output / "runs").iterdir()
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def test_log__tells_of_every_stage_and_item_in_order(write_study, workplace):
    write_study(networks=[*MEL, {"name": "small_whisper", "weights": ["trained"], "source": "nowhere", "layers": [1]}])
    study, seen = Study.load("study.yaml"), []
    report = study.run(recipe=None, watcher=seen.append)
    found = lines(study)
    assert [line["event"] for line in (found[0], found[-1])] == ["run started", "run finished"]
    assert found[0]["study"] == "small"
    assert found[0]["cluster"] == "this process"
    assert len(found) == len(seen)  # every watcher receives the same

    times = [datetime.fromisoformat(line["time"]) for line in found]
    assert times == sorted(times)
    assert all(time.utcoffset() == timedelta(0) for time in times)
    assert abs(datetime.now(UTC) - times[-1]) < timedelta(minutes=5)

    done = [line for line in found if line["event"] == "item done"]
    assert len(done) == sum(report.done.values())
    assert all(line["seconds"] >= 0 and line["host"] and line["process"] for line in done)
    (fit,) = [line for line in done if line["stage"] == "fit"]
    assert set(fit["timings"]) >= {"load", "moments", "search", "factorise", "write"}
    assert fit["median_r"] > 0.2
    failed = [line for line in found if line["event"] == "item failed"]
    assert {f"{line['stage']} {line['key']}" for line in failed} == set(report.failed)
    assert all("nowhere" in line["reason"] for line in failed)
    stages = [line for line in found if line["event"] == "stage began"]
    assert [line["stage"] for line in stages] == ["read", "assess", "extract", "fit"]
    assert stages[-1] == {**stages[-1], "pending": 1, "waiting": 1}


def test_log__of_an_interrupted_run_says_so(write_study):
    write_study(networks=MEL)
    study = Study.load("study.yaml")

    def stop(event):
        if isinstance(event, StageBegan) and event.stage == "extract":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.run(recipe=None, watcher=stop)
    last = lines(study)[-1]
    assert last["event"] == "run interrupted"
    assert last["done"]["read"] == 3
    (manifest,) = study.output.glob("runs/*/manifest.json")
    assert json.loads(manifest.read_text())["state"] == "interrupted"


def test_full_disk__loses_lines_and_neither_the_run_nor_later_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        log(ClusterEvent({"action": "first"}))
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
        try:
            log(ClusterEvent({"action": "second"}))  # of which there is room for a part
            log(ClusterEvent({"action": "third"}))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        log(ClusterEvent({"action": "fourth"}))
    first, torn, fourth = path.read_text().splitlines()
    assert json.loads(first)["action"] == "first"
    assert json.loads(fourth)["action"] == "fourth"
    assert len(torn) == 20
