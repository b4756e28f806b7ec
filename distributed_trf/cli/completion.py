"""What a shell completes: studies and recipes."""

from __future__ import annotations

from pathlib import Path

from distributed_trf.config.load import listed


def complete_study(typed: str) -> list[str]:
    """Return study files of the working directory, and names in ``configs/``."""
    return _beginning(typed, [*map(str, Path().glob("*.yaml")), *listed("configs")])


def complete_recipe(typed: str) -> list[str]:
    """Return names in ``cluster/``."""
    return _beginning(typed, listed("cluster"))


def _beginning(typed: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(typed)]
