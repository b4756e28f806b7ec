"""Seconds under names: they add up, are never counted twice, and cost nothing where nobody records."""

from __future__ import annotations

import threading
import time

import pytest

from distributed_trf import Study
from distributed_trf.pipeline.dask_run import run_on
from distributed_trf.store.receipts import read_receipt
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import recording, timed, timed_each
from tests.pipeline.stages.test_extract import tasks_of


class Clock:
    """A clock that sleeping alone moves on."""

    now = 0.0

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("distributed_trf.timing.time", clock)
    return clock


def test_timed__within_another_is_counted_once(clock):
    with recording() as seconds:
        for _ in range(2):
            with timed("outer"):
                clock.sleep(2)
                with timed("inner"):
                    clock.sleep(3)
                    with timed("outer"):
                        clock.sleep(1)
    assert seconds == {"inner": 6, "outer": 6}


def test_timed__counts_a_block_that_fails():
    with recording() as seconds:
        with pytest.raises(KeyError), timed("a"):
            raise KeyError
        with timed("b"):
            pass
    assert list(seconds) == ["a", "b"]


def test_timed_each__times_the_making_and_not_the_use(clock):
    def slow():
        for k in range(3):
            clock.sleep(1)
            yield k

    with recording() as seconds:
        for k in timed_each("load", slow()):
            clock.sleep(5)
            assert k < 3
    assert seconds == {"load": 3}
    assert list(timed_each("load", [1, 2])) == [1, 2]  # and where nobody records


def test_recording__hears_only_its_own_thread():
    with recording() as seconds:

        def elsewhere():
            with timed("elsewhere"):
                pass

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    with timed("after"):
        pass
    assert seconds == {}


def test_receipts__say_where_the_time_of_each_item_went(write_study):
    write_study(
        networks=[{"name": "small_whisper", "weights": ["reset"], "layers": [0, 2]}],
        together=[{"network": "small_whisper", "bands": "layer", "candidates": 3}],
        save_models=True,
    )
    study = Study.load("study.yaml")
    assert study.run(recipe=None).ok
    store = StudyStore.open(study.output)
    fitted = ["load", "moments", "search", "factorise", "solve", "test", "write"]
    expected = {"read": ["load", "write"], "assess": ["load", "write"], "extract": ["load", "forward", "write"]}
    expected |= {"fit": fitted, "analyse": fitted}
    for planned in study.status():
        receipt = read_receipt(store, planned.item.stage, planned.item.key)
        timings = receipt.details["timings"]
        assert set(timings) == set(expected[planned.item.stage])
        assert 0 < sum(timings.values()) <= receipt.details["seconds"] + 0.01


def test_dask__has_the_same_seconds_by_span_and_stage(write_study):
    """Of extractions too, which step aside to write."""
    from distributed import span

    from distributed_trf import start_cluster

    write_study(networks=[{"name": "mel_librosa"}], reliability=None)
    study = Study.load("study.yaml")
    StudyStore.create(study.output)
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        with span("small", "read"):
            assert all(outcome.ok for outcome in run_on(client, tasks_of(study, "read"), attempts=1))
        with span("small", "extract"):
            outcomes = list(run_on(client, tasks_of(study, "extract"), attempts=1))

        def metrics(dask_scheduler):
            (found,) = dask_scheduler.extensions["spans"].spans_search_by_name["small", "extract"]
            return {place[2]: value for place, value in found.cumulative_worker_metrics.items()}

        spent = {
            name: pytest.approx(sum(outcome.execution.timings[name] for outcome in outcomes))
            for name in ("load", "forward", "write")
        }
        end, found = time.monotonic() + 300, {}
        while {name: found.get(name) for name in spent} != spent:  # they come with the worker's heartbeats
            assert time.monotonic() < end, (found, spent)
            time.sleep(0.1)
            found = client.run_on_scheduler(metrics)
