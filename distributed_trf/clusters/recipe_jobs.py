"""Recipes for workers that a batch system starts: one worker per job."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from distributed_trf.clusters.recipe_base import STATE, Count, Device, Folder, Memory, RemoteRecipe, Word
from distributed_trf.config.fields import Duration

_GPUS = re.compile(r"gpu\w*(?:-per-\w+)?(?:[:=][a-z]\w*)?[:= \"]+(?:num=)?(\d+)", re.IGNORECASE)
"""The number of requested GPUs: --gres=gpu:a100:2, --gpus-per-node=2, ngpus=2, -gpu "num=2", -l gpu=2."""

Line = Annotated[str, Field(pattern=r"^[^\n]+$")]


class JobRecipe(RemoteRecipe):
    """Fields of recipes for all batch systems."""

    commands: ClassVar[tuple[str, str, str]]
    """Commands that submit, list and cancel jobs."""
    gpu_request: ClassVar[str]
    """An example of how a job requests a GPU."""

    kind: str

    device: Device = "cpu"
    """Where items are computed."""
    jobs: Count
    """Number of jobs; each is one worker."""
    cores: Count = 1
    """Cores of a job; BLAS and torch use them all."""
    memory: Memory
    """Host memory of a job."""
    walltime: Duration
    """How long a job may run; workers leave a few minutes before."""
    queue: Word | None = None
    """Queue or partition."""
    account: Word | None = None
    """Account or project that is charged."""
    log_directory: Folder = Field(default=STATE / "logs", validate_default=True)
    """Folder for the output of jobs."""
    directives: list[Line] = []
    """Options of the submit command to add, one a line."""
    skip: list[Line] = []
    """Generated directives that contain one of these texts are left out."""
    prologue: list[Line] = []
    """Shell commands before the worker starts, such as module load."""
    resubmissions: Annotated[int, Field(ge=0)] = 20
    """Number of replacements for lost jobs before the run gives up."""

    @field_validator("walltime")
    @classmethod
    def _a_minute(cls, walltime: float) -> float:
        if walltime < 60:
            raise ValueError("expected a minute at least; a number without a unit is seconds, so write 4 h or the like")
        return walltime

    @model_validator(mode="after")
    def _one_gpu_per_job(self) -> Self:
        if self.device == "cuda":
            requests = self.requests
            if "gpu" not in requests.lower():
                raise ValueError(
                    f"device is cuda, but the recipe requests no GPU; add a request, such as {self.gpu_request}"
                )
            if any(int(number) > 1 for number in _GPUS.findall(requests)):
                raise ValueError(f"a job requests several GPUs, but each job is one worker on one GPU: {requests}")
        return self

    @property
    def requests(self) -> str:
        """The resources that a job requests, in the site's own terms."""
        return " ".join(self.directives)

    @property
    def threads(self) -> int:
        """Threads of BLAS and torch in each worker."""
        return self.cores

    @property
    def n_workers(self) -> int:
        """Number of workers once all jobs have started."""
        return self.jobs

    @property
    def worker_bytes(self) -> int:
        """Memory of a worker on the host."""
        return int(self.memory)


class SlurmRecipe(JobRecipe):
    """Jobs of Slurm."""

    commands = ("sbatch", "squeue", "scancel")
    gpu_request = "--gres=gpu:1"
    kind: Literal["slurm"]


class LsfRecipe(JobRecipe):
    """Jobs of LSF."""

    commands = ("bsub", "bjobs", "bkill")
    gpu_request = '-gpu "num=1"'
    kind: Literal["lsf"]
    units: Literal["kb", "mb", "gb"] | None = None
    """Unit of memory in directives: LSF_UNIT_FOR_LIMITS of the site; by default that of its lsf.conf, else kb."""


class ResourceRecipe(JobRecipe):
    """Jobs that list their resources after ``-l``."""

    resource_spec: Line | None = None
    """The list, in the site's own terms."""

    @property
    def requests(self) -> str:
        """The resources that a job requests, in the site's own terms."""
        return " ".join([self.resource_spec or "", *self.directives])


class PbsRecipe(ResourceRecipe):
    """Jobs of PBS, OpenPBS or Torque."""

    commands = ("qsub", "qstat", "qdel")
    gpu_request = "resource_spec: select=1:ncpus=8:ngpus=1:mem=64gb"
    kind: Literal["pbs"]


class SgeRecipe(ResourceRecipe):
    """Jobs of (Son of) Grid Engine."""

    commands = ("qsub", "qstat", "qdel")
    gpu_request = "-l gpu=1"
    kind: Literal["sge"]
    parallel_environment: Word | None = None
    """Of the site, for jobs of several cores on one machine, such as smp."""

    @model_validator(mode="after")
    def _cores_need_an_environment(self) -> Self:
        if self.cores > 1 and self.parallel_environment is None:
            raise ValueError(
                f"cores = {self.cores} needs parallel_environment: the name that `qconf -spl` lists for jobs of "
                "several cores on one machine"
            )
        return self
