"""Versions of what numbers and workers depend on, and those that do not go together."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from distributed_trf.clusters.doctor.finding import Finding
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.clusters.recipe_jobs import JobRecipe

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
    """Look at Python, at this package and at the libraries that a recipe needs."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name in ALWAYS:
        yield Finding(
            name, installed(name) or "not installed", "" if installed(name) else "install distributed_trf anew"
        )
    if installed("dask") != installed("distributed"):
        yield Finding(
            "dask", f"dask {installed('dask')} beside distributed {installed('distributed')}",
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
            import dask_cuda  # noqa: F401  without its own extra it installs, but cannot be imported
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
