"""Cores, threads and memory that processes here may take."""

from __future__ import annotations

import os
from collections.abc import Iterator

from distributed_trf.clusters.doctor.finding import Finding
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.clusters.recipe_local import LocalRecipe, usable_cores

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def check_threads(recipe: Recipe) -> Iterator[Finding]:
    """Compare what workers on this machine would take with what there is."""
    import numpy.linalg  # noqa: F401  its BLAS must be loaded to be told of
    from distributed.system import memory_limit
    from threadpoolctl import threadpool_info

    cores = usable_cores()
    yield Finding("cores", f"{cores} usable of {os.cpu_count()}")
    yield Finding("memory", f"{memory_limit() / 2**30:.1f} GiB usable")
    slurm = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("SLURM_CPUS"))
    if slurm:
        yield Finding("allocation", ", ".join(slurm))
    said = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    yield Finding("variables", ", ".join(said) or "none set; workers hold their threads themselves")
    for pool in threadpool_info():
        yield Finding(
            "BLAS",
            f"{pool['internal_api']} {pool.get('version') or '(no version)'}: {pool['num_threads']} threads here",
        )
    if isinstance(recipe, LocalRecipe):
        taken = recipe.n_workers * recipe.threads
        remedy = f"more threads than cores slow each other down: set workers * threads to {cores} in the recipe"
        found = f"{recipe.n_workers} of {recipe.threads} threads and {recipe.worker_bytes / 2**30:.1f} GiB each"
        yield Finding("workers", found, remedy if taken > cores else "")
        if recipe.n_workers * recipe.worker_bytes > 1.01 * memory_limit():
            remedy = "more memory than there is: fewer workers, or less `memory` in the recipe"
            yield Finding("worker memory", f"{recipe.n_workers * recipe.worker_bytes / 2**30:.1f} GiB in all", remedy)
