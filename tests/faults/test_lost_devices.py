"""A GPU that is lost in mid-run, a card that is too small, mistakes in a program: whose fault an error is.

Without a GPU, a lost one is simulated by a worker's process in which, from its next item on, nothing
can be proven any more.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from distributed import Client

from distributed_trf.clusters.start import start_cluster
from distributed_trf.clusters.worker_proof import describe_workers
from distributed_trf.errors import DeviceLostError
from distributed_trf.pipeline.dask_run import LOST, run_on
from distributed_trf.pipeline.items import ReadSounds
from distributed_trf.pipeline.work import KINDS
from tests.faults.test_lost_workers import tasks_of

ILLEGAL = "CUDA error: an illegal memory access was encountered"


class OutOfMemoryError(MemoryError):
    """As cupy and torch name theirs."""


def break_at_the_next_item():
    """In a worker: let its next item raise, and every later use of the device."""
    from distributed_trf.clusters import device_proof
    from distributed_trf.pipeline.work import KINDS

    def fall_off(*_):
        device_proof.to_device = fall_off
        raise RuntimeError(ILLEGAL)

    KINDS.update({item: replace(kind, run=fall_off) for item, kind in KINDS.items()})


@pytest.fixture
def tasks(write_study):
    return tasks_of(write_study(networks=[{"name": "mel_librosa"}]))


@pytest.fixture
def client():
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        yield client


def test_gpu_lost_in_mid_run__is_named_its_item_goes_elsewhere_and_its_worker_starts_anew(tasks, caplog):
    with caplog.at_level(logging.ERROR), start_cluster("local", workers=2, dashboard="127.0.0.1:0") as client:
        first, other = (proof.address for proof in describe_workers(client))
        client.run(break_at_the_next_item, workers=[first])
        outcomes = list(run_on(client, tasks, attempts=1))
        assert all(outcome.ok for outcome in outcomes), outcomes
        client.wait_for_workers(2, timeout=300)
        after = {proof.address for proof in describe_workers(client)}
    assert other in after
    assert first not in after
    (warning,) = [r.message for r in caplog.records if "takes no work" in r.message]
    assert warning.startswith(f"worker {first} on ")
    assert f"{ILLEGAL} (tested again: numpy: RuntimeError: {ILLEGAL}" in warning


def test_item_that_loses_every_gpu__fails_after_some(tasks, client, monkeypatch, tmp_path):
    where = f"worker tcp://a:1 on node7 (GPU 2): {ILLEGAL}"

    def lose(task):
        with (tmp_path / "tried").open("a") as file:
            file.write("x")
        raise DeviceLostError(where)

    monkeypatch.setattr("distributed_trf.pipeline.dask_run.execute_on_worker", lose)
    (outcome,) = run_on(client, tasks[:1], attempts=1)
    assert len((tmp_path / "tried").read_text()) == LOST + 1
    assert outcome.message == f"{LOST + 1} GPUs were lost while running it, one after another: {where}"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TypeError("can't convert cuda:0 device type tensor to numpy"), "TypeError: can't convert cuda:0 device"),
        (RuntimeError("mat1 and mat2 must have the same dtype"), "RuntimeError: mat1 and mat2"),
        (OutOfMemoryError("Out of memory allocating 9 bytes"), "it does not fit the GPU: choose recordings in smaller"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"), "it does not fit the GPU: choose recordings in smaller"),
    ],
)
def test_what_would_be_raised_again__fails_at_once_with_its_own_text(tasks, client, monkeypatch, error, said):
    tried = []

    def raises(*_):
        tried.append(1)
        raise error

    monkeypatch.setitem(KINDS, ReadSounds, replace(KINDS[ReadSounds], run=raises))
    outcomes = [outcome for outcome in run_on(client, tasks, attempts=3) if not outcome.ok]
    assert len(tried) == len(outcomes) == 1
    assert said in outcomes[0].message
    assert str(error) in outcomes[0].message


def test_uncorrectable_memory__loses_the_gpu_though_it_answers(tasks, client, monkeypatch):
    """An error of the card's memory ends the process at fault, but may leave its context alive."""

    def raises(*_):
        raise RuntimeError("cudaErrorECCUncorrectable: uncorrectable ECC error encountered")

    monkeypatch.setitem(KINDS, ReadSounds, replace(KINDS[ReadSounds], run=raises))
    future = client.submit(_of_task(tasks[0]), pure=False)
    assert isinstance(future.exception(), DeviceLostError)


def _of_task(task):
    from distributed_trf.pipeline.dask_run import execute_on_worker

    return lambda: execute_on_worker(task)
