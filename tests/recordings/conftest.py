from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from distributed_trf.recordings.simulation.simulate import simulate

SEED = 5


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recording set that no test may change."""
    path = tmp_path_factory.mktemp("simulated") / "ucsf"
    simulate(path, sessions=2, channels=3, sentences=14, seed=SEED)
    return path


@pytest.fixture
def copy(simulated: Path, tmp_path: Path) -> Path:
    """A copy that the test may damage."""
    return Path(shutil.copytree(simulated, tmp_path / "ucsf"))
