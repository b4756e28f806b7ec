from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scipy.io import loadmat, savemat

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


@pytest.fixture
def rewrite() -> Callable[[Path, Callable[[dict[str, Any]], None]], None]:
    """Change the content of a channel file, given as nested dicts of arrays."""

    def apply(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
        read = loadmat(path, squeeze_me=True, struct_as_record=False, variable_names=["spike", "trial"])
        content = {
            name: {field: getattr(read[name], field) for field in read[name]._fieldnames} for name in ("spike", "trial")
        }
        change(content)
        savemat(path, content, oned_as="column")

    return apply
