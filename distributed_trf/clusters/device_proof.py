"""Tests of every library that work on a device needs, with numbers of known results; and remedies for their errors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from distributed_trf.arrays import Array, to_device, to_numpy
from distributed_trf.clusters.this_machine import with_variables
from distributed_trf.errors import DeviceError

DEVICE = "GPU"
SIZE = 64
CONTEXT_BYTES = 1024 << 20
"""Memory of a GPU for the contexts, kernels and workspaces of torch and cupy (published; not measured here)."""


def try_libraries(device: str) -> Iterator[tuple[str, str]]:
    """Use each library on a device; yield its name and its problem, which is empty if it works.

    If the GPU itself fails, the other libraries are not tried.
    """
    trials: dict[str, Callable[[], tuple[Array, Any]]] = {"numpy": partial(_product, device)}
    if device != "cpu":
        trials = {
            DEVICE: partial(_copy, device),
            "NVRTC": _kernel,
            "cuBLAS": partial(_product, device),
            "cuBLAS by cupyx": _triangle,
            "cuSOLVER": _factors,
            "cuFFT": _transform,
        }
        if find_spec("torch") is not None:
            trials |= {"torch": _torch_product, "cuDNN": _torch_convolution, "cuFFT by torch": _torch_transform}
    for name, trial in trials.items():
        try:
            result, expected = trial()
            is_right = np.allclose(to_numpy(result), expected, rtol=0, atol=1e-10)
            problem = "" if is_right else f"{name} computes wrong results: a test with a known result failed"
        except Exception as error:  # noqa: BLE001  a broken driver may raise anything
            problem = explain_error(error) if isinstance(error, DeviceError) else f"{name}: {explain_error(error)}"
        yield name, problem
        if problem and name == DEVICE:
            return


def explain_error(error: Exception) -> str:
    """Return the text of an error of CUDA's libraries, with its remedy if there is one."""
    text = str(error) if isinstance(error, DeviceError) else f"{type(error).__name__}: {error}"
    text = " ".join(re.sub("={4,}", "", text).split())  # cupy frames its messages
    template = next((remedy for pattern, remedy in REMEDIES.items() if re.search(pattern, text)), "")
    remedy = template.format(versions=_versions(), visible=visible_here()) if template else ""
    return f"{text.rstrip('.')}; {remedy}" if remedy else text


def out_of_device_memory(error: Exception) -> bool:
    """Tell whether an error means that a GPU's memory was too small; each library has its own error or status."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return "OutOfMemoryError" in kinds or re.search(FULL, str(error)) is not None


FULL = r"cudaErrorMemoryAllocation|CUDA error: out of memory|STATUS_(ALLOC_FAILED|NOT_INITIALIZED)"

REMEDIES = {
    r"Failure finding|lib(cu|nv)\w+\.so|No module named 'cuda|fatal error.*\.h|could not open source file": (
        "a library of CUDA is missing: pip install 'distributed_trf[cuda12]' (or [cuda13], as the driver is)"
    ),
    r"cudaErrorInsufficientDriver|driver on your system is too old|UnsupportedPtx|unsupported toolchain": (
        "{versions}: install a newer driver, or for one of CUDA 12 pip install 'distributed_trf[cuda12]' in place of "
        "[cuda13], and a build of torch for it"
    ),
    r"cudaErrorNoDevice|no CUDA-capable device|invalid device ordinal|cudaErrorInvalidDevice|Found no NVIDIA driver": (
        "`nvidia-smi -L` must list a GPU here, and CUDA_VISIBLE_DEVICES ({visible}) must name one of them"
    ),
    r"NoKernelImageForDevice|no kernel image": (
        "this build has no code for a GPU of this kind: install a version of cupy or torch, as named, that supports it"
    ),
    r"DevicesUnavailable|busy or unavailable": (
        "another process has the GPU for itself (compute mode Exclusive): end it, or take another GPU"
    ),
    r"[Oo]ut of memory|OutOfMemory|MemoryAllocation|STATUS_(ALLOC_FAILED|NOT_INITIALIZED)": (
        "other processes hold the GPU's memory: nvidia-smi lists them; end them, or take another GPU"
    ),
    r"not compiled with CUDA": "this torch is built for the CPU: install a build for the driver's CUDA version",
    r"ECC|[Ll]aunch ?[Ff]ail|cudaErrorUnknown|unknown error|is lost|[Ii]llegal": (
        "the GPU, or a program on it, failed: look for Xid in `dmesg`; if it comes again, have the GPU reset"
    ),
}
"""Remedies by the pattern of an error's text; the first that matches is used."""


