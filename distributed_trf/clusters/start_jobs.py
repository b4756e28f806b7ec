"""Workers that a batch system starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed_trf.clusters.job_script import NAME, cluster_class, job_options, job_script
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.clusters.this_machine import check_command, check_interface, free_address
from distributed_trf.clusters.tls import keys
from distributed_trf.errors import ConfigError


@contextmanager
def start_jobs(recipe: JobRecipe) -> Iterator[Any]:
    """Submit the jobs of a recipe, yield a client and cancel them at the end.

    The block begins at once: tasks wait for the first job that starts.

    Raises
    ------
    ConfigError
        If this machine lacks a command or the interface, or dask-jobqueue cannot use the recipe; nothing was submitted
        then.
    SubmissionError
        If the queue refuses every job.
    WorkersLostError
        If no job is left and no more may be submitted.
    """
    from distributed import Client

    from distributed_trf.clusters.watchdog import watch_jobs

    job_script(recipe)
    for command in recipe.commands:
        check_command(command, recipe.kind)
    check_interface(recipe.interface_here)
    with (
        keys(recipe.tls_directory) as security,
        _scheduler(recipe, security) as cluster,
        watch_jobs(cluster, recipe),
        Client(cluster) as client,
    ):
        yield client


def _scheduler(recipe: JobRecipe, security: Any) -> Any:
    """Start a scheduler in this process that can submit jobs."""
    try:
        recipe.log_directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"log_directory = {recipe.log_directory}: it cannot be made: {error}") from error
    return cluster_class(recipe)(
        name=NAME,
        security=security,
        interface=recipe.interface,
        scheduler_options={
            "interface": recipe.interface_here,
            "dashboard_address": free_address(recipe.dashboard),
        },
        **job_options(recipe),
    )
