"""Features are written beside the next extraction: one writer at a time, receipts last."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from distributed_trf import Study, start_cluster
from distributed_trf.pipeline.aside import writing_aside
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.execute import Task, execute
from distributed_trf.pipeline.lay import lay_feature_arrays
from distributed_trf.pipeline.survey import survey
from distributed_trf.store.study_store import StudyStore


def test_one_writes_at_a_time__and_the_next_steps_aside_when_it_may_write():
    told, writing, go_on = [], threading.Event(), threading.Event()

    def first():
        with writing_aside(lambda: told.append("first aside")):
            writing.set()
            assert go_on.wait(10)
            told.append("first written")

    def second():
        with writing_aside(lambda: told.append("second aside")):
            told.append("second written")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert writing.wait(10)
    threads[1].start()
    time.sleep(0.1)
    assert told == ["first aside"]
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert told == ["first aside", "first written", "second aside", "second written"]


def fail_to_write():
    with writing_aside(lambda: None):
        raise OSError


def test_writer_that_fails__lets_the_next_one_write():
    with pytest.raises(OSError):
        fail_to_write()
    with pytest.raises(OSError):
        fail_to_write()


def test_extraction__steps_aside_before_it_writes_and_nothing_else_does(write_study, workplace):
    write_study(networks=[{"name": "mel_whisper"}])
    study = Study.load("study.yaml")
    StudyStore.create(study.output)
    context = Context.open(study.settings)
    aside = []

    def step_aside():
        found = [*(workplace / "study/features").rglob("c/*/*"), *(workplace / "study/receipts/extract").glob("*")]
        aside.append(len(found))

    for stage in ("read", "assess", "extract"):
        if stage == "extract":
            assert aside == []
            lay_feature_arrays(context)
        for p in survey(context, stage):
            task = Task(p.item, p.fingerprint, study.settings, context.tables, context.store.root, "cpu", "a-run")
            assert execute(task, step_aside).ok
    assert aside == [0, 2, 4]  # a chunk and a receipt of each before
    assert {p.state for p in survey(Context.open(study.settings), "extract")} == {"done"}


def write_until_the_next_began(folder: str) -> tuple[int, int]:
    """Step aside, and write for as long as nobody else takes the place."""
    from distributed import secede

    with writing_aside(secede):
        deadline = time.monotonic() + 30
        while not (Path(folder) / "next").exists():
            if time.monotonic() > deadline:
                return -1, -1
            time.sleep(0.01)
    return threads()


def begin(folder: str) -> tuple[int, int]:
    (Path(folder) / "next").touch()
    return threads()


def threads() -> tuple[int, int]:
    """Most threads that products take here, and those of torch."""
    import torch
    from threadpoolctl import threadpool_info

    return max(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"), torch.get_num_threads()


def test_worker__begins_the_next_task_while_one_writes_and_holds_both_to_its_threads(tmp_path):
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        futures = [client.submit(task, str(tmp_path), pure=False) for task in (write_until_the_next_began, begin)]
        assert client.gather(futures) == [(1, 1), (1, 1)]
