"""Recipes for workers on this machine."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from distributed_trf.clusters.dask_internals import usable_memory
from distributed_trf.clusters.recipe_base import BaseRecipe, Count, Gpu, Memory
from distributed_trf.errors import DeviceError


class LocalRecipe(BaseRecipe):
    """Processes on this machine's cores."""

    kind: Literal["local"]
    workers: Count | Literal["auto"] = "auto"
    threads: Count = 1
    """Threads of BLAS and torch in each worker."""
    memory: Memory | Literal["auto"] = "auto"
    """Memory of each worker."""
    device: Literal["cpu"] = "cpu"
    tls: bool = True
    """Authenticate workers and driver with TLS keys of the run: otherwise every user of this machine can reach their
    ports, and could run code as you. It costs no measurable time (see ``start_local``)."""

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
    """Threads of BLAS and torch in each worker."""
    memory: Memory | Literal["auto"] = "auto"
    """Host memory of each worker."""
    device: Literal["cuda"] = "cuda"
    tls: bool = True
    """Authenticate workers and driver with TLS keys of the run: otherwise every user of this machine can reach their
    ports, and could run code as you. It costs no measurable time (see ``start_local``)."""

    @field_validator("gpus")
    @classmethod
    def _each_once(cls, gpus: Any) -> Any:
        if gpus != "all" and len(set(gpus)) < len(gpus):
            raise ValueError("expected each GPU once; two workers on one GPU compete for its memory")
        return gpus

    @property
    def visible(self) -> list[str]:
        """The GPUs to use, in the form of ``CUDA_VISIBLE_DEVICES``.

        Raises
        ------
        DeviceError
            If this machine has no GPU, or lacks one that is named.
        """
        visible = visible_gpus()
        if self.gpus == "all":
            return visible
        wanted = [str(gpu) for gpu in self.gpus]
        missing = [gpu for gpu in wanted if gpu not in visible]
        if missing:
            raise DeviceError(f"gpus = {self.gpus}: this process sees no GPU {', '.join(missing)}, only {visible}")
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

    For a GPU that is divided into slices (MIG) it lists the slices, by UUID: a process can use one.

    Raises
    ------
    DeviceError
        If there is none, or a named one does not exist, with the reason.
    """
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise DeviceError(
            "a GPU is requested, but there is no NVIDIA driver on this machine: the command nvidia-smi is missing"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"a GPU is requested, but its driver does not answer: {error}") from error
    usable, names = _listed(listed.stdout)
    if not usable:
        output = (listed.stdout + listed.stderr).strip() or "it lists none"
        raise DeviceError(f"a GPU is requested, but nvidia-smi finds none: {output}")
    if allowed is None:
        return usable
    if not allowed.strip(", "):
        raise DeviceError("a GPU is requested, but CUDA_VISIBLE_DEVICES is empty, which hides every GPU")
    named = [gpu.strip() for gpu in allowed.split(",") if gpu.strip()]
    for gpu in named:  # CUDA accepts the first characters of a UUID
        if gpu not in names and not any(gpu.startswith(("GPU-", "MIG-")) and name.startswith(gpu) for name in names):
            raise DeviceError(
                f"a GPU is requested, but CUDA_VISIBLE_DEVICES={allowed} names {gpu}, which `nvidia-smi -L` does not "
                f"list here; it lists {', '.join(usable)}"
            )
    return named


def _listed(text: str) -> tuple[list[str], list[str]]:
    """Return the devices in ``nvidia-smi -L`` that a process can use, and all names of GPUs and slices."""
    usable: list[str] = []
    names: list[str] = []
    for line in text.splitlines():
        index, uuid = re.match(r"GPU (\d+):", line), re.search(r"\(UUID: (\S+)\)", line)
        names += [match[1] for match in (index, uuid) if match]
        if index:
            usable.append(index[1])
        elif uuid:  # a slice of the GPU above
            usable = [*(usable[:-1] if usable[-1].isdigit() else usable), uuid[1]]
    return usable, names


def _share(n_workers: int) -> int:
    """Return an equal part of the memory that this process may use."""
    return usable_memory() // n_workers
