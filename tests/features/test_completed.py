"""Tables of family ``transformers`` that leave to the files of their source what these say."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from transformers import (
    ClapConfig,
    ClapModel,
    HubertConfig,
    HubertForCTC,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
)

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.families.registry import completed, expected_frames
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.architecture import folder_architecture
from distributed_trf.features.weights.identity import weights_identity
from distributed_trf.features.weights.source import weights_stamps
from tests.features.local_hub import COMMIT, local_hub
from tests.small_transformers import WAV2VEC2, noise

(SOUND,) = noise(np.random.default_rng(0), 8_000, lead_in=0)
SMALL = {**WAV2VEC2, "num_hidden_layers": 1, "conv_stride": [5, 2, 2, 2, 2, 1, 2]}
NAME = "someone/hubert"
LAYERS = [
    {"id": 0, "name": "feature_extractor.conv_layers.5.activation", "type": "conv", "width": 16, "rate": 200,
     "time_last": True},
    {"id": 1, "name": "encoder.layers.0.final_layer_norm", "type": "transformer", "width": 32, "rate": 100},
]  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "hubert"
    torch.manual_seed(0)
    HubertForCTC(HubertConfig(**SMALL)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "hubert")


@pytest.fixture
def hub(saved, tmp_path, monkeypatch):
    with local_hub(monkeypatch, tmp_path / "cache") as served:
        served.add(NAME, **{file.name.replace(".", "__"): file.read_bytes() for file in saved.iterdir()})
        yield served


def table(source, sfreq=16_000, revision=None, **config):
    content = {"name": "mine", "family": "transformers", "sfreq": sfreq, "source": str(source), "revision": revision}
    return NetworkTable.model_validate({**content, "config": {"class": "HubertModel", **config}, "layers": LAYERS})


def whole(source, **fields):
    stated = {"extractor": "Wav2Vec2FeatureExtractor", "extractor_options": {"do_normalize": False}}
    return table(source, architecture=SMALL, **stated, **fields)


def complete(of, **settings):
    return completed(of, NetworkSettings(name="mine", **settings))


def heard(of, weights="trained", sound=SOUND, **settings):
    network = build_network(of, NetworkSettings(name="mine", **settings), weights, device="cpu")
    return extract(network, of, weights, [sound], of.layers)


def same(one, other):
    return all(np.array_equal(one[layer][0], other[layer][0]) for layer in one)


@pytest.mark.parametrize("weights", ["trained", "reset", "permuted"])
def test_what_a_table_leaves_out__comes_from_the_folder_for_any_weights(saved, weights):
    found = heard(table(saved), weights)
    assert same(found, heard(whole(saved), weights))
    loud = heard(table(saved), weights, 10 * SOUND)
    assert not np.allclose(loud[0][0], found[0][0], rtol=1e-3)


def test_planning__counts_the_frames_of_the_folders_network(saved):
    of = complete(table(saved))
    for layer in of.layers:
        assert expected_frames(of, "reset", layer, 8_000) == heard(table(saved))[layer.id][0].shape[0]


def test_completed_table__stays_as_it_is(saved):
    of = complete(table(saved))
    assert of.config["architecture"] == {key: value for key, value in SMALL.items() if key != "hidden_act"}
    assert (of.config["extractor"], of.config["extractor_options"]) == (
        "Wav2Vec2FeatureExtractor",
        {"do_normalize": False},
    )
    assert complete(of) == of


def test_folder_of_the_study__has_priority(saved, tmp_path):
    HubertModel(HubertConfig(**{**SMALL, "hidden_size": 48, "num_attention_heads": 3})).save_pretrained(tmp_path / "b")
    of = complete(table(saved), source=str(tmp_path / "b"))
    assert of.config["architecture"]["hidden_size"] == 48
    assert of.config["extractor"] is None


def test_untrained_network__may_be_another_than_the_folders(saved):
    of = table(saved, architecture={"num_hidden_layers": 3})
    model = build_network(of, NetworkSettings(name="mine"), "reset", device="cpu").model
    assert len(model.encoder.layers) == 3
    assert model.config.hidden_size == 32
    with pytest.raises(FeatureError, match=r"network table mine: num_hidden_layers is 1 instead of 3.*leave these out"):
        heard(of)


# Fingerprints


@pytest.mark.parametrize("weights", ["trained", "reset", "permuted"])
def test_identity__of_a_table_that_says_everything_is_what_it_was(saved, weights):
    settings = NetworkSettings(name="mine")
    assert weights_identity(complete(whole(saved)), settings, weights) == weights_identity(
        whole(saved), settings, weights
    )


def test_identity__of_samples_as_they_are_says_no_more(tmp_path):
    HubertModel(HubertConfig(**SMALL)).save_pretrained(tmp_path)
    of = table(tmp_path, architecture=SMALL)
    assert complete(of).config["extractor"] is None
    settings = NetworkSettings(name="mine")
    assert weights_identity(complete(of), settings, "reset") == weights_identity(of, settings, "reset")


@pytest.mark.parametrize("weights", ["trained", "reset", "permuted"])
@pytest.mark.parametrize(
    ("file", "field"), [("config.json", "layer_norm_eps"), ("preprocessor_config.json", "padding_value")]
)
def test_identity__follows_both_files(folder, weights, file, field):
    settings = NetworkSettings(name="mine")
    before, stamps = (
        weights_identity(complete(table(folder)), settings, weights),
        weights_stamps(table(folder), settings, weights),
    )
    (folder / file).write_text(json.dumps({**json.loads((folder / file).read_text()), field: 0.25}))
    assert f"'{field}': 0.25" in str(weights_identity(complete(table(folder)), settings, weights))
    assert f"'{field}': 0.25" not in str(before)
    assert weights_stamps(table(folder), settings, weights) != stamps


# The hub


@pytest.mark.parametrize("weights", ["trained", "reset"])
def test_hub__gives_what_a_table_leaves_out_also_from_the_cache(hub, saved, weights, monkeypatch):
    of, expected = table(NAME, revision=COMMIT), heard(table(saved), weights)
    assert same(heard(of, weights), expected)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert same(heard(complete(of), weights), expected)


def test_hub__untrained_network_needs_no_weights_of_it(hub):
    heard(table(NAME, revision=COMMIT), "reset")
    assert sorted(hub.downloaded) == ["config.json", "preprocessor_config.json"]


def test_hub__is_not_asked_for_what_a_table_says(hub):
    of = whole(NAME, revision=COMMIT)
    assert complete(of) == of
    assert complete(complete(table(NAME, revision=COMMIT))).config == complete(table(NAME, revision=COMMIT)).config
    hub.asked.clear()
    heard(of, "reset")
    assert hub.asked == []


def test_hub__that_is_not_there_is_an_error_with_the_remedy(hub):
    hub.refusal = (404, "RepoNotFound")
    with pytest.raises(FeatureError, match="there is no such model.*hf download someone/hubert"):
        complete(table(NAME, revision=COMMIT))
    with pytest.raises(FeatureError, match="a hub id needs the commit to load as `revision`"):
        complete(table(NAME))


# What cannot be followed


def test_rate__that_the_table_says_otherwise_is_refused(saved):
    with pytest.raises(FeatureError, match=r"sampling_rate is 16000, but network table mine says sfreq: 24000"):
        complete(table(saved, sfreq=24_000))


def test_preprocessor__that_names_no_class_asks_for_it(folder):
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true}')
    with pytest.raises(FeatureError, match=r"does not name the class .* name it as `extractor`.*`extractor: null`"):
        complete(table(folder))
    assert complete(table(folder, extractor=None)).config["extractor"] is None
    assert complete(table(folder, extractor="Wav2Vec2FeatureExtractor")).config["extractor_options"] == {}


def test_folder__of_another_network_is_named(folder):
    (folder / "config.json").write_text(json.dumps({**Wav2Vec2Config().to_dict()}))
    with pytest.raises(FeatureError, match="model_type is 'wav2vec2', but network mine is a 'hubert'"):
        complete(table(folder))
    with pytest.raises(ConfigError, match="has no class 'HubertModle'"):
        complete(table(folder).model_copy(update={"config": {"class": "HubertModle"}}))


# Parts


def test_part__is_where_the_settings_of_the_class_are(tmp_path):
    from transformers import ClapAudioConfig

    ClapModel(
        ClapConfig(
            audio_config={
                "depths": [1, 1],
                "num_attention_heads": [1, 2],
                "patch_embeds_hidden_size": 4,
                "hidden_size": 8,
            },
            text_config={
                "hidden_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "intermediate_size": 8,
                "vocab_size": 99,
            },
        )
    ).save_pretrained(tmp_path)
    given = folder_architecture(ClapAudioConfig, tmp_path, "mine", "audio_config")
    assert given["depths"] == [1, 1]
    assert "vocab_size" not in given
    with pytest.raises(FeatureError, match=r"has no settings at 'audio\.config', where network mine takes them from"):
        folder_architecture(ClapAudioConfig, tmp_path, "mine", "audio.config")
    with pytest.raises(
        FeatureError, match=r"text_config\.model_type is 'clap_text_model', but network mine is a 'clap_a"
    ):
        folder_architecture(ClapAudioConfig, tmp_path, "mine", "text_config")


def test_setting_of_two_names__is_taken_by_that_which_counts(tmp_path):
    from transformers import WhisperConfig

    content = {
        **WhisperConfig(d_model=64).to_dict(),
        "num_hidden_layers": WhisperConfig().encoder_layers,
        "encoder_layers": 2,
    }
    (tmp_path / "config.json").write_text(json.dumps(content))
    given = folder_architecture(WhisperConfig, tmp_path, "mine")
    made = WhisperConfig(**given)
    assert (made.d_model, made.encoder_layers) == (64, 2)
