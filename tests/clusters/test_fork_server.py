"""Workers of this machine are forks of one server, which has loaded what they need and ends with them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

import dask
import distributed  # noqa: F401  whose settings are read
import psutil
import pytest

from distributed_trf import start_cluster
from distributed_trf.pipeline.run import OF_EVERY_ITEM

HERE = {"dashboard": "127.0.0.1:0", "preload": [*OF_EVERY_ITEM]}
METHOD = "distributed.worker.multiprocessing-method"


def loaded():
    return set(sys.modules)


def environment_of(pid):
    """Variables that a process began with, which is when the C library reads its own."""
    text = Path(f"/proc/{pid}/environ").read_text()
    return dict(variable.partition("=")[::2] for variable in text.split("\0") if variable)


def server_of(pids):
    """The one process that workers are forks of."""
    (server,) = {psutil.Process(pid).ppid() for pid in pids}
    assert psutil.Process(server).ppid() == os.getpid()
    return server


def test_workers__are_forks_of_a_server_that_ends_with_the_block(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    before, preload = dask.config.get(METHOD), forkserver._forkserver._preload_modules
    with start_cluster("local", workers=2, **HERE) as client:
        pids = list(client.run(os.getpid).values())
        assert len(pids) == 2
        server = server_of(pids)
        assert psutil.Process(server).num_threads() == 1  # a fork has none of the others
        own = environment_of(server)
        assert own["MALLOC_ARENA_MAX"] == "1"
        assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
        assert client.submit(os.environ.get, "OPENBLAS_NUM_THREADS", pure=False).result() == "2"
    assert not any(map(psutil.pid_exists, [*pids, server]))
    assert forkserver._forkserver._forkserver_pid is None
    assert forkserver._forkserver._preload_modules == preload
    assert dask.config.get(METHOD) == before


def test_worker__has_loaded_what_items_need_also_the_one_after_a_killed_one():
    """It would load them for a second of a core each time."""
    with start_cluster("local", workers=1, **HERE) as client:
        (first,) = client.run(os.getpid).values()
        server = server_of([first])
        (at_once,) = client.run(loaded).values()
        assert {*OF_EVERY_ITEM} <= {*at_once}
        psutil.Process(first).kill()
        second = client.submit(os.getpid, pure=False).result()
        assert second != first
        assert server_of([second]) == server
        again = client.submit(loaded, pure=False).result()
        assert {*OF_EVERY_ITEM} <= {*again}
        assert not {"torch", "matplotlib"} & again


def test_module_that_cannot_be_loaded__is_left_to_whoever_needs_it(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('a library is missing')")
    (tmp_path / "sound_module.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    given = {**HERE, "preload": ["broken_module", "no_module_of_that_name", "sound_module"]}
    with start_cluster("local", workers=1, **given) as client:
        assert "sound_module" in client.submit(loaded).result()


def test_killed_server__is_replaced_and_its_workers_too():
    with start_cluster("local", workers=1, **HERE) as client:
        (worker,) = client.run(os.getpid).values()
        first = server_of([worker])
        orphan = psutil.Process(worker)
        os.kill(first, signal.SIGKILL)
        psutil.wait_procs([orphan], timeout=60)
        assert not orphan.is_running()
        another = client.submit(os.getpid, pure=False).result(timeout=60)
        second = server_of([another])
        assert second != first
        assert environment_of(second)["MALLOC_ARENA_MAX"] == "1"
    assert not any(map(psutil.pid_exists, [worker, first, another, second]))


def test_server_of_the_users_own__is_left_alone():
    """Its environment is not that of workers, which start anew then."""
    context = multiprocessing.get_context("forkserver")
    with context.Pool(1) as pool:
        mine = pool.apply(os.getppid)
        with start_cluster("local", workers=1, **HERE) as client:
            (worker,) = client.run(os.getpid).values()
            assert psutil.Process(worker).ppid() == os.getpid()
        assert pool.map(abs, [-3]) == [3]
        assert psutil.pid_exists(mine)
    forkserver._forkserver._stop()


def test_pool_that_others_fork_in_the_meantime__goes_on_after_the_block():
    with start_cluster("local", workers=1, **HERE):
        pool = multiprocessing.get_context("forkserver").Pool(1)
        assert pool.map(abs, [-2]) == [2]
    with pool:
        assert pool.map(abs, [-3]) == [3]
    pool.join()
    forkserver._forkserver._stop()


SCRIPT = """
import os, time
from multiprocessing import forkserver
from distributed_trf import start_cluster
if __name__ == "__main__":
    with start_cluster("local", workers=2, dashboard="127.0.0.1:0") as client:
        print(forkserver._forkserver._forkserver_pid, *client.run(os.getpid).values(), flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_driver_that_is_ended__leaves_neither_server_nor_workers(tmp_path, number):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = ["env", "--default-signal=INT", sys.executable, str(tmp_path / "script.py")]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    assert len(pids) == 3
    processes = [psutil.Process(pid) for pid in pids]
    driver.send_signal(number)
    driver.communicate(timeout=120)
    _, left = psutil.wait_procs(processes, timeout=60)
    assert left == []
