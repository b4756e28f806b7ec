"""``start_cluster``: the one door from a recipe to running workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from distributed_trf.clusters.dask_settings import dask_settings
from distributed_trf.clusters.recipe import Recipe, load_recipe
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.clusters.recipe_machines import ExistingRecipe, SshRecipe
from distributed_trf.clusters.start_jobs import start_jobs
from distributed_trf.clusters.start_local import start_local
from distributed_trf.clusters.start_machines import connect, start_ssh
from distributed_trf.clusters.worker_setup import tell_workers


@contextmanager
def start_cluster(recipe: str | Path | Recipe = "local", **overrides: Any) -> Iterator[Any]:
    """Start the workers of a recipe and yield a ``distributed.Client``; everything ends with the block.

    Workers prove that they can compute on the recipe's device before they work. Those of a batch system may start
    later: tasks wait for them.

    Parameters
    ----------
    recipe
        Name of a file in ``cluster/``, a path, or a recipe already read.
    **overrides
        Fields to take instead of the recipe's, such as ``workers=4``.

    Raises
    ------
    ConfigError
        If the recipe cannot be used, or a script without a guard starts workers, which import it; nothing was started
        or submitted then.
    DeviceError
        If a worker does not have the device that the recipe asks for.
    SubmissionError
        If a batch system refuses every job.
    WorkersLostError
        If tasks wait and no worker is left that could do them, or a worker ends before it has started.
    MissingExtraError
        If a kind of recipe needs what is not installed.

    Examples
    --------
    >>> with start_cluster("local", workers=1) as client:  # doctest: +SKIP
    ...     print(client.dashboard_link)
    """
    settings = load_recipe(recipe, **overrides) if isinstance(recipe, str | Path) else recipe

    import dask

    from distributed_trf.clusters.worker_proof import proven
    from distributed_trf.clusters.worker_setup import WorkerSetup

    with dask.config.set(dask_settings(settings)), _workers(settings) as client:
        tell_workers(client, client.register_plugin, WorkerSetup(settings.threads))
        with proven(client, settings.device):
            yield client


def _workers(recipe: Recipe) -> AbstractContextManager[Any]:
    if isinstance(recipe, JobRecipe):
        return start_jobs(recipe)
    if isinstance(recipe, SshRecipe):
        return start_ssh(recipe)
    if isinstance(recipe, ExistingRecipe):
        return connect(recipe)
    return start_local(recipe)
