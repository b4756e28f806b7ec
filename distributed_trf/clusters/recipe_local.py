"""Recipes for workers on this machine."""

from __future__ import annotations

import os
import subprocess
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from distributed_trf.clusters.recipe_base import BaseRecipe, Count, Gpu, HostMemory
from distributed_trf.errors import DeviceError


class LocalRecipe(BaseRecipe):
    """Processes on this machine's cores."""

    kind: Literal["local"]
    workers: Count | Literal["auto"] = "auto"
    threads: Count = 1
    """Of BLAS and torch, in each worker."""
    memory: HostMemory | Literal["auto"] = "auto"
    """Per worker."""
    device: Literal["cpu"] = "cpu"
    tls: bool = True
    """Have workers and the driver prove themselves by keys of the run: whoever is logged in to this machine can reach
    their ports, and could run code as you. It costs no time that shows (see ``start_local``)."""

    @field_validator("device", mode="before")
    @classmethod
    def _no_gpu(cls, device: Any) -> Any:
        if device == "cuda":
            raise ValueError("workers on the GPUs of this machine are `kind: local_cuda`; see cluster/local_cuda.yaml")
        return device

    @property
    def n_workers(self) -> int:
        """Number of workers, counted now if it is ``auto``."""
        return usable_cores() if self.workers == "auto" else self.workers

    @property
    def worker_bytes(self) -> int:
        """Memory of a worker."""
        return _share(self.n_workers) if self.memory == "auto" else int(self.memory)


class LocalCudaRecipe(BaseRecipe):
    """A process for each GPU of this machine."""

    kind: Literal["local_cuda"]
    gpus: Annotated[list[Gpu], Field(min_length=1)] | Literal["all"] = "all"
    """Indices as nvidia-smi lists them."""
    threads: Count = 1
    """Of BLAS and torch, in each worker."""
    memory: HostMemory | Literal["auto"] = "auto"
    """Of the host, per worker."""
    device: Literal["cuda"] = "cuda"
    tls: bool = True
    """Have workers and the driver prove themselves by keys of the run: whoever is logged in to this machine can reach
    their ports, and could run code as you. It costs no time that shows (see ``start_local``)."""

    @field_validator("gpus")
    @classmethod
    def _each_once(cls, gpus: Any) -> Any:
        if gpus != "all" and len(set(gpus)) < len(gpus):
            raise ValueError("expected each GPU once; two workers on one GPU take each other's memory")
        return gpus

    @property
    def visible(self) -> list[str]:
        """The GPUs to use, as ``CUDA_VISIBLE_DEVICES`` takes them.

        Raises
        ------
        DeviceError
            If they are to be counted, or one is named, and this machine does not have it.
        """
        there = visible_gpus()
        if self.gpus == "all":
            return there
        wanted = [str(gpu) for gpu in self.gpus]
        missing = [gpu for gpu in wanted if gpu not in there]
        if missing:
            raise DeviceError(f"gpus = {self.gpus}: this process sees no GPU {', '.join(missing)}, only {there}")
        return wanted

    @property
    def n_workers(self) -> int:
        """Number of workers, counted now if ``gpus`` is ``all``."""
        return len(self.visible) if self.gpus == "all" else len(self.gpus)

    @property
    def worker_bytes(self) -> int:
        """Memory of a worker on the host."""
        return _share(self.n_workers) if self.memory == "auto" else int(self.memory)


def usable_cores() -> int:
    """Cores that this process may use, which on a shared machine are fewer than it has."""
    allocated = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return max(int(allocated), 1) if allocated.isdigit() else len(os.sched_getaffinity(0))


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use: those of ``CUDA_VISIBLE_DEVICES``, or else all.

    Raises
    ------
    DeviceError
        If there is none, with the reason.
    """
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise DeviceError(
            "a GPU was asked for, but there is no NVIDIA driver on this machine: the command nvidia-smi is missing"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"a GPU was asked for, but its driver does not answer: {error}") from error
    there = [line.split(":")[0].removeprefix("GPU ") for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    if not there:
        told = (listed.stdout + listed.stderr).strip() or "it lists none"
        raise DeviceError(f"a GPU was asked for, but nvidia-smi finds none: {told}")
    if allowed is None:
        return there
    if not allowed.strip(", "):
        raise DeviceError("a GPU was asked for, but CUDA_VISIBLE_DEVICES is empty, which hides every GPU")
    return [gpu.strip() for gpu in allowed.split(",") if gpu.strip()]


def _share(n_workers: int) -> int:
    """Return an equal part of the memory that this process may use."""
    from distributed.system import memory_limit

    return int(memory_limit() // n_workers)