def visible_here() -> str:
    """Return the GPUs that this process may see."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "not set")


def _versions() -> str:
    """Return the version of CUDA of the driver, and those that the installed builds need."""
    try:
        from cupy.cuda import runtime

        driver, wheel = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    except Exception:  # noqa: BLE001  what is broken may raise anything
        driver = wheel = 0
    if not driver:
        return "no NVIDIA driver answers here: run this on the machine with the GPUs. If it is that machine"
    torch = sys.modules.get("torch")
    built = f", torch for {torch.version.cuda}" if torch is not None else ""
    return f"the driver is for CUDA {_version(driver)}, cupy here for {_version(wheel)}{built}"


def _version(number: int) -> str:
    """Write a version as CUDA counts it, such as 12090."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _ramp() -> np.ndarray:
    return np.arange(SIZE * SIZE, dtype=np.float64).reshape(SIZE, SIZE) % 7


def _copy(device: str) -> tuple[Array, np.ndarray]:
    return to_device(_ramp(), device), _ramp()


def _kernel() -> tuple[Array, float]:
    """Compile a kernel. Cupy's disk cache is not used: an earlier kernel would hide a missing compiler or header."""
    import cupy

    with with_variables({"CUPY_CACHE_IN_MEMORY": "1"}):
        return cupy.hypot(cupy.asarray([3.0]), cupy.asarray([4.0])), 5.0


def _product(device: str) -> tuple[Array, np.ndarray]:
    ramp = to_device(_ramp(), device)
    return ramp @ ramp, _ramp() @ _ramp()  # whole numbers: exact


def _factors() -> tuple[Array, np.ndarray]:
    """The matrix with 4 on its diagonal and 1 next to it, whose eigenvalues are 4 + 2 cos(k pi / (n + 1))."""
    import cupy

    matrix = 4 * np.eye(SIZE) + np.eye(SIZE, k=1) + np.eye(SIZE, k=-1)
    on_device = to_device(matrix, "cuda")
    values, _ = cupy.linalg.eigh(on_device)
    lower = cupy.linalg.cholesky(on_device)
    result = cupy.concatenate([values[None, :], lower @ lower.T])
    eigenvalues = np.sort(4 + 2 * np.cos(np.arange(1, SIZE + 1) * np.pi / (SIZE + 1)))
    return result, np.vstack([eigenvalues, matrix])


def _triangle() -> tuple[Array, float]:
    """A triangle of ones, times ones, counts: 1, 2, 3, ..."""
    from cupyx.scipy.linalg import solve_triangular

    lower, counts = to_device(np.tri(SIZE), "cuda"), to_device(np.arange(1.0, SIZE + 1), "cuda")
    return solve_triangular(lower, counts, lower=True), 1.0


def _transform() -> tuple[Array, np.ndarray]:
    import cupy

    return cupy.fft.rfft(to_device(np.ones(SIZE), "cuda")).real, SIZE * np.eye(SIZE // 2 + 1)[0]


def _torch_product() -> tuple[Array, float]:
    import torch

    ones = torch.ones(SIZE, SIZE, device="cuda")
    return ones @ ones, float(SIZE)


def _torch_convolution() -> tuple[Array, float]:
    import torch

    ones = torch.ones(1, 1, SIZE, device="cuda")
    return torch.nn.functional.conv1d(ones, ones[:, :, :3]), 3.0


def _torch_transform() -> tuple[Array, np.ndarray]:
    import torch

    return torch.fft.rfft(torch.ones(SIZE, device="cuda")).real, SIZE * np.eye(SIZE // 2 + 1)[0]
