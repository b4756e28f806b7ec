"""Features are written beside the next extraction: one writer at a time, receipts last."""

from __future__ import annotations

import resource
import threading
import time
from itertools import groupby
from types import SimpleNamespace

import pytest

from distributed_trf import Study, start_cluster
from distributed_trf.pipeline.allocate import allocate_features
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dask_run import run_on
from distributed_trf.pipeline.execute import execute, fail
from distributed_trf.pipeline.prepare import tasks
from distributed_trf.pipeline.run_record import new_run
from distributed_trf.pipeline.stages.extract import overlap_write
from distributed_trf.pipeline.status import survey
from distributed_trf.pipeline.work import items
from distributed_trf.store.study_store import StudyStore


def test_one_writes_at_a_time__and_the_next_releases_its_slot_when_it_may_write():
    log, writing, go_on = [], threading.Event(), threading.Event()

    def first():
        with overlap_write(lambda: log.append("first released")):
            writing.set()
            assert go_on.wait(120)
            log.append("first written")

    def second():
        with overlap_write(lambda: log.append("second released")):
            log.append("second written")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert writing.wait(120)
    threads[1].start()
    time.sleep(0.1)
    assert log == ["first released"]
    go_on.set()
    for thread in threads:
        thread.join(120)
    assert log == ["first released", "first written", "second released", "second written"]


def tasks_of(study, stage):
    context = open_context(study.settings)
    if stage == "extract":
        allocate_features(context)
    return tasks(context, survey(context, stage), device="cpu", run=new_run(context.store.runs), limit=None)


def fail_to_write():
    with overlap_write(lambda: None):
        raise OSError


def test_writer_that_fails__lets_the_next_one_write():
    with pytest.raises(OSError):
        fail_to_write()
    with pytest.raises(OSError):
        fail_to_write()


def test_extraction__releases_its_slot_before_it_writes_and_nothing_else_does(write_study, workplace):
    write_study(networks=[{"name": "mel_librosa"}])
    study, written_at_release = Study.load("study.yaml"), []
    StudyStore.create(study.output)

    def release_slot():
        found = [*(workplace / "study/features").rglob("c/*/*"), *(workplace / "study/receipts/extract").glob("*")]
        written_at_release.append(len(found))

    for stage in ("read", "assess", "extract"):
        assert written_at_release == []
        for task in tasks_of(study, stage):
            assert execute(task, release_slot).ok
    assert written_at_release == [0, 2, 4]  # a chunk and a receipt of each before
    assert {p.state for p in survey(open_context(study.settings), "extract")} == {"done"}


def test_extractions_on_workers__release_their_slots_and_are_done(write_study):
    write_study(networks=[{"name": "mel_librosa"}], reliability=None)
    study = Study.load("study.yaml")
    StudyStore.create(study.output)
    assert all(execute(task).ok for task in tasks_of(study, "read"))
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        outcomes = list(run_on(client, tasks_of(study, "extract"), attempts=1))
        assert [outcome.ok for outcome in outcomes] == [True] * 3
        (stepped,) = client.run(
            lambda dask_worker: len({e[0] for e in dask_worker.state.log if "long-running" in e})
        ).values()
    assert stepped == 3


def test_failure__that_a_full_disk_cannot_record_is_reported(write_study):
    write_study(networks=[{"name": "mel_librosa"}])
    study = Study.load("study.yaml")
    StudyStore.create(study.output)
    task = tasks_of(study, "read")[0]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        outcome = fail(task, "no room")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (outcome.ok, outcome.message) == (False, "no room")
    assert not list(study.output.glob("failures/*/*"))


def test_extractions__come_network_by_network_so_that_each_is_built_once():
    networks = [SimpleNamespace(name=name) for name in ("a", "b")]
    context = SimpleNamespace(
        study=SimpleNamespace(networks=networks, stimuli=["timit", "mvocs"]),
        weights=lambda network: ("trained", "reset"),
        batches=lambda stimuli: (8, 8, 3),
    )
    built = [key for key, _ in groupby((item.network, item.weights) for item in items(context, "extract"))]
    assert built == [("a", "trained"), ("a", "reset"), ("b", "trained"), ("b", "reset")]


def overlapping_tasks():
    """Two tasks, made here so that they travel to a worker whole: it cannot import this file."""

    def threads():
        """Most threads that products take here, and those of torch."""
        import torch
        from threadpoolctl import threadpool_info

        return max(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"), torch.get_num_threads()

    def write(folder):
        """Release the slot, and write until the next task has taken it."""
        from distributed import secede

        from distributed_trf.pipeline.stages.extract import overlap_write

        with overlap_write(secede):
            deadline = time.monotonic() + 300
            while not (folder / "next").exists():
                if time.monotonic() > deadline:
                    return "nobody came"
                time.sleep(0.01)
        return threads()

    def begin(folder):
        (folder / "next").touch()
        return threads()

    return write, begin


def test_worker__begins_the_next_task_while_one_writes_and_holds_both_to_its_threads(tmp_path):
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        futures = [client.submit(task, tmp_path, pure=False) for task in overlapping_tasks()]
        assert client.gather(futures) == [(1, 1), (1, 1)]
