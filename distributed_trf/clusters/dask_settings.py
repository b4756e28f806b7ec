"""What Dask is told, and the environment of every worker."""

from __future__ import annotations

import logging
from typing import Any

from distributed_trf.clusters.recipe import Recipe
from distributed_trf.clusters.recipe_local import LocalCudaRecipe, LocalRecipe

ENVIRONMENT = {
    # Dask lets glibc give memory back after each use. Arrays of a MiB that come and go would then be mapped and cleared
    # by the system again and again; MALLOC_TRIM_THRESHOLD_=65536 scripts/bench_reliability shows what that costs.
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    # A task that steps aside leaves the next one to another thread, which glibc would give a heap of its own, so that
    # what networks work in would be kept for each thread anew.
    "MALLOC_ARENA_MAX": "1",
    # GPUs are then numbered as nvidia-smi lists them.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
"""Of workers, from before they start: the C library reads it once."""

WORKER_SETTINGS = {
    # Tasks return a few numbers: there is nothing to spill, and a worker that paused until there is would wait for
    # ever. One that takes too much memory is restarted, and the driver says so of its item.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # A scheduler that many workers call at once, or a machine that is busy, may be slow to answer.
    "distributed.comm.timeouts.connect": "60s",
}

SCHEDULER_SETTINGS = {
    # One task on a worker at a time, and one that stepped aside to write: when a worker dies, only those are under
    # suspicion.
    "distributed.scheduler.worker-saturation": 1.0,
    # The driver keeps a small window of tasks in flight, so there is nothing worth stealing.
    "distributed.scheduler.work-stealing": False,
    # Losing workers is normal on shared machines; the driver counts the attempts of each item itself.
    "distributed.scheduler.allowed-failures": 10,
    # A worker that takes too much memory is restarted within its job, which must not be cancelled meanwhile.
    "distributed.deploy.lost-worker-timeout": "5 minutes",
    "distributed.scheduler.dashboard.status.task-stream-length": 100_000,
    # Pages to read: not the proxy, by which who reaches the dashboard would reach whatever this machine does.
    "distributed.scheduler.http.routes": [
        f"distributed.http.{pages}"
        for pages in ("scheduler.prometheus", "scheduler.info", "scheduler.json", "health", "statics")
    ],
}


def dask_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what Dask is told before the scheduler of a recipe starts."""
    environment = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ENVIRONMENT.items()}
    if isinstance(recipe, LocalRecipe | LocalCudaRecipe):  # on the same terminal, so that they log as this process does
        level = logging.getLevelName(logging.getLogger("distributed").getEffectiveLevel())
        environment["distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED"] = level.lower()
    return {
        **SCHEDULER_SETTINGS,
        **WORKER_SETTINGS,
        **environment,
        # A factorisation may hold the interpreter's lock for minutes; that is no dead worker.
        "distributed.scheduler.worker-ttl": f"{recipe.worker_ttl} s",
        "distributed.scheduler.no-workers-timeout": _no_workers_timeout(recipe),
    }


def _no_workers_timeout(recipe: Recipe) -> str | None:
    """Return how long to wait when every worker is lost, rather than for ever; jobs may be queued for days."""
    if isinstance(recipe, LocalRecipe | LocalCudaRecipe):
        return "1 minute"
    return "5 minutes" if recipe.kind == "ssh" else None


def exports() -> list[str]:
    """Return the lines of a job script that tell its worker what others inherit from this process."""
    settings = {
        f"DASK_{key.replace('.', '__').replace('-', '_').upper()}": value for key, value in WORKER_SETTINGS.items()
    }
    return [f"export {name}={value}" for name, value in {**ENVIRONMENT, **settings}.items()]
