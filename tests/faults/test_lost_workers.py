"""Workers that are lost for good: the run says so instead of waiting, and loses nothing."""

from __future__ import annotations

import threading
import time

import psutil
import pytest

from distributed_trf import Study
from distributed_trf.clusters import dask_settings
from distributed_trf.clusters.start import start_cluster
from distributed_trf.errors import WorkersLostError
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dask_run import run_on
from distributed_trf.pipeline.prepare import tasks
from distributed_trf.pipeline.run_record import new_run
from distributed_trf.pipeline.status import survey
from distributed_trf.store.study_store import StudyStore
from tests.faults.conftest import workers_of


def tasks_of(path, stage="read"):
    study = Study.load(path)
    StudyStore.create(study.output)
    context = open_context(study.settings)
    return tasks(context, survey(context, stage), device="cpu", run=new_run(context.store.runs), limit=None)


def test_no_worker_left__ends_the_run_with_what_is_done_kept(write_study, monkeypatch):
    tasks = tasks_of(write_study(networks=[{"name": "mel_librosa"}]))
    monkeypatch.setattr(dask_settings, "_no_workers_timeout", lambda recipe: "2s")
    with start_cluster("local", workers=1) as client:
        outcomes = run_on(client, tasks[:1], attempts=3)
        assert next(outcomes).ok
        client.cluster.scale(0)
        until = time.monotonic() + 60
        while client.scheduler_info()["workers"]:  # it may take an item before it goes
            assert time.monotonic() < until
            time.sleep(0.05)
        with pytest.raises(WorkersLostError, match="more memory"):
            list(run_on(client, tasks[1:], attempts=3))
    assert [p.state for p in Study.load("study.yaml").status()[:3]] == ["done", "pending", "pending"]


def test_item_that_loses_its_worker_every_time__fails_alone_and_names_the_remedy(write_study, monkeypatch):
    """As when an item needs more memory than its worker has: here the worker is killed whenever it is given one.

    The item is an extraction, for which a new worker imports libraries for seconds.
    """
    write_study(networks=[{"name": "small_whisper", "weights": ["reset"]}])
    assert Study.load("study.yaml").run(recipe=None).ok
    networks = [{"name": "small_whisper", "weights": ["reset"]}]
    (task,) = tasks_of(write_study(networks=networks, extraction={"batch": 24}), "extract")
    monkeypatch.setitem(dask_settings.SCHEDULER_SETTINGS, "distributed.scheduler.allowed-failures", 1)
    over = threading.Event()
    with start_cluster("local", workers=1) as client:
        killer = threading.Thread(target=kill_whoever_has_a_task, args=(client, over))
        killer.start()
        (outcome,) = run_on(client, [task], attempts=3)
        over.set()
        killer.join()
    assert not outcome.ok
    assert "lost again and again" in outcome.message
    assert "`extraction.batch`" in outcome.message
    assert [p.state for p in Study.load("study.yaml").status()].count("failed") == 1


def kill_whoever_has_a_task(client, over):
    while not over.wait(0.05):
        if any(client.processing().values()):
            for worker in workers_of(psutil.Process()):
                worker.kill()


def test_item_that_always_fails__fails_alone_and_is_done_when_its_file_is_whole_again(bench):
    file = min((bench.root / "recordings/sessions").rglob("*MUspk*"))
    session, kept = file.parent.name, bench.root / "kept"
    file.rename(kept)
    file.write_bytes(kept.read_bytes()[:200])
    report = bench.run_here()
    assert list(report.failed) == [f"read timit-{session}"]
    assert str(file.name) in report.failed[f"read timit-{session}"]
    assert bench.states()[f"read timit-{session}"] == "failed"
    kept.replace(file)
    assert bench.run_here().ok
    bench.assert_undisturbed()
