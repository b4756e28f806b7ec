"""One study over networks of several kinds, trained and untrained, and spectrograms, from the command line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC, WhisperConfig, WhisperForConditionalGeneration
from typer.testing import CliRunner

from distributed_trf import Study, open_features, open_results
from distributed_trf.cli.app import app
from distributed_trf.features.families.registry import family
from distributed_trf.features.table import NetworkTable, load_table
from tests.conftest import SMALL_WHISPER
from tests.small_transformers import WAV2VEC2, small

LETTERS = {"width": 12, "top_width": 16}
BIN_WIDTH = 50.0


def small_wav2letter():
    table = load_table("wav2letter").model_dump()
    kept = [{**x, "width": 16 if x["id"] >= 12 else 12} for x in table["layers"] if x["id"] in (0, 3, 12)]
    return NetworkTable.model_validate({**table, "name": "small_wav2letter", "config": LETTERS, "layers": kept})


@pytest.fixture
def tables(workplace):
    """Three small networks, their tables in the working directory and their checkpoints in published formats."""
    torch.manual_seed(3)
    whisper = NetworkTable.model_validate(SMALL_WHISPER)
    wav2vec2 = small("wav2vec2", **WAV2VEC2).model_copy(update={"name": "small_wav2vec2"})
    letters = small_wav2letter()
    WhisperForConditionalGeneration(WhisperConfig(**whisper.config)).save_pretrained(workplace / "small_whisper")
    Wav2Vec2ForCTC(Wav2Vec2Config(**wav2vec2.config)).save_pretrained(workplace / "small_wav2vec2")
    checkpoint = {"state_dict": family(letters, "trained").new(letters).state_dict(), "epoch": 24}
    torch.save(checkpoint, workplace / "small_wav2letter")
    for table in (wav2vec2, letters):
        path = workplace / f"configs/networks/{table.name}.yaml"
        path.write_text(yaml.safe_dump(table.model_dump()))
    return {table.name: table for table in (whisper, wav2vec2, letters)}


@pytest.fixture
def study(write_study, tables, workplace):
    networks = [{"name": name, "source": str(workplace / name), "weights": ["trained", "reset"]} for name in tables] + [
        {"name": "mel_whisper"},
        {"name": "mel_librosa"},
    ]
    return write_study(networks=networks, reliability=None, extraction={"batch": 12})


def test_dtrf_run__of_three_networks_and_two_spectrograms_is_one_dataset(study, tables):
    """And again does what a changed checkpoint asks for."""
    done = CliRunner().invoke(app, ["run", str(study), "--item", "1/1"])  # here, as a worker would load torch anew
    assert done.exit_code == 0, done.output
    ds = open_results("study")
    assert ds.sizes["network"] == 5
    assert ds.weights.values.tolist() == ["trained", "reset", "fixed"]
    for name, table in tables.items():
        r = ds.r.sel(network=name, bin_width=BIN_WIDTH, stimuli="timit")
        ids = [layer.id for layer in table.layers]
        assert np.isfinite(r.sel(weights=["trained", "reset"], layer=ids)).all()
        assert r.sel(layer=[i for i in ds.layer.values if i not in ids]).isnull().all()
        assert r.sel(weights="fixed").isnull().all()
        assert not np.allclose(r.sel(weights="trained", layer=ids[-1]), r.sel(weights="reset", layer=ids[-1]))
    assert np.isfinite(ds.r.sel(network=["mel_whisper", "mel_librosa"], weights="fixed", layer=0)).all()
    features = open_features("study")["timit", "small_wav2letter", "trained"]
    first = features.layer(0)
    assert all(8 * kept > native > 7 * kept for native, kept in zip(first.native, first.frames, strict=True))
    report = Study.load(study).run(recipe=None)
    assert sum(report.done.values()) == 0
    # A checkpoint that changed makes its own network's trained weights stale, and nothing else.
    state = torch.load("small_wav2letter")["state_dict"]
    state["conv1.conv.bias"] += 0.1
    torch.save({"state_dict": state}, "small_wav2letter")
    report = Study.load(study).run(recipe=None)
    assert report.done["extract"] == 2
    assert report.done["fit"] == 3
