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
from distributed_trf.pipeline.run_record import Report
from tests.small_recordings import ALPHAS, write_repeats


@pytest.fixture
def studied(write_study: Callable[..., Path], workplace: Path, made_once: Callable[..., Path]) -> Callable[..., Path]:
    """Write a study and do it in this process; what the same study made for an earlier test is copied."""

    def do(**changes: Any) -> Path:
        path = write_study(**changes)

        def fill(folder: Path) -> None:
            assert Study.load(path).run(recipe=None).ok
            (workplace / "study").rename(folder / "study")

        made = made_once(sha256(path.read_bytes()).hexdigest(), fill)
        shutil.copytree(made / "study", workplace / "study")
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
