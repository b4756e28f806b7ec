"""``start_cluster`` starts the workers of a recipe of any kind; workers of batch systems start here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from distributed_trf.clusters.dask_settings import dask_settings
from distributed_trf.clusters.job_script import NAME, job_options, job_script
from distributed_trf.clusters.jobqueue_internals import cluster_class
from distributed_trf.clusters.recipe import Recipe, load_recipe
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.clusters.recipe_machines import ExistingRecipe, SshRecipe
from distributed_trf.clusters.start_local import start_local
from distributed_trf.clusters.start_machines import connect, start_ssh
from distributed_trf.clusters.this_machine import check_command, check_interface, free_address
from distributed_trf.clusters.tls import run_keys
from distributed_trf.errors import ConfigError


@contextmanager
def start_jobs(recipe: JobRecipe) -> Iterator[Any]:
    """Submit the jobs of a recipe, yield a client and cancel them at the end.

    The block begins at once: tasks wait for the first job that starts.

    Raises
    ------
    ConfigError
        If this machine lacks a command or the interface, or dask-jobqueue cannot use the recipe; then nothing is
        submitted.
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
        run_keys(recipe.tls_directory) as security,
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
        raise ConfigError(f"log_directory = {recipe.log_directory}: it cannot be created: {error}") from error
    return cluster_class(recipe.kind)(
        name=NAME,
        security=security,
        interface=recipe.interface,
        scheduler_options={
            "interface": recipe.interface_here,
            "dashboard_address": free_address(recipe.dashboard),
        },
        **job_options(recipe),
    )


@contextmanager
def start_cluster(
    recipe: str | Path | Recipe = "local", *, preload: Sequence[str] = (), **overrides: Any
) -> Iterator[Any]:
    """Start the workers of a recipe and yield a ``distributed.Client``; everything ends with the block.

    Each worker first proves that it can compute on the recipe's device. Workers of a batch system may start later:
    tasks wait for them.

    Parameters
    ----------
    recipe
        Name of a file in ``cluster/``, a path, or a recipe already read.
    preload
        Modules that workers on the cores of this machine have loaded as they start, and again when one takes the place
        of a lost one; elsewhere tasks load what they need. Modules that start threads when imported are not for this.
    **overrides
        Fields that replace those of the recipe, such as ``workers=4``.

    Raises
    ------
    ConfigError
        If the recipe cannot be used, or a script without a ``__main__`` guard starts workers, which import it; then
        nothing is started or submitted.
    DeviceError
        If a worker does not have the recipe's device.
    SubmissionError
        If a batch system refuses every job.
    WorkersLostError
        If tasks wait and no worker is left that could do them, or a worker ends before it has started.
    MissingExtraError
        If the kind of recipe needs a library that is not installed.

    Examples
    --------
    >>> with start_cluster("local", workers=1) as client:  # doctest: +SKIP
    ...     print(client.dashboard_link)
    """
    settings = load_recipe(recipe, **overrides) if isinstance(recipe, str | Path) else recipe

    import dask

    from distributed_trf.clusters.worker_proof import proven
    from distributed_trf.clusters.worker_setup import WorkerSetup, on_all_workers

    with dask.config.set(dask_settings(settings)), _workers(settings, preload) as client:
        on_all_workers(client, client.register_plugin, WorkerSetup(settings.threads))
        with proven(client, settings.device):
            yield client


def _workers(recipe: Recipe, preload: Sequence[str]) -> AbstractContextManager[Any]:
    if isinstance(recipe, JobRecipe):
        return start_jobs(recipe)
    if isinstance(recipe, SshRecipe):
        return start_ssh(recipe)
    if isinstance(recipe, ExistingRecipe):
        return connect(recipe)
    return start_local(recipe, preload)
