"""A Slurm for the tests beside this file."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.clusters.slurm.one_node_slurm import OneNodeSlurm, missing


@pytest.fixture(scope="session")
def running_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNodeSlurm]:
    """One Slurm for all tests of this process."""
    if reason := missing():
        pytest.skip(reason)
    slurm = OneNodeSlurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(running_slurm: OneNodeSlurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneNodeSlurm]:
    """That Slurm, found by everything that runs ``sbatch`` here; a test must leave no job."""
    for name in os.environ.keys() - running_slurm.environment.keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_CONF", running_slurm.environment["SLURM_CONF"])
    yield running_slurm
    try:
        running_slurm.wait_for_jobs(0, "pending,running,completing", timeout=15)
    finally:
        running_slurm.run("scancel", "--state=RUNNING")
        running_slurm.run("scancel", "--state=PENDING")
