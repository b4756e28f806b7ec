"""Studies that were done before a test changes something."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from distributed_trf import Study
from distributed_trf.pipeline.report import Report
from tests.small_recordings import ALPHAS, write_repeats


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


@pytest.fixture
def run_generic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Write and run a study of recordings in ./mine whose training sounds were presented several times."""
    monkeypatch.chdir(tmp_path)
    write_repeats(Path("mine"))

    def do(*, ok: bool = True, **changes: Any) -> Report:
        study = {
            "name": "repeats",
            "recordings": {"format": "generic", "path": "mine"},
            "output": "study",
            "stimuli": ["tones"],
            "lags": {"tmax": 0.05, "lead_in": 0.1},
            "networks": [{"name": "mel_librosa"}],
            "ridge": {"alphas": ALPHAS.tolist()},
            "reliability": None,
        }
        Path("study.yaml").write_text(yaml.safe_dump(study | changes))
        report = Study.load("study.yaml").run(recipe=None)
        assert report.ok == ok
        return report

    return do
