"""Settings of Dask, and the environment of every worker."""

from __future__ import annotations

import logging
from typing import Any

from distributed_trf.clusters.recipe import Recipe
from distributed_trf.clusters.recipe_machines import LocalCudaRecipe, LocalRecipe

ENVIRONMENT = {
    # By default Dask has glibc return memory to the system after each use. Arrays of a MiB that come and go would then
    # be mapped and cleared again and again; run MALLOC_TRIM_THRESHOLD_=65536 scripts/bench_reliability to see the cost.
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    # While a task writes its output, the next task runs in another thread. glibc would give each thread its own heap,
    # and each heap would keep the memory of a network's forward pass.
    "MALLOC_ARENA_MAX": "1",
    # GPUs are then numbered in the order of nvidia-smi.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
}
"""Environment of workers, set before they start: the C library reads it once."""

WORKER_SETTINGS = {
    # Tasks return a few numbers, so there is nothing to spill, and a paused worker would wait for ever. A worker that
    # takes too much memory is restarted, and the driver reports this for its item.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # A scheduler that many workers call at once, or a busy machine, may answer slowly.
    "distributed.comm.timeouts.connect": "60s",
}

SCHEDULER_SETTINGS = {
    # A worker runs one task at a time, and another one may write its output: when a worker dies, only these two tasks
    # may be the cause.
    "distributed.scheduler.worker-saturation": 1.0,
    # The driver keeps a small window of tasks in flight, so there is nothing worth stealing.
    "distributed.scheduler.work-stealing": False,
    # Losing workers is normal on shared machines; the driver counts the attempts of each item itself.
    "distributed.scheduler.allowed-failures": 10,
    # A worker that takes too much memory is restarted within its job, which must not be cancelled meanwhile.
    "distributed.deploy.lost-worker-timeout": "5 minutes",
    "distributed.scheduler.dashboard.status.task-stream-length": 100_000,
    # Read-only pages. The proxy is left out: through it, anyone who reaches the dashboard could reach other services of
    # this machine.
    "distributed.scheduler.http.routes": [
        f"distributed.http.{pages}"
        for pages in ("scheduler.prometheus", "scheduler.info", "scheduler.json", "health", "statics")
    ],
}


def dask_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of Dask for the scheduler of a recipe."""
    environment = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in ENVIRONMENT.items()}
    if isinstance(
        recipe, LocalRecipe | LocalCudaRecipe
    ):  # on the same terminal, so they use the log level of this process
        level = logging.getLevelName(logging.getLogger("distributed").getEffectiveLevel())
        environment["distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED"] = level.lower()
    return {
        **SCHEDULER_SETTINGS,
        **WORKER_SETTINGS,
        **environment,
        # A factorisation may hold the interpreter's lock for minutes; such a worker is not dead.
        "distributed.scheduler.worker-ttl": f"{recipe.worker_ttl} s",
        "distributed.scheduler.no-workers-timeout": _no_workers_timeout(recipe),
    }


def _no_workers_timeout(recipe: Recipe) -> str | None:
    """Return how long to wait when every worker is lost; None waits without limit, since jobs may queue for days."""
    if isinstance(recipe, LocalRecipe | LocalCudaRecipe):
        return "1 minute"
    return "5 minutes" if recipe.kind == "ssh" else None


def exports() -> list[str]:
    """Return the lines of a job script that set what local workers inherit from this process."""
    settings = {
        f"DASK_{key.replace('.', '__').replace('-', '_').upper()}": value for key, value in WORKER_SETTINGS.items()
    }
    return [f"export {name}={value}" for name, value in {**ENVIRONMENT, **settings}.items()]
