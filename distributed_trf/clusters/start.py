"""``start_cluster``: the one door from a recipe to running workers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.arrays import to_device
from distributed_trf.clusters.recipe import Recipe, load_recipe

SETTINGS = {
    # One task on a worker at a time, and one that stepped aside to write: when a worker dies, only those are under
    # suspicion.
    "distributed.scheduler.worker-saturation": 1.0,
    # The driver keeps a small window of tasks in flight, so there is nothing worth stealing.
    "distributed.scheduler.work-stealing": False,
    # Losing workers is normal on shared machines; the driver counts the attempts of each item itself.
    "distributed.scheduler.allowed-failures": 10,
    # A factorisation may hold the interpreter's lock for minutes; that is no dead worker.
    "distributed.scheduler.worker-ttl": "30 minutes",
    # Rather than wait for ever when every worker is lost and none comes back.
    "distributed.scheduler.no-workers-timeout": "1 minute",
    "distributed.scheduler.dashboard.status.task-stream-length": 100_000,
    # Tasks return a few numbers: there is nothing to spill, and a worker that paused until there is would wait for
    # ever. One that takes too much memory is restarted, and the driver says so of its item.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # Dask lets glibc give memory back after each use. Arrays of a MiB that come and go would then be mapped and cleared
    # by the system again and again; MALLOC_TRIM_THRESHOLD_=65536 scripts/bench_reliability shows what that costs.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 256 << 20,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 32 << 20,
    # A task that steps aside leaves the next one to another thread, which glibc would give a heap of its own, so that
    # what networks work in would be kept for each thread anew.
    "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1,
}


@contextmanager
def start_cluster(recipe: str | Path | Recipe = "local", **overrides: Any) -> Iterator[Any]:
    """Start the workers of a recipe and yield a ``distributed.Client``; everything ends with the block.

    Parameters
    ----------
    recipe
        Name of a file in ``cluster/``, a path, or a recipe already read.
    **overrides
        Fields to take instead of the recipe's, such as ``workers=4``.

    Raises
    ------
    ConfigError
        If the recipe cannot be used; nothing was started then.
    DeviceError
        If a worker does not have the device that the recipe asks for.

    Examples
    --------
    >>> with start_cluster("local", workers=1) as client:  # doctest: +SKIP
    ...     print(client.dashboard_link)
    """
    settings = load_recipe(recipe, **overrides) if not isinstance(recipe, Recipe) else recipe

    import dask
    from distributed import Client, LocalCluster

    from distributed_trf.clusters.worker_setup import WorkerSetup

    environment = dict(os.environ)
    with dask.config.set(SETTINGS):
        set_by_nannies: set[str] = set()
        try:
            cluster = LocalCluster(
                n_workers=settings.n_workers,
                threads_per_worker=1,
                memory_limit=settings.memory,
                host="127.0.0.1",
                dashboard_address=_free(settings.dashboard),
            )
            with cluster, Client(cluster) as client:
                # Nannies set thread variables in this process, where a second cluster would inherit them: when they
                # start a worker, and again when they start another in its place.
                set_by_nannies = {name for name in os.environ if os.environ[name] != environment.get(name)}
                _restore(environment, set_by_nannies)
                client.register_plugin(WorkerSetup(settings.threads))
                client.run(to_device, np.ones(1), settings.device)  # a worker without its GPU says so now
                yield client
        finally:
            _restore(environment, set_by_nannies)


def _free(address: str) -> str:
    """Return the address, or any free port of its host where that port is taken."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return address


def _restore(environment: Mapping[str, str], names: Iterable[str]) -> None:
    for name in names:
        if name in environment:
            os.environ[name] = environment[name]
        else:
            os.environ.pop(name, None)
