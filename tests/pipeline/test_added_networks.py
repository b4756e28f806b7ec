"""One study of networks that were added from their own files alone, by command and by name, and its figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from distributed_trf import Study, open_results, simulate
from distributed_trf.cli.app import app
from tests.small_audio_models import save

ADDED = {
    "small_hubert": "hubert",
    "small_ast": "audio-spectrogram-transformer",
    "small_encodec": "encodec",
    "small_qwen2_audio": "qwen2_audio",
}
"""Model types by the name that each network gets."""
NOTHING_UNTRAINED = {"small_encodec": ["decoder"]}
"""Layers that are constant before any training: what is decoded are entries of codebooks, which begin as zeros."""
BLOCK = "encoder.layers.1"
"""The last of the small HuBERT."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with few recordings and, in ``published``, small models as people publish them."""
    monkeypatch.chdir(tmp_path)
    simulate(tmp_path / "recordings", sessions=1, channels=2, sentences=13, seed=3)
    for model_type in ADDED.values():
        save(model_type, tmp_path / "published" / model_type)
    return tmp_path


def dtrf(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def write_study(networks):
    content = {
        "name": "added",
        "recordings": {"format": "ucsf", "path": "recordings"},
        "output": "study",
        "lags": {"tmax": 0.1},
        "bin_widths": [50.0],
        "networks": networks,
        "reliability": None,
    }
    Path("study.yaml").write_text(yaml.safe_dump(content))


def test_dtrf_networks_add__is_all_that_a_study_and_its_figure_take(folder):
    """HuBERT, AST, EnCodec and the tower of Qwen2-Audio, trained and reset; also heads and a context."""
    for name, model_type in ADDED.items():
        dtrf("networks", "add", f"published/{model_type}", "--name", name)
    whole = [{"name": name, "weights": ["trained", "reset"]} for name in ADDED]
    block = [x["id"] for x in _table("small_hubert")["layers"] if x["name"] == BLOCK]
    by_name = {"name": "heads", "source": "published/hubert", "choose": {"heads": True}, "weights": ["trained"]}
    past = {"name": "small_hubert", "context": 0.1, "layers": block, "weights": ["trained"]}
    write_study([*whole, by_name, past, {"name": "mel_whisper"}])
    dtrf("run", "study.yaml", "--item", "1/1")  # here, as a worker would load torch anew

    r = open_results("study").r.sel(stimuli="timit", bin_width=50.0)
    for name in ADDED:
        layers = [x["id"] for x in _table(name)["layers"]]
        assert len(layers) > 2
        trained, reset = (r.sel(network=name, weights=kind, layer=layers) for kind in ("trained", "reset"))
        assert np.isfinite(trained).all()
        without = [x["id"] for x in _table(name)["layers"] if x["name"] in NOTHING_UNTRAINED.get(name, ())]
        assert reset.layer[reset.isnull().any("unit")].values.tolist() == without
        assert (abs(trained - reset).max("unit").drop_sel(layer=without) > 1e-6).all()
    of_heads = r.sel(network="heads", weights="trained").dropna("layer", how="all")
    assert of_heads.sizes["layer"] == len(_table("small_hubert")["layers"]) + 4  # two blocks of two heads
    assert np.isfinite(of_heads).all()
    of_block = r.sel(weights="trained", layer=block)
    of_past, of_whole = (of_block.sel(network=name) for name in ("small_hubert@0.1s", "small_hubert"))
    assert np.isfinite(of_past).all()
    assert not np.allclose(of_past, of_whole)
    receipts = {p.name: json.loads(p.read_text())["details"] for p in Path("study/receipts/extract").glob("*.json")}
    upsampled = {name: details["upsampled"] for name, details in receipts.items() if "upsampled" in details}
    assert set(upsampled) == {name for name in receipts if "encodec" in name}
    assert set(upsampled.values()) == {"16000 to 24000 Hz"}
    assert Study.load("study.yaml").run(recipe=None).done == {}

    dtrf("figures", "study", "--only", "3", "--format", "svg")
    drawn = Path("study/figures/figure_3.svg").read_text()
    assert all(f">{name}</text>" in drawn for name in (*ADDED, "heads", "small_hubert@0.1s"))


def _table(name):
    return yaml.safe_load(Path(f"configs/networks/{name}.yaml").read_text())
