"""Jobs from submission to end, by a batch system of three shell scripts; a real Slurm is in slurm/."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import psutil
import pytest
from distributed import Client

from distributed_trf import start_cluster
from distributed_trf.clusters.recipe_jobs import SlurmRecipe
from distributed_trf.clusters.tls import run_keys
from distributed_trf.clusters.worker_proof import describe_workers
from distributed_trf.errors import ConfigError

COMMANDS = {
    "sbatch": """\
        cp "$1" "$0.$$"
        setsid bash -c 'export SLURM_JOB_ID=$$; exec bash "$0"' "$0.$$" >"$0.$$.out" 2>&1 &
        echo "Submitted batch job $!" """,
    "squeue": "ps -eo pid=",
    "scancel": 'kill -TERM -- "-$1"',
}
"""The number of a job is that of its process, which leads a group."""


@pytest.fixture
def batch_system(tmp_path, monkeypatch):
    """Put ``sbatch``, ``squeue`` and ``scancel`` first on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in COMMANDS.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def recipe(folder, **changes):
    fields = {
        "jobs": 2,
        "cores": 2,
        "memory": "1GiB",
        "walltime": "0:10:00",
        "interface": "lo",
        "dashboard": "127.0.0.1:0",
        "scratch": str(folder / "scratch"),
        "tls_directory": folder / "keys",
        "log_directory": folder / "logs",
        "prologue": ["export FROM_PROLOGUE=yes"],
    }
    return SlurmRecipe(kind="slurm", **{**fields, **changes})


def environment(*names):
    return tuple(os.environ.get(name) for name in names)


def blas_threads():
    from threadpoolctl import threadpool_info

    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def listening(pid):
    return {c.laddr.ip for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN}


def test_jobs__are_one_worker_each_that_only_holders_of_the_keys_reach(batch_system, tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with start_cluster(recipe(tmp_path)) as client:
        assert signal.getsignal(signal.SIGINT) is handler
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        client.wait_for_workers(2, timeout=300)
        workers = client.scheduler_info(n_workers=-1)["workers"]
        assert sorted(worker["name"] for worker in workers.values()) == ["dtrf-0", "dtrf-1"]
        assert {(worker["nthreads"], worker["memory_limit"]) for worker in workers.values()} == {(1, 1 << 30)}
        proofs = describe_workers(client)
        assert len({proof.job for proof in proofs}) == 2
        assert {(proof.device, proof.problem) for proof in proofs} == {("cpu", None)}
        assert all(proof.free_bytes > 0 and proof.model for proof in proofs)
        told = ("FROM_PROLOGUE", "MALLOC_ARENA_MAX", "DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION")
        assert set(client.run(environment, *told).values()) == {("yes", "1", "540s")}
        assert all(2 in found and max(found) <= 2 for found in client.run(blas_threads).values())
        pids = [*client.run(os.getpid).values(), *client.run(os.getppid).values()]
        assert {ip for pid in pids for ip in listening(pid)} == {"127.0.0.1"}
        assert client.gather(client.map(abs, range(-5, 0))) == [5, 4, 3, 2, 1]

        (run,) = (tmp_path / "keys").iterdir()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").rglob("*")}
        assert modes == {run.name: 0o700, "certificate.pem": 0o600, "key.pem": 0o600}
        with pytest.raises(OSError):
            Client(address.replace("tls", "tcp"), timeout="1 s", set_as_default=False)
        with run_keys(tmp_path / "others") as others, pytest.raises(OSError):
            Client(address, security=others, timeout="1 s", set_as_default=False)
    wait_until(lambda: not any(runs(pid) for pid in pids))
    assert not list((tmp_path / "keys").iterdir())


def runs(pid):
    """Tell whether a process runs; one that ended may be listed until its parent takes note."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true, seconds=300.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_jobs__without_a_command_say_which_before_anything_is_submitted(batch_system, tmp_path, monkeypatch, command):
    (batch_system / command).unlink()
    monkeypatch.setenv("PATH", str(batch_system))
    said = f"there is no command {command} on this machine"
    with pytest.raises(ConfigError, match=said), start_cluster(recipe(tmp_path)):
        pytest.fail("a cluster was started")
    assert not list(batch_system.glob("*.out"))


def test_jobs__on_an_interface_that_is_not_here_are_told_those_that_are(batch_system, tmp_path):
    said = r"interface = 'ib7': this machine has no interface of that name .* lo \(127\.0\.0\.1\)"
    with pytest.raises(ConfigError, match=said), start_cluster(recipe(tmp_path, interface="ib7")):
        pytest.fail("a cluster was started")
    assert not list(batch_system.glob("*.out"))
    assert not (tmp_path / "keys").exists()


def test_jobs__keep_no_keys_where_others_may_enter(batch_system, tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o750)
    with pytest.raises(ConfigError, match=r"others have access \(mode 750"), start_cluster(recipe(tmp_path)):
        pytest.fail("a cluster was started")
    assert not list(batch_system.glob("*.out"))


def test_jobs__that_were_misspelt_are_told_before_anything_is_submitted(batch_system, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="wall_time = '1:00:00': unknown field; did you mean 'walltime'"):
        start_cluster("slurm", wall_time="1:00:00").__enter__()
    assert not list(batch_system.glob("*.out"))
    assert not list(Path(tmp_path).glob("keys"))
