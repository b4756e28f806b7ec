"""What is said to all workers arrives though one of them is lost meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from distributed import Worker, WorkerPlugin

from distributed_trf import start_cluster
from distributed_trf.clusters.worker_setup import ATTEMPTS, on_all_workers
from distributed_trf.errors import WorkersLostError


class Dies(WorkerPlugin):
    """Ends its worker by SIGKILL, as many times as there are files to take away."""

    name = "dies"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def setup(self, worker: Worker) -> None:
        die(self.folder)


def die(folder: Path) -> str:
    """Take a file away and die, or answer where there is none."""
    for path in folder.iterdir():
        try:
            path.unlink()
        except FileNotFoundError:  # another worker took it
            continue
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@pytest.fixture(scope="module")
def client():
    with start_cluster("local", workers=2, dashboard="127.0.0.1:0") as client:
        yield client


@pytest.fixture
def deaths(tmp_path):
    def after(count: int) -> Path:
        for k in range(count):
            (tmp_path / str(k)).touch()
        return tmp_path

    return after


def test_worker_lost_while_it_is_told__leaves_the_others_told(client, deaths):
    folder = deaths(1)
    on_all_workers(client, client.register_plugin, Dies(folder))
    client.wait_for_workers(2, timeout=300)
    told = client.run(lambda dask_worker: "dies" in dask_worker.plugins)
    assert list(told.values()) == [True, True]
    assert not list(folder.iterdir())
    client.unregister_worker_plugin("dies")


def test_worker_lost_while_it_answers__leaves_the_answers_of_others(client, deaths):
    answers = on_all_workers(client, client.run, die, deaths(1))
    assert set(answers.values()) == {"alive"}


def test_workers_lost_each_time__end_it_with_the_reason(client):
    def lose() -> None:
        raise ConnectionResetError("gone")

    with pytest.raises(WorkersLostError, match=f"a worker was lost at each of {ATTEMPTS} attempts .*: gone"):
        on_all_workers(client, lose)


def test_scheduler_that_is_gone__is_told_as_it_is():
    class Closed:
        status = "closed"

    def lose() -> None:
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        on_all_workers(Closed(), lose)
