"""Recipes for workers on named machines, and for an existing cluster."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from distributed_trf.clusters.recipe_base import BaseRecipe, Count, Device, Gpu, Memory, RemoteRecipe, Word
from distributed_trf.config.fields import AbsolutePath
from distributed_trf.config.load import Settings


class SshRecipe(RemoteRecipe):
    """Workers that are started on other machines by ssh."""

    kind: Literal["ssh"]
    hosts: Annotated[list[Word], Field(min_length=1)]
    workers: Count = 1
    """Workers on each host, if the device is cpu."""
    threads: Count = 1
    """Threads of BLAS and torch in each worker."""
    memory: Memory | None = None
    """Memory of each worker; by default that of its host, divided by its cores."""
    device: Device = "cpu"
    gpus: Annotated[list[Gpu], Field(min_length=1)] = [0]
    """GPUs on each host, if the device is cuda: one worker each."""
    user: Word | None = None
    port: Annotated[int, Field(ge=1, le=65535)] = 22
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
    cert: AbsolutePath
    key: AbsolutePath


class ExistingRecipe(BaseRecipe):
    """Workers of an existing scheduler."""

    kind: Literal["existing"]
    address: Annotated[str, Field(pattern=r"^(tcp|tls)://\S+:\d+$")] | None = None
    scheduler_file: AbsolutePath | None = None
    """File that `dask scheduler --scheduler-file` wrote; instead of an address."""
    tls: Keys | None = None
    workers: Count = 1
    """Workers that must have joined before a run begins."""
    threads: Count = 1
    """Threads of BLAS and torch in each worker."""
    memory: Memory | None = None
    """Memory of each worker, for plans."""
    device: Device = "cpu"

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
