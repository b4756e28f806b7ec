"""Checks of this machine for ``dtrf doctor``: library versions, cores and memory, and GPUs with their libraries."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from distributed_trf.clusters.device_proof import try_libraries
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.clusters.recipe_machines import LocalCudaRecipe, LocalRecipe, usable_cores
from distributed_trf.clusters.this_machine import usable_memory
from distributed_trf.errors import DeviceError


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    topic: str
    """What was checked, in a word or two."""
    found: str
    remedy: str = ""
    """The problem and what to do; empty if there is none."""

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.remedy


ALWAYS = ("distributed_trf", "numpy", "scipy", "zarr", "xarray", "dask", "distributed", "bokeh", "cryptography")
EXTRAS = {
    "torch": "models",
    "transformers": "models",
    "dask-jobqueue": "hpc",
    "asyncssh": "hpc",
    "dask-cuda": "cuda12",
}
CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")


def check_versions(recipe: Recipe) -> Iterator[Finding]:
    """Check Python, this package and the libraries that a recipe needs."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in ALWAYS:
        yield Finding(
            name, installed(name) or "not installed", "" if installed(name) else "install distributed_trf again"
        )
    if installed("dask") != installed("distributed"):
        yield Finding(
            "dask", f"dask {installed('dask')} with distributed {installed('distributed')}",
            "they must be of one version: pip install -U 'dask[distributed]'",
        )  # fmt: skip
    needed = _needed(recipe)
    for name, extra in EXTRAS.items():
        found = installed(name)
        if found or name in needed:
            missing = f"recipe kind {recipe.kind} needs it: pip install 'distributed_trf[{extra}]'"
            yield Finding(name, found or "not installed", "" if found else missing)
    if "dask-cuda" in needed and installed("dask-cuda"):
        try:
            import dask_cuda  # noqa: F401  without its extra it installs, but cannot be imported
        except ImportError as error:
            missing = "pip install 'dask-cuda[cu12]' (or [cu13])"
            yield Finding("dask-cuda", f"not importable ({error})", missing)
    cupy = [f"{name} {installed(name)}" for name in CUPY if installed(name)]
    if len(cupy) > 1:
        yield Finding("cupy", ", ".join(cupy), "several builds overwrite each other: uninstall all and install one")
    elif cupy or recipe.device == "cuda":
        missing = "fits on a GPU need it: pip install 'distributed_trf[cuda12]' (or [cuda13])"
        yield Finding("cupy", cupy[0] if cupy else "not installed", "" if cupy else missing)


def installed(name: str) -> str | None:
    """Return the version of a distribution, or None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _needed(recipe: Recipe) -> set[str]:
    needed = {"torch"}
    if isinstance(recipe, JobRecipe):
        needed |= {"dask-jobqueue"}
    if recipe.kind == "ssh":
        needed |= {"asyncssh"}
    if recipe.kind == "local_cuda" or (isinstance(recipe, JobRecipe) and recipe.device == "cuda"):
        needed.add("dask-cuda")
    return needed


VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def check_threads(recipe: Recipe) -> Iterator[Finding]:
    """Compare the cores and memory of a recipe's workers with those of this machine."""
    import numpy.linalg  # noqa: F401  its BLAS is listed only once it is loaded
    from threadpoolctl import threadpool_info

    cores = usable_cores()
    yield Finding("cores", f"{cores} usable of {os.cpu_count()}")
    yield Finding("memory", f"{usable_memory() / 2**30:.1f} GiB usable")
    slurm = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("SLURM_CPUS"))
    if slurm:
        yield Finding("allocation", ", ".join(slurm))
    variables = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    yield Finding("variables", ", ".join(variables) or "none set; workers limit their threads themselves")
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
        if recipe.n_workers * recipe.worker_bytes > 1.01 * usable_memory():
            remedy = "more memory than this machine has: set fewer workers, or less `memory`, in the recipe"
            yield Finding("worker memory", f"{recipe.n_workers * recipe.worker_bytes / 2**30:.1f} GiB in all", remedy)


QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.used", "--format=csv,noheader")
WHERE = "run this on the machine with the GPUs, and check the driver: nvidia-smi must list them"


def check_gpus(recipe: Recipe) -> Iterator[Finding]:
    """Query the driver, and use cupy and torch; a missing GPU is a problem only if the recipe needs one here.

    With a recipe for the CPU, GPUs of this machine are listed and not used.
    """
    wanted = isinstance(recipe, LocalCudaRecipe)
    driver, why = _driver()
    for gpu in driver:
        yield Finding("GPU", gpu)
    if not driver:
        yield Finding("GPU", f"none: {why}", WHERE if wanted else "")
    if not isinstance(recipe, LocalCudaRecipe) and (recipe.device == "cpu" or not driver):
        return
    if isinstance(recipe, LocalCudaRecipe):
        try:
            yield Finding("workers on", ", ".join(recipe.visible))
        except DeviceError as error:
            yield Finding("workers on", "none", str(error))
    wrong = False
    for name, problem in try_libraries("cuda"):
        wrong |= bool(problem)
        yield Finding(name, "fails" if problem else "works", problem)
    if find_spec("torch") is None:
        yield Finding("torch", "not installed: networks need it, spectrograms and fits do not")
    if not wrong:
        yield _memory()


def _memory() -> Finding:
    from distributed_trf.clusters.worker_proof import prove

    proof = prove("cuda")
    held = f"other processes hold about {proof.held_bytes / 2**30:.1f} GiB: nvidia-smi lists them"
    found = f"{proof.free_bytes / 2**30:.1f} GiB free on the {proof.model} ({proof.gpu})"
    return Finding("GPU memory", found, held if proof.much_is_held else "")


def _driver() -> tuple[list[str], str]:
    try:
        answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"nvidia-smi does not run ({error})"
    if answer.returncode:
        return [], (answer.stdout + answer.stderr).strip().splitlines()[0]
    return [line for line in answer.stdout.splitlines() if line.strip()], "nvidia-smi lists none"
