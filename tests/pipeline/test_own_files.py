"""A study of a network whose table leaves its architecture to the files of its source."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import constants
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor
from typer.testing import CliRunner

from distributed_trf import Study, open_results
from distributed_trf.cli.app import app
from distributed_trf.errors import FeatureError
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.run_record import run_settings
from tests.features.local_hub import COMMIT, local_hub
from tests.small_transformers import WAV2VEC2

NAME = "someone/hubert"
TABLE = {
    "name": "small_hubert",
    "family": "transformers",
    "sfreq": 16_000,
    "config": {"class": "HubertModel"},
    "layers": [
        {"id": 0, "name": "encoder.layers.0.final_layer_norm", "type": "transformer", "width": 32, "rate": 50},
    ],
}


@pytest.fixture
def folder(workplace):
    torch.manual_seed(3)
    HubertModel(HubertConfig(**{**WAV2VEC2, "num_hidden_layers": 1})).save_pretrained(workplace / "hubert")
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(workplace / "hubert")
    return workplace / "hubert"


def study(write_study, workplace, **source):
    (workplace / "configs/networks/small_hubert.yaml").write_text(yaml.safe_dump({**TABLE, **source}))
    write_study(networks=[{"name": "small_hubert", "weights": ["trained", "reset"]}], reliability=None)
    return Study.load("study.yaml")


def test_study__is_planned_and_done_by_what_the_folder_says(write_study, workplace, folder):
    of = study(write_study, workplace, source=str(folder))
    report = of.run(None)
    assert report.ok
    assert np.isfinite(open_results("study").r.sel(layer=0, bin_width=50.0)).all()
    kept = run_settings(report.folder).tables["small_hubert"]  # what workers are given
    assert kept.config["architecture"]["hidden_size"] == 32
    assert kept.config["extractor_options"] == {"do_normalize": False}
    assert of.run(None).done == {}
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    assert of.run(None).done["extract"] > 0


def test_hub__is_asked_when_a_study_is_opened_not_to_list_networks(write_study, workplace, folder, monkeypatch):
    of = study(write_study, workplace, source=NAME, revision=COMMIT)
    with local_hub(monkeypatch, workplace / "cache") as hub:
        hub.add(NAME, **{file.name.replace(".", "__"): file.read_bytes() for file in folder.iterdir()})
        listed = CliRunner().invoke(app, ["networks"])
        assert listed.exit_code == 0, listed.output
        assert "small_hubert" in listed.output
        assert hub.asked == []
        context = open_context(of.settings)
        assert sorted(hub.downloaded) == ["config.json", "preprocessor_config.json"]
        assert context.tables["small_hubert"].config["architecture"]["hidden_size"] == 32
        hub.asked.clear()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert open_context(of.settings).tables == context.tables
        assert hub.asked == []


def test_dtrf_networks__holds_a_table_against_the_network_of_its_files(write_study, workplace, folder):
    study(write_study, workplace, source=str(folder))
    shown = CliRunner().invoke(app, ["networks", "small_hubert"])
    assert shown.exit_code == 0, shown.output


def test_hub__that_cannot_be_reached_stops_a_study_before_it_begins(write_study, workplace, monkeypatch):
    of = study(write_study, workplace, source=NAME, revision=COMMIT)
    with local_hub(monkeypatch, workplace / "cache") as hub:
        hub.refusal = (404, "RepoNotFound")
        with pytest.raises(FeatureError, match=r"there is no such model.*hf download someone/hubert"):
            of.run(None)
    assert not (workplace / "study").exists()
