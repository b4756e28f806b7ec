"""Recipes: YAML files in ``cluster/`` that say where workers come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ByteSize, Field

from distributed_trf.arrays import DEVICES
from distributed_trf.config.load import Settings, load, validate
from distributed_trf.config.locate import locate
from distributed_trf.errors import ConfigError


class Recipe(Settings):
    """Workers on this machine."""

    kind: Literal["local"]
    workers: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1
    """Of BLAS and torch, in each worker."""
    memory: ByteSize | Literal["auto"] = "auto"
    """Per worker."""
    device: str = "cpu"
    item_limit: Annotated[float, Field(gt=0)] | None = 6 * 3600
    """Seconds after which a worker that is still at one item is ended; null for never."""
    dashboard: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+:\d+$")] = "127.0.0.1:8787"
    """Address of the dashboard; it has no password, so keep it on the loopback interface."""

    @property
    def n_workers(self) -> int:
        """Number of workers, counted now if it is ``auto``."""
        return usable_cores() if self.workers == "auto" else self.workers


def load_recipe(recipe: str | Path, **overrides: Any) -> Recipe:
    """Read a recipe, given its path or the name of one in ``cluster/``.

    Parameters
    ----------
    recipe
        Path or name.
    **overrides
        Fields to take instead of the file's.

    Raises
    ------
    ConfigError
        If it cannot be found, or a field or override cannot be used.
    """
    path = locate(recipe, "cluster")
    settings = load(path, Recipe)
    if overrides:
        settings = validate({**settings.model_dump(), **overrides}, Recipe, source=f"{path} with overrides")
    if settings.device not in DEVICES:
        raise ConfigError(f"{path}: device = {settings.device!r}; expected one of {', '.join(DEVICES)}")
    return settings


def usable_cores() -> int:
    """Cores that this process may use, which on a shared machine are fewer than it has."""
    allocated = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return max(int(allocated), 1) if allocated.isdigit() else len(os.sched_getaffinity(0))
