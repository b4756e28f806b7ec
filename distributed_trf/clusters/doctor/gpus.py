"""What the driver says of this machine's GPUs, and whether each library that work on one needs can use it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.util import find_spec

from distributed_trf.clusters.device_proof import try_libraries
from distributed_trf.clusters.doctor.finding import Finding
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.clusters.recipe_local import LocalCudaRecipe
from distributed_trf.errors import DeviceError

QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.used", "--format=csv,noheader")
WHERE = "run this where the GPUs are, and check the driver: nvidia-smi must list them"


def check_gpus(recipe: Recipe) -> Iterator[Finding]:
    """Ask the driver, and use cupy and torch; nothing is wrong without a GPU unless the recipe's workers need one here.

    Whatever there is of a GPU beside a recipe for the CPU is not touched.
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
        told = subprocess.run(QUERY, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"nvidia-smi does not run ({error})"
    if told.returncode:
        return [], (told.stdout + told.stderr).strip().splitlines()[0]
    return [line for line in told.stdout.splitlines() if line.strip()], "nvidia-smi lists none"
