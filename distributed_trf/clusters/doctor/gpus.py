"""What each library says of this machine's GPUs: they may differ, and then something is wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from distributed_trf.clusters.doctor.finding import Finding
from distributed_trf.clusters.recipe import Recipe

QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.used", "--format=csv,noheader")
WHERE = "run this where the GPUs are, and check the driver: nvidia-smi must list them"


def check_gpus(recipe: Recipe) -> Iterator[Finding]:
    """Ask the driver, torch and cupy; nothing is wrong without a GPU unless the recipe's workers here need one."""
    wanted = recipe.kind == "local_cuda"
    driver, why = _driver()
    for gpu in driver:
        yield Finding("GPU", gpu)
    if not driver:
        yield Finding("GPU", f"none: {why}", WHERE if wanted else "")
    for name, ask in (("torch", _torch), ("cupy", _cupy)):
        count, said = ask()
        wrong = ""
        if driver and count == 0:
            wrong = f"the driver has {len(driver)}: install a build of {name} for this driver's CUDA version"
        elif wanted and count == 0:
            wrong = WHERE
        yield Finding(f"GPU by {name}", said, wrong)


def _driver() -> tuple[list[str], str]:
    try:
        told = subprocess.run(QUERY, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"nvidia-smi does not run ({error})"
    if told.returncode:
        return [], (told.stdout + told.stderr).strip().splitlines()[0]
    return [line for line in told.stdout.splitlines() if line.strip()], "nvidia-smi lists none"


def _torch() -> tuple[int | None, str]:
    """Count GPUs; None where the library is not there to be asked."""
    try:
        import torch
    except ImportError as error:
        return None, f"not importable ({error})"
    built = f"torch {torch.__version__}"
    if not torch.cuda.is_available():
        return 0, f"none ({built}, {'CUDA ' + torch.version.cuda if torch.version.cuda else 'built without CUDA'})"
    names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return len(names), f"{', '.join(names)} ({built}, CUDA {torch.version.cuda})"


def _cupy() -> tuple[int | None, str]:
    try:
        import cupy
    except ImportError as error:
        return None, f"not importable ({error})"
    try:
        return int(
            cupy.cuda.runtime.getDeviceCount()
        ), f"{cupy.cuda.runtime.getDeviceCount()} (cupy {cupy.__version__})"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return 0, f"none (cupy {cupy.__version__}: {error})"
