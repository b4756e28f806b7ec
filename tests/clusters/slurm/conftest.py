"""A Slurm for the tests beside this file, and studies that run on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.slurm.one_node_slurm import OneNodeSlurm


@pytest.fixture
def slurm(running_slurm: OneNodeSlurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneNodeSlurm]:
    """That Slurm, found by everything that runs ``sbatch`` here; a test must leave no job."""
    for name in os.environ.keys() - running_slurm.environment.keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_CONF", running_slurm.environment["SLURM_CONF"])
    yield running_slurm
    try:
        running_slurm.wait_for_jobs(0, "pending,running,completing", timeout=120)
    finally:
        running_slurm.run("scancel", "--state=RUNNING")
        running_slurm.run("scancel", "--state=PENDING")


@pytest.fixture
def recipe(slurm: OneNodeSlurm, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What a recipe for that Slurm says, in full or changed; also written to ``here.yaml`` in the folder of a test."""

    def write(**changes: Any) -> dict[str, Any]:
        settings = {
            "kind": "slurm",
            "jobs": 2,
            "cores": 1,
            "memory": "2GiB",
            "walltime": "0:10:00",
            "interface": "lo",
            "dashboard": "127.0.0.1:0",
            "log_directory": str(tmp_path / "logs"),
            "scratch": str(tmp_path / "scratch"),
            "tls_directory": str(tmp_path / "keys"),
            **changes,
        }
        (tmp_path / "here.yaml").write_text(yaml.safe_dump(settings))
        return settings

    return write
