"""Recipes without a queue: workers on this machine, on named machines by ssh, or of an existing cluster."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from distributed_trf.clusters.recipe_base import BaseRecipe, Count, Device, Gpu, Memory, RemoteRecipe, Word
from distributed_trf.clusters.this_machine import usable_memory
from distributed_trf.config.fields import AbsolutePath
from distributed_trf.config.load import Settings
from distributed_trf.errors import DeviceError


class LocalRecipe(BaseRecipe):
    """Processes on this machine's cores."""

    kind: Literal["local"]
    workers: Count | Literal["auto"] = "auto"
    """Worker processes; ``auto`` is one per core."""
    threads: Count = 1
    """Threads of BLAS and torch in each worker."""
    memory: Memory | Literal["auto"] = "auto"
    """Memory of each worker."""
    device: Literal["cpu"] = "cpu"
    """Where items are computed."""
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
    """Where items are computed."""
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


class SshRecipe(RemoteRecipe):
    """Workers that are started on other machines by ssh."""

    kind: Literal["ssh"]
    hosts: Annotated[list[Word], Field(min_length=1)]
    """Names or addresses of the machines."""
    workers: Count = 1
    """Workers on each host, if the device is cpu."""
    threads: Count = 1
    """Threads of BLAS and torch in each worker."""
    memory: Memory | None = None
    """Memory of each worker; by default that of its host, divided by its cores."""
    device: Device = "cpu"
    """Where items are computed."""
    gpus: Annotated[list[Gpu], Field(min_length=1)] = [0]
    """GPUs on each host, if the device is cuda: one worker each."""
    user: Word | None = None
    """Name to log in by; yours if not given."""
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Of the ssh server."""
    key: AbsolutePath | None = None
    """Private key to log in with; by default as ssh does."""
    known_hosts: AbsolutePath | None = None
    """Public keys of the hosts; by default ~/.ssh/known_hosts."""

    @field_validator("hosts")
    @classmethod
    def _each_once(cls, hosts: list[str]) -> list[str]:
        if len(set(hosts)) < len(hosts):
            raise ValueError("expected each host once; `workers` says how many there are on each")
        return hosts

    @property
    def n_workers(self) -> int:
        """Number of workers on all hosts."""
        return len(self.hosts) * (len(self.gpus) if self.device == "cuda" else self.workers)

    @property
    def worker_bytes(self) -> int | None:
        """Memory of a worker on its host; None if that is left to the host."""
        return None if self.memory is None else int(self.memory)


class Keys(Settings):
    """Files with which a client and a scheduler authenticate each other."""

    ca_file: AbsolutePath
    """Certificate by which others' are judged."""
    cert: AbsolutePath
    """Certificate of this side."""
    key: AbsolutePath
    """Its private key."""


class ExistingRecipe(BaseRecipe):
    """Workers of an existing scheduler."""

    kind: Literal["existing"]
    address: Annotated[str, Field(pattern=r"^(tcp|tls)://\S+:\d+$")] | None = None
    """Of the scheduler, such as ``tcp://10.0.0.1:8786``."""
    scheduler_file: AbsolutePath | None = None
    """File that `dask scheduler --scheduler-file` wrote; instead of an address."""
    tls: Keys | None = None
    """Files by which the scheduler and this side know each other."""
    workers: Count = 1
    """Workers that must have joined before a run begins."""
    threads: Count = 1
    """Threads of BLAS and torch in each worker."""
    memory: Memory | None = None
    """Memory of each worker, for plans."""
    device: Device = "cpu"
    """Where items are computed."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.address is None) == (self.scheduler_file is None):
            raise ValueError("expected either address or scheduler_file")
        if self.address is not None and self.address.startswith("tls://") and self.tls is None:
            raise ValueError("an address that begins with tls:// needs tls: ca_file, cert and key")
        return self

    @property
    def n_workers(self) -> int:
        """Number of workers that a run waits for; there may be more."""
        return self.workers

    @property
    def worker_bytes(self) -> int | None:
        """Memory of a worker; None if the recipe does not say."""
        return None if self.memory is None else int(self.memory)
