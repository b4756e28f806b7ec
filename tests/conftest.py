"""A small recording set, a small study of it and a Slurm, for every test that needs one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy.io import loadmat, savemat

from distributed_trf.pipeline.study import Study
from distributed_trf.recordings.simulation.simulate import simulate
from tests.clusters.slurm.one_node_slurm import OneNodeSlurm, missing

os.environ["HF_HUB_OFFLINE"] = "1"  # no test waits for a network

SMALL_WHISPER = {
    "name": "small_whisper",
    "family": "whisper",
    "sfreq": 16000,
    "source": "someone/small-whisper",
    "revision": "0" * 40,
    "config": {
        "d_model": 16,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_layers": 1,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 32,
        "num_mel_bins": 80,
        "max_source_positions": 1500,
        "vocab_size": 51865,
    },
    "layers": [
        {"id": 0, "name": "encoder.conv1", "type": "conv", "width": 16, "rate": 100, "time_last": True},
        {"id": 1, "name": "encoder.conv2", "type": "conv", "width": 16, "rate": 50, "time_last": True},
        {"id": 2, "name": "encoder.layers.0.final_layer_norm", "type": "transformer", "width": 16, "rate": 50},
        {"id": 3, "name": "encoder.layers.1.final_layer_norm", "type": "transformer", "width": 16, "rate": 50},
    ],
}
"""Whisper's architecture at small width; a network of a user's own, found in ./configs/networks/."""


SMALL_STUDY = {
    "name": "small",
    "recordings": {"format": "ucsf", "path": "recordings"},
    "output": "study",
    "networks": [{"name": "mel_librosa"}, {"name": "mel_deepspeech2"}],
    "ridge": {"alphas": {"min": 1e-5, "max": 1e15, "num": 21}},
    "reliability": {"draws": 500, "shifts": 99},
    "extraction": {"batch": 8},
}
"""A study of two spectrograms that need no torch, which each new process would take seconds to load."""


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes a package look as if it were not installed, to whoever imports any of its modules now."""

    def hide(package: str) -> None:
        class Absent:
            def find_spec(self, name: str, *_: Any) -> None:
                if name.partition(".")[0] == package:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])

    return hide


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a folder by its name, which the first of all processes that ask for it fills; no test may change it."""
    base = tmp_path_factory.getbasetemp()
    common = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made_once"

    def once(name: str, fill: Callable[[Path], object]) -> Path:
        folder, whole = common / name, common / f"{name}.whole"
        common.mkdir(exist_ok=True)
        with (common / f"{name}.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            if not whole.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                whole.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def recordings(made_once: Callable[..., Path]) -> Path:
    """A recording set of 2 sessions, 3 channels and 24 sentences that no test may change."""
    return made_once("recordings", lambda at: simulate(at, sessions=2, channels=3, sentences=24, seed=3))


@pytest.fixture
def workplace(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a copy of the recordings and the small network's table."""
    shutil.copytree(recordings, tmp_path / "recordings")
    (tmp_path / "configs/networks").mkdir(parents=True)
    (tmp_path / "configs/networks/small_whisper.yaml").write_text(yaml.safe_dump(SMALL_WHISPER))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_study(workplace: Path) -> Callable[..., Path]:
    """Write ``study.yaml`` in the working directory, some fields changed."""

    def write(**changes: Any) -> Path:
        path = workplace / "study.yaml"
        path.write_text(yaml.safe_dump({**SMALL_STUDY, **changes}))
        return path

    return write


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


@pytest.fixture(scope="session")
def saved_study(made_once: Callable[..., Path], recordings: Path) -> Path:
    """The folder of a finished study, settings beside it, of two spectrograms with models; no test may change it."""

    def fill(folder: Path) -> None:
        study = {
            "name": "saved",
            "recordings": {"format": "ucsf", "path": str(recordings)},
            "output": str(folder / "study"),
            "networks": [{"name": "mel_librosa"}, {"name": "mel_whisper"}],
            "reliability": {"draws": 500, "shifts": 99},
            "save_models": True,
        }
        (folder / "study.yaml").write_text(yaml.safe_dump(study))
        assert Study.load(folder / "study.yaml").run(None).ok

    return made_once("saved", fill) / "study"


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
