"""Studies that were done before a test changes something."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from distributed_trf import Study


@pytest.fixture(scope="session")
def kept_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what studies of the recordings as they are have made, by the content of their files."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture
def studied(write_study: Callable[..., Path], workplace: Path, kept_studies: Path) -> Callable[..., Path]:
    """Write a study and do it in this process; what the same study made for an earlier test is copied."""

    def do(**changes: Any) -> Path:
        path = write_study(**changes)
        made = kept_studies / sha256(path.read_bytes()).hexdigest()
        if made.exists():
            shutil.copytree(made, workplace / "study")
        else:
            assert Study.load(path).run(recipe=None).ok
            shutil.copytree(workplace / "study", made)
        return path

    return do
