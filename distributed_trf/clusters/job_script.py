"""From a recipe to the script of a job, which is one worker."""

from __future__ import annotations

import math
from typing import Any

from distributed_trf.clusters.dask_settings import exports
from distributed_trf.clusters.jobqueue_internals import job_script_of
from distributed_trf.clusters.recipe_jobs import JobRecipe, LsfRecipe, PbsRecipe, SgeRecipe, SlurmRecipe
from distributed_trf.clusters.tls import security_from
from distributed_trf.errors import ConfigError

NAME = "dtrf"
"""Name of jobs in the lists of the batch system."""

LOOPBACK = "127.0.0.1:0"


def job_script(recipe: JobRecipe) -> str:
    """Return the script that would be submitted for each job; nothing is created or started.

    Raises
    ------
    ConfigError
        If dask-jobqueue cannot use the recipe.
    MissingExtraError
        If dask-jobqueue is not installed.
    """
    security = security_from(recipe.tls_directory / "RUN")
    common = {"protocol": "tls://", "security": security, "interface": recipe.interface}
    try:
        return job_script_of(recipe.kind, "tls://SCHEDULER:PORT", f"{NAME}-0", common | job_options(recipe))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"kind = {recipe.kind!r}: dask-jobqueue cannot use this recipe: {error}") from error


def job_options(recipe: JobRecipe) -> dict[str, Any]:
    """Return dask-jobqueue's options for the job script of a recipe."""
    cuda = recipe.device == "cuda"
    options: dict[str, Any] = {
        # One worker per job, with one task at a time; the cores of the job are requested from each batch system below.
        "cores": 1,
        "processes": 1,
        "memory": f"{int(recipe.memory)}B",
        "job_name": NAME,
        "queue": recipe.queue,
        "python": recipe.interpreter,
        # Always given: workers of dask-cuda would otherwise use the folder from which the jobs were submitted.
        "local_directory": recipe.scratch or "${TMPDIR:-/tmp}",
        "death_timeout": 300,
        "worker_command": "dask_cuda.cli" if cuda else "distributed.cli.dask_worker",
        "worker_extra_args": ["--dashboard-address", LOOPBACK, *(["--device-memory-limit", "0"] if cuda else [])],
        "job_script_prologue": [*exports(), *_lifetime(recipe.walltime), *recipe.prologue],
        "job_directives_skip": recipe.skip,
    }
    cores, logs = recipe.cores, recipe.log_directory
    match recipe:
        case SlurmRecipe():
            # A job that Slurm restarts by itself would be one too many, because a replacement is submitted.
            directives = [f"-o {logs}/{NAME}-%j.out", "--no-requeue"]
            options |= {"job_cpu": cores, "account": recipe.account, "walltime": _clock(recipe.walltime)}
        case PbsRecipe():
            directives = ["-S /bin/bash", "-j oe", f"-o {logs}/", "-r n"]
            resources = recipe.resource_spec or f"select=1:ncpus={cores}:mem={math.ceil(recipe.memory / 2**20)}mb"
            options |= {"resource_spec": resources, "account": recipe.account, "walltime": _clock(recipe.walltime)}
        case LsfRecipe():
            directives = [f"-o {logs}/{NAME}-%J.out", "-rn"]
            hours, minutes = divmod(math.ceil(recipe.walltime / 60), 60)
            options |= {"ncpus": cores, "project": recipe.account, "walltime": f"{hours}:{minutes:02d}"}
            options |= {"lsf_units": recipe.units}
        case SgeRecipe():
            directives = ["-S /bin/bash", f"-o {logs}/", "-r n"]
            if recipe.parallel_environment:
                directives.append(f"-pe {recipe.parallel_environment} {cores}")
            options |= {"resource_spec": recipe.resource_spec, "project": recipe.account}
            options |= {"walltime": _clock(recipe.walltime)}
        case _:
            raise TypeError(type(recipe).__name__)
    return {**options, "job_extra_directives": [*directives, *recipe.directives]}


def _lifetime(walltime: float) -> list[str]:
    """Let a worker close before its job is ended; otherwise its item would be lost and it could not sign off.

    This is set in the environment, because workers of dask-cuda have no option for it.
    """
    margin = min(300.0, walltime / 10)
    return [
        f"export DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION={walltime - margin:.0f}s",
        f"export DASK_DISTRIBUTED__WORKER__LIFETIME__STAGGER={margin / 2:.0f}s",
    ]


def _clock(seconds: float) -> str:
    """Write a duration as hours, minutes and seconds."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"
