"""Workers that prove themselves, and those that fail to."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from distributed_trf import start_cluster
from distributed_trf.clusters import device_proof, worker_proof
from distributed_trf.clusters.worker_proof import Proof, WorkerProof, checked, describe_workers, prove
from distributed_trf.errors import DeviceError, MissingExtraError, WorkersLostError

no_cupy = pytest.mark.skipif(find_spec("cupy") is not None, reason="cupy is installed here")


def test_cpu__proves_itself_and_says_what_it_is():
    proof = prove("cpu")
    assert proof.problem is None
    assert (proof.device, proof.driver, proof.host) == ("cpu", None, os.uname().nodename)
    assert proof.model
    assert proof.free_bytes > 1 << 20


@no_cupy
def test_device_that_is_not_there__is_a_problem_with_its_reason():
    assert prove("cuda").problem.startswith("device 'cuda' needs cupy")


def test_device_that_multiplies_wrongly__is_a_problem(monkeypatch):
    monkeypatch.setattr(device_proof, "to_numpy", lambda product: product + 1e-9)
    assert "numpy computes wrong results" in prove("cpu").problem


def test_proof__names_host_and_job():
    proof = Proof("tcp://a:1", "node7", "123", "cuda", "", None, 0, "broken")
    assert str(proof) == "worker tcp://a:1 on node7 (job 123)"


def test_gpu_of_which_others_hold_much__is_told(caplog):
    proof = Proof("", "node7", None, "cuda", "H100", "580", 30 << 30, gpu="MIG-3", held_bytes=40 << 30)
    assert checked([proof]) == [proof]
    assert (
        "a process on node7 (GPU MIG-3): other processes hold about 40.0 GiB of its GPU's memory; 30.0" in caplog.text
    )
    with pytest.raises(DeviceError, match="a process on node7 .*: broken"):
        checked([proof, replace(proof, problem="broken")])


@pytest.mark.parametrize("name", worker_proof.JOB_VARIABLES)
def test_proof__carries_the_number_of_its_job(monkeypatch, name):
    for other in worker_proof.JOB_VARIABLES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "77")
    assert prove("cpu").job == "77"


@no_cupy
def test_worker_that_fails__is_named_takes_no_work_and_explains_why_none_are_left(caplog):
    def use_up():
        with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
            (before,) = describe_workers(client)
            assert before.problem is None
            client.register_plugin(WorkerProof("cuda"))  # as on a worker that comes up without its GPU
            future = client.submit(os.getpid)
            end = time.monotonic() + 300
            while client.scheduler_info(n_workers=-1)["workers"]:
                assert time.monotonic() < end
                time.sleep(0.05)
            assert not future.done()
            raise WorkersLostError("every worker was lost")

    with caplog.at_level(logging.ERROR), pytest.raises(DeviceError) as raised:
        use_up()
    (told,) = [record.message for record in caplog.records if record.name == worker_proof.__name__]
    assert told.startswith("worker tls://127.0.0.1:")
    assert "takes no work: device 'cuda' needs cupy" in told
    assert str(raised.value).startswith("no worker is left that can work; worker tls://127.0.0.1:")
    assert "device 'cuda' needs cupy" in str(raised.value)


@pytest.fixture
def listing(tmp_path, monkeypatch):
    """Have ``nvidia-smi -L`` print some lines."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def say(*lines):
        script = tmp_path / "nvidia-smi"
        script.write_text("#!/bin/sh\n" + "\n".join(f"echo '{line}'" for line in lines))
        script.chmod(0o755)

    return say


GPUS = [f"GPU {n}: NVIDIA H100 80GB HBM3 (UUID: GPU-5ca1ab1e-0000-0000-0000-00000000000{n})" for n in range(3)]

SLICES = [f"  MIG 1g.10gb     Device  {n}: (UUID: MIG-3{n}f0c7d2-0000-0000-0000-000000000000)" for n in range(2)]


def test_gpu_that_is_cut__is_used_slice_by_slice(listing):
    from distributed_trf.clusters.recipe import load_recipe

    listing(GPUS[0], *SLICES, GPUS[1])
    used = [f"MIG-3{n}f0c7d2-0000-0000-0000-000000000000" for n in range(2)]
    assert load_recipe("local_cuda").visible == [*used, "1"]


@pytest.mark.parametrize(
    ("asked", "allowed", "used"),
    [
        ("all", None, ["0", "1", "2"]),
        ([2, 0], None, ["2", "0"]),
        ("all", "1,2", ["1", "2"]),
        ("all", "GPU-5ca1ab1e", ["GPU-5ca1ab1e"]),
        ([2], "1,2", ["2"]),
        ("all", "MIG-3", ["MIG-3"]),
    ],
)
def test_gpus_of_this_machine__are_those_asked_for_that_it_may_use(listing, monkeypatch, asked, allowed, used):
    from distributed_trf.clusters.recipe import load_recipe

    listing(*GPUS, SLICES[0] if allowed and "MIG" in allowed else "")
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    recipe = load_recipe("local_cuda", gpus=asked)
    assert recipe.visible == used
    assert recipe.n_workers == len(used)
    assert recipe.worker_bytes > 0


@pytest.mark.parametrize(
    ("lines", "asked", "allowed", "said"),
    [
        (GPUS, [3], None, r"gpus = \[3\]: this process sees no GPU 3, only \['0', '1', '2'\]"),
        (GPUS, [0], "1,2", "sees no GPU 0"),
        (
            GPUS,
            "all",
            "1,7",
            "CUDA_VISIBLE_DEVICES=1,7 names 7, which `nvidia-smi -L` does not",
        ),
        (GPUS, "all", "MIG-9", "CUDA_VISIBLE_DEVICES=MIG-9 names MIG-9"),
        (GPUS, "all", "-1", "CUDA_VISIBLE_DEVICES=-1 names -1"),
        (GPUS, "all", "", "CUDA_VISIBLE_DEVICES is empty, which hides every GPU"),
        (["No devices found."], "all", None, "nvidia-smi finds none: No devices found"),
    ],
)
def test_gpus_that_are_not_here__are_an_error_before_anything_starts(listing, monkeypatch, lines, asked, allowed, said):
    listing(*lines)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    with pytest.raises(DeviceError, match=said), start_cluster("local_cuda", gpus=asked, dashboard="127.0.0.1:0"):
        pytest.fail("a cluster was started")


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a GPU here")
def test_gpus_of_a_machine_without_a_driver__are_an_error():
    with pytest.raises(DeviceError, match="there is no NVIDIA driver on this machine"):
        start_cluster("local_cuda").__enter__()


def test_gpus_without_dask_cuda__say_what_to_install(listing, monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_cuda", None)
    listing(*GPUS)
    before = dict(os.environ)
    with pytest.raises(MissingExtraError, match=r"dask_cuda is not installed.*distributed_trf\[cuda12\]"):
        start_cluster("local_cuda").__enter__()
    assert dict(os.environ) == before


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a GPU here")
def test_driver_that_tells_dask_cuda_nothing__is_an_error_of_the_device(listing, monkeypatch):
    import pynvml

    asked = SimpleNamespace(LocalCUDACluster=lambda **_: pynvml.nvmlInit())  # what it does first
    monkeypatch.setitem(sys.modules, "dask_cuda", asked)
    listing(*GPUS)
    with pytest.raises(DeviceError, match=r"dask-cuda cannot query the GPUs \(NVML Shared Library Not Found\)"):
        start_cluster("local_cuda").__enter__()
