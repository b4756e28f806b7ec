"""Every library that a GPU's work needs is tried, and its errors are told with their remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from distributed_trf.clusters.device_proof import explain_error, out_of_device_memory
from distributed_trf.errors import DeviceError

FAKE_GPU = Path(__file__).parents[1] / "fake_gpu"

TRIED = """if True:
    import os, cupy, cupyx.scipy.linalg, torch
    from distributed_trf.clusters import device_proof
    from distributed_trf.clusters.doctor_installation import check_gpus
    from distributed_trf.clusters.recipe import load_recipe
    from distributed_trf.clusters.worker_proof import prove
    assert prove("cuda").problem is None, prove("cuda")
    assert "CUPY_CACHE_IN_MEMORY" not in os.environ
    recipe = load_recipe("local_cuda")
    seen = {f.topic: f for f in check_gpus(recipe)}
    assert all(f.ok for f in seen.values()), seen
    assert {"workers on", "NVRTC", "cuBLAS", "cuSOLVER", "cuDNN", "GPU memory"} <= seen.keys()
    def wrong(module, name):
        right = getattr(module, name)
        def slightly(*args, **kwargs):
            found = right(*args, **kwargs)
            return (found[0] + 1e-6, *found[1:]) if isinstance(found, tuple) else found + 1e-6
        setattr(module, name, slightly)
        print(*(f"{n}: {p}" for n, p in device_proof.try_libraries("cuda") if p))
        setattr(module, name, right)
    for of in ((cupy, "hypot"), (cupyx.scipy.linalg, "solve_triangular"), (cupy.linalg, "eigh"),
               (cupy.linalg, "cholesky"), (cupy.fft, "rfft"), (torch.nn.functional, "conv1d"), (torch.fft, "rfft"),
               (device_proof, "to_device")):
        wrong(*of)
    cupy.cuda.runtime.memGetInfo = lambda: (30 << 30, 80 << 30)
    print(*(round(n / 2**30, 3) for n in (prove("cuda").free_bytes, prove("cuda").held_bytes)))
    def missing(*_, **__):
        raise ImportError('Failure finding "libcusolver.so.12": No such file')
    cupy.linalg.eigh = missing
    print(prove("cuda").problem)
    assert [f.topic for f in check_gpus(recipe) if not f.ok] == ["cuSOLVER"]
    cupy.cuda.runtime.driverGetVersion = lambda: 11040
    print(device_proof.explain_error(RuntimeError("cudaErrorInsufficientDriver: version is insufficient")))
"""


def test_each_library__is_noticed_if_it_calculates_wrongly_or_is_missing():
    environment = os.environ | {"PYTHONPATH": f"{FAKE_GPU}/path", "PATH": f"{FAKE_GPU}/bin:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-c", TRIED], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *wrong, memory, missing, driver = done.stdout.splitlines()
    named = ["NVRTC", "cuBLAS by cupyx", "cuSOLVER", "cuSOLVER", "cuFFT", "cuDNN", "cuFFT by torch", "GPU"]
    said = "computes wrong results: a test with a known result failed"
    assert wrong == [f"{name}: {name} {said}" for name in named]
    assert memory == "30.0 49.0"  # of 80, one of which this process takes itself
    assert missing.startswith('cuSOLVER: ImportError: Failure finding "libcusolver.so.12": No such file; a library of')
    assert missing.endswith("pip install 'distributed_trf[cuda12]' (or [cuda13], as the driver is)")
    assert "the driver is for CUDA 11.4, cupy here for 1" in driver


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError('Failure finding "libnvrtc.so.13 or libnvrtc.so.12": No such file'),
            "a library of CUDA is missing",
        ),
        (ImportError("libcublas.so.12: cannot open shared object file: No such file"), "a library of CUDA is missing"),
        (DeviceError("cannot be imported: ======= No module named 'cuda.pathfinder' ====="), "of CUDA is missing"),
        (
            RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient"),
            "run this on the machine with the GPUs",
        ),
        (RuntimeError("The NVIDIA driver on your system is too old (found version 11040)"), "newer driver"),
        (
            RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected"),
            "CUDA_VISIBLE_DEVICES (7) must name one",
        ),
        (
            RuntimeError("cudaErrorNoKernelImageForDevice: no kernel image is available"),
            "no code for a GPU of this kind",
        ),
        (RuntimeError("cudaErrorDevicesUnavailable: all CUDA-capable devices are busy or unavailable"), "compute mode"),
        (AssertionError("Torch not compiled with CUDA enabled"), "this torch is built for the CPU"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "look for Xid in `dmesg`"),
        (RuntimeError("CUBLAS_STATUS_NOT_INITIALIZED"), "other processes hold the GPU's memory"),
    ],
)
def test_error__is_told_with_its_remedy(monkeypatch, error, said):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    told = explain_error(error)
    assert said in told
    assert "==" not in told
    assert told.startswith("cannot be imported" if isinstance(error, DeviceError) else type(error).__name__)


def test_unknown_error__keeps_its_text_and_is_not_taken_for_memory():
    assert explain_error(TypeError("unsupported")) == "TypeError: unsupported"
    assert not out_of_device_memory(MemoryError())
    assert out_of_device_memory(RuntimeError("CUSOLVER_STATUS_ALLOC_FAILED"))
