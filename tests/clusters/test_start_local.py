"""Real workers on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from distributed import Client, Security, Status

from distributed_trf import start_cluster
from distributed_trf.clusters import start_local
from distributed_trf.clusters.recipe_machines import LocalCudaRecipe, LocalRecipe


@pytest.fixture(scope="module")
def client():
    """One worker for the tests that leave it as it is."""
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        yield client


def test_workers__keep_memory_that_arrays_come_back_for(client):
    """Where glibc gave it back after each use, as dask sets it, small arrays would cost several times what they do."""
    (environment,) = client.run(lambda: dict(os.environ)).values()
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) >= 64 << 20
    assert int(environment["MALLOC_MMAP_THRESHOLD_"]) >= 16 << 20
    assert environment["MALLOC_ARENA_MAX"] == "1"  # and one heap for all threads that tasks run in


def listening(pid):
    return {c.laddr for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN}


def threads():
    import torch
    from threadpoolctl import threadpool_info

    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"], torch.get_num_threads()


def test_local_cluster__keeps_to_itself_and_leaves_nothing_behind(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "2")  # a user's own setting, which the workers inherit
    before, bound = dict(os.environ), listening(os.getpid())
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        assert dict(os.environ) == before
        ((address, pid),) = client.run(os.getpid).items()
        assert pid != os.getpid()
        new = listening(os.getpid()) - bound
        assert {a.ip for a in new | listening(pid)} == {"127.0.0.1"}
        ports = {a.port for a in new}
        assert int(client.scheduler.address.rsplit(":", 1)[1]) in ports
        assert int(client.dashboard_link.split(":")[2].split("/")[0]) in ports
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        pools, torch_threads = client.submit(threads).result()
        assert pools
        assert set(pools) == {torch_threads} == {1}
        assert client.scheduler_info()["workers"][address]["nthreads"] == 1

        os.environ["SET_INSIDE"] = "kept"
        psutil.Process(pid).kill()  # its nanny starts another, which is set up like the first
        second = client.submit(os.getpid, pure=False).result()
        assert second != pid
        assert client.submit(threads, pure=False).result() == (pools, 1)
    assert os.environ.pop("SET_INSIDE") == "kept"
    assert dict(os.environ) == before
    assert not psutil.pid_exists(pid)
    assert not psutil.pid_exists(second)
    assert listening(os.getpid()) == bound


def test_local_cluster__ends_with_an_error_in_the_block():
    before = dict(os.environ)
    pids = []

    def fail():
        with start_cluster(LocalRecipe(kind="local", workers=1, dashboard="127.0.0.1:0")) as client:
            pids.extend(client.run(os.getpid).values())
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert len(pids) == 1
    assert not psutil.pid_exists(pids[0])
    assert dict(os.environ) == before


def test_local_cluster__takes_only_who_holds_its_keys(client):
    """Others who are logged in to this machine reach the ports."""
    assert LocalRecipe(kind="local").tls
    assert LocalCudaRecipe(kind="local_cuda").tls
    (worker,) = client.run(os.getpid)
    assert client.submit(sum, [1, 2]).result() == 3
    for address in (client.scheduler.address, worker, *client.cluster.scheduler_info["workers"]):
        assert address.startswith("tls://127.0.0.1:")
    for address in (client.scheduler.address, worker):
        for other, keys in ((address.replace("tls", "tcp"), None), (address, Security.temporary())):
            with pytest.raises(OSError):
                Client(other, security=keys, timeout="1 s", set_as_default=False)


def test_local_cluster__pages_are_there_to_read(client):
    page = client.dashboard_link.removesuffix("status")
    assert json.loads(urlopen(page + "json/counts.json").read())["workers"] == 1
    assert b"127.0.0.1" in urlopen(page + "info/main/workers.html").read()
    for path, data, answer in (
        ("json/counts.json", b"{}", "405"),
        ("proxy/22/127.0.0.1/", None, "404"),
        ("api/v1/retire_workers", b"{}", "404"),
    ):
        with pytest.raises(HTTPError, match=answer):
            urlopen(page + path, data=data)


def test_local_cluster__may_be_had_without_keys():
    with start_cluster("local", workers=1, tls=False, dashboard="127.0.0.1:0") as client:
        assert client.scheduler.address.startswith("tcp://127.0.0.1:")


def test_workers__are_deaf_to_the_terminal(client):
    """Which sends Ctrl-C to all that runs in it; this process hears it, and ends them."""
    (pid,) = client.run(os.getpid).values()
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    assert client.submit(os.getpid, pure=False).result() == pid
    assert client.run(signal.pthread_sigmask, signal.SIG_BLOCK, []).popitem()[1] >= {signal.SIGINT, signal.SIGHUP}
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGINT, signal.SIGHUP}


def test_nanny_that_waits_for_ever__does_not_hold_up_the_end(monkeypatch):
    """As distributed leaves one whose worker was killed while it started, and again: here by its own two marks."""
    monkeypatch.setattr(start_local, "PATIENCE", 2.0)
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        (pid,) = client.run(os.getpid).values()
        (nanny,) = client.cluster.workers.values()
        nanny.process.status = Status.starting
        nanny.process.running.clear()
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=300)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(
    ("name", "text", "is_imported"),
    [
        (None, "start()", True),
        (None, 'if __name__ == "__main__":\n    start()', False),
        (None, "if __name__=='__main__': start()", False),
        ("script", "start()", True),
        ("distributed_trf.__main__", "start()", False),
    ],
)
def test_guard__is_asked_only_of_a_script_that_has_none(tmp_path, monkeypatch, name, text, is_imported):
    main = ModuleType("__main__")
    main.__file__, main.__spec__ = str(tmp_path / "script.py"), None if name is None else ModuleSpec(name, None)
    (tmp_path / "script.py").write_text(text)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert start_local._is_imported() == is_imported


def test_script_without_a_guard__is_told_so_at_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from distributed_trf import start_cluster\nwith start_cluster('local', workers=1): pass\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("distributed_trf.errors.")]
    assert len(told) == 2  # the worker's and the script's own
    assert "ConfigError: workers import the script that starts them" in told[0]
    assert "WorkersLostError: the workers cannot start" in told[1]
    assert all('below `if __name__ == "__main__":`' in line for line in told)
