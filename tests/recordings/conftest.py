from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from distributed_trf.recordings.simulation.simulate import simulate

SEED = 5


@pytest.fixture(scope="session")
def simulated(made_once: Callable[..., Path]) -> Path:
    """A small recording set that no test may change."""
    return made_once("simulated", lambda at: simulate(at, sessions=2, channels=3, sentences=14, seed=SEED))


@pytest.fixture
def copy(simulated: Path, tmp_path: Path) -> Path:
    """A copy that the test may damage."""
    return Path(shutil.copytree(simulated, tmp_path / "ucsf"))
