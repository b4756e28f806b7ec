"""A scheduler and a worker that run already, with keys and without."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import yaml
from distributed import Client

from distributed_trf import start_cluster
from distributed_trf.clusters.tls import run_keys
from distributed_trf.clusters.worker_proof import WorkerProof, describe_workers
from distributed_trf.errors import ConfigError, DeviceError, WorkersLostError


@contextmanager
def running(folder, *, tls=False):
    """Start ``dask scheduler`` and ``dask worker`` on the loopback interface; yield the file that says where."""
    file = folder / "scheduler.json"
    with run_keys(folder / "keys") as security:
        certificate, key = security.tls_ca_file, security.tls_worker_key
        options = ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key, "--protocol", "tls"]
        options = [*(options if tls else []), "--host", "127.0.0.1", "--scheduler-file", str(file)]
        options += ["--dashboard-address", "127.0.0.1:0"]
        programs = {
            "scheduler": ["--port", "0"],
            "worker": ["--nthreads", "1", "--local-directory", str(folder / "scratch")],
        }
        started = []
        try:
            for name, own in programs.items():
                command = [sys.executable, "-m", "dask", name, *options, *own]
                with (folder / f"{name}.log").open("w") as log:
                    started.append(subprocess.Popen(command, stderr=log, stdout=log))
                for _ in range(3000):
                    if file.exists():
                        break
                    assert started[-1].poll() is None, (folder / f"{name}.log").read_text()
                    time.sleep(0.1)
            yield file, {"ca_file": certificate, "cert": certificate, "key": key}
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(300)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with running(tmp_path_factory.mktemp("plain")) as (file, _):
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(1, timeout=300)
        yield file


@pytest.fixture
def recipe(tmp_path):
    def write(**fields):
        path = tmp_path / "theirs.yaml"
        path.write_text(yaml.safe_dump({"kind": "existing", **fields}))
        return path

    return write


def blas_threads():
    from threadpoolctl import threadpool_info

    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_existing__is_used_and_left_as_it_was(plain, recipe):
    address = yaml.safe_load(plain.read_text())["address"]
    with Client(address) as client:
        client.wait_for_workers(1, timeout=300)
        before = client.run(blas_threads)
        with start_cluster(recipe(scheduler_file=str(plain), threads=2)) as ours:
            assert ours.submit(os.getpid).result() != os.getpid()
            assert set.union(*ours.run(blas_threads).values()) == {2}
            assert [proof.problem for proof in describe_workers(ours)] == [None]
        assert client.run(blas_threads) == before
        assert client.run(lambda dask_worker: WorkerProof.name in dask_worker.plugins) == dict.fromkeys(before, False)


def test_existing__with_too_few_workers_says_so(plain, recipe, monkeypatch):
    monkeypatch.setattr("distributed_trf.clusters.start_machines.JOIN", 0.5)
    said = r"has 1 workers after 0\.5 s, but `workers` is 2"
    with pytest.raises(WorkersLostError, match=said), start_cluster(recipe(scheduler_file=str(plain), workers=2)):
        pytest.fail("the block ran")


def test_existing__without_the_device_says_so_and_keeps_its_workers(plain, recipe):
    said = "worker tcp://127.0.0.1:.* on .*: device 'cuda'"
    with pytest.raises(DeviceError, match=said), start_cluster(recipe(scheduler_file=str(plain), device="cuda")):
        pytest.fail("the block ran")
    with start_cluster(recipe(scheduler_file=str(plain))) as client:
        assert client.submit(sum, [1, 2]).result() == 3


def test_existing__with_keys_takes_only_who_holds_them(tmp_path, recipe, monkeypatch):
    with running(tmp_path, tls=True) as (file, held):
        with start_cluster(recipe(scheduler_file=str(file), tls=held)) as client:
            address = client.scheduler.address
            assert address.startswith("tls://")
            assert client.submit(sum, [1, 2]).result() == 3
        with pytest.raises(ConfigError, match="needs TLS keys; give them as tls"):
            start_cluster(recipe(scheduler_file=str(file))).__enter__()
        monkeypatch.setattr("distributed_trf.clusters.start_machines.ANSWER", "1 s")
        with pytest.raises(ConfigError, match="no scheduler can be reached at tcp://"):
            start_cluster(recipe(address=address.replace("tls", "tcp"))).__enter__()
        with run_keys(tmp_path / "others") as others:
            certificate, key = others.tls_ca_file, others.tls_client_key
            wrong = {"ca_file": certificate, "cert": certificate, "key": key}
            with pytest.raises(ConfigError, match="no scheduler can be reached at tls://"):
                start_cluster(recipe(address=address, tls=wrong)).__enter__()


def test_existing__that_is_not_there_is_an_error_within_seconds(recipe, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(ConfigError, match=rf"no scheduler can be reached at tcp://127.0.0.1:{port}"):
        start_cluster(recipe(address=f"tcp://127.0.0.1:{port}")).__enter__()
    assert time.monotonic() - start < 120
    (tmp_path / "empty.json").write_text("{}")
    for file, said in (("none.json", "no such file; start one with: dask scheduler"), ("empty.json", "no address")):
        with pytest.raises(ConfigError, match=said):
            start_cluster(recipe(scheduler_file=str(tmp_path / file))).__enter__()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "theirs.yaml: expected either address or scheduler_file"),
        ({"address": "tcp://a:1", "scheduler_file": "x"}, "expected either address or scheduler_file"),
        ({"address": "tls://a:1"}, "an address that begins with tls:// needs tls"),
        ({"address": "a:1"}, "address = 'a:1'"),
        ({"address": "tls://a:1", "tls": {"ca_file": "a", "cert": "b", "kee": "c"}}, "did you mean 'key'"),
    ],
)
def test_existing__recipe_that_cannot_be_used_is_told(recipe, fields, said):
    with pytest.raises(ConfigError, match=said):
        start_cluster(recipe(**fields)).__enter__()
