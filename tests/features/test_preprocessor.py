"""What a folder of weights says of how its network hears."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import NetworkTable, load_table
from distributed_trf.features.weights.identity import weights_identity
from distributed_trf.features.weights.preprocessor import extractor_settings
from distributed_trf.features.weights.source import weights_folder, weights_stamps
from tests.small_transformers import WAV2VEC2, noise, small

(SOUND,) = noise(np.random.default_rng(0), 4_000, lead_in=0)
SMALL = {**WAV2VEC2, "num_hidden_layers": 1}
LAYER = {"id": 0, "name": "feature_extractor.conv_layers.0.conv", "type": "conv", "width": 16, "rate": 3200}
HUBERT = {
    "name": "mine",
    "family": "transformers",
    "sfreq": 16_000,
    "config": {"class": "HubertModel", "extractor": "Wav2Vec2FeatureExtractor", "architecture": SMALL},
    "layers": [{**LAYER, "time_last": True}],
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)
    HubertModel(HubertConfig(**SMALL)).save_pretrained(folder / "hubert")
    Wav2Vec2Model(Wav2Vec2Config(**small("wav2vec2", **WAV2VEC2).config)).save_pretrained(folder / "wav2vec2")
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "weights") / "hubert"


def says(folder, file="preprocessor_config.json", **content):
    (folder / file).write_text(json.dumps(content))
    return folder


def table(folder, sfreq=16_000, **config):
    return NetworkTable.model_validate(
        {**HUBERT, "source": str(folder), "sfreq": sfreq, "config": {**HUBERT["config"], **config}}
    )


def first_layer(of, weights="trained", sound=SOUND):
    network = build_network(of, NetworkSettings(name=of.name), weights, device="cpu")
    return extract(network, of, weights, [sound], of.layers[:1])[0][0]


def is_normalised(of, weights="trained"):
    change = first_layer(of, weights, 10 * SOUND) - first_layer(of, weights)
    return bool(np.abs(change).max() < 1e-3 * np.abs(first_layer(of, weights)).max())


@pytest.mark.parametrize("weights", ["trained", "reset", "permuted"])
def test_normalisation__is_what_the_folder_says_for_any_weights(folder, weights):
    assert is_normalised(table(folder), weights)
    Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True).save_pretrained(folder)
    assert not is_normalised(table(folder), weights)
    assert is_normalised(table(says(folder, do_normalize=True)), weights)


def test_normalisation__of_a_processor_is_its_part_of_one(folder):
    says(folder, do_normalize=True)
    says(folder, "processor_config.json", processor_class="X")
    assert is_normalised(table(folder))
    says(folder, "processor_config.json", processor_class="X", feature_extractor={"do_normalize": False})
    assert not is_normalised(table(folder))


def test_normalisation__of_the_published_family_is_what_the_folder_says(folder):
    of = small("wav2vec2", **WAV2VEC2)
    of = of.model_copy(update={"source": str(folder.parent / "wav2vec2"), "layers": of.layers[1:]})
    (layer,) = of.layers[:1]
    network = build_network(of, NetworkSettings(name=of.name), "trained", device="cpu")
    says(folder.parent / "wav2vec2", do_normalize=False)
    other = build_network(of, NetworkSettings(name=of.name), "trained", device="cpu")
    one, two = (extract(n, of, "trained", [SOUND], [layer])[layer.id][0] for n in (network, other))
    assert not np.allclose(one, two)


@pytest.mark.parametrize("weights", ["trained", "reset", "permuted"])
def test_identity__is_another_where_another_thing_is_heard(folder, weights):
    settings, of = NetworkSettings(name="mine"), table(folder)
    plain, before = weights_identity(of, settings, weights), weights_stamps(of, settings, weights)
    says(folder, do_normalize=True, feature_extractor_type="Wav2Vec2FeatureExtractor", sampling_rate=16_000)
    same = weights_identity(of, settings, weights)
    assert weights_stamps(of, settings, weights) != before
    says(folder, do_normalize=False)
    other = weights_identity(of, settings, weights)
    assert "hears" not in str(plain) + str(same)
    assert "'hears': {'do_normalize': False}" in str(other)
    assert weights != "reset" or plain == same
    assert "unavailable" in weights_identity(table(says(folder, sampling_rate=8_000)), settings, weights)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sampling_rate": 8_000}, r"sampling_rate is 8000, but network table mine says sfreq: 16000"),
        ({"sampling_rate": "16 kHz"}, r"sampling_rate is '16 kHz', but network table mine says sfreq"),
        ({"do_normalize": "no"}, r"do_normalize is 'no', expected something like True"),
        ({"padding_value": True}, r"padding_value is True, expected something like 0\.0"),
        (
            {"feature_extractor_type": "WhisperFeatureExtractor"},
            r".* but network table mine prepares sounds with Wav2Vec2F",
        ),
    ],
)
def test_what_cannot_be_followed__names_both_files(folder, content, message):
    of = table(says(folder, **content))
    with pytest.raises(FeatureError, match=rf"preprocessor_config\.json: {message}"):
        first_layer(of)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": ' * 50_000])
def test_file_that_is_none__is_named(folder, content):
    (folder / "preprocessor_config.json").write_text(content)
    with pytest.raises(FeatureError, match=r"preprocessor_config\.json: cannot be read as settings of what prepares"):
        first_layer(table(folder))


def test_table_that_says_otherwise__is_named_with_the_file(folder):
    says(folder, do_normalize=False)
    with pytest.raises(FeatureError, match=r"config\.json: do_normalize is False, but network table mine says True in"):
        first_layer(table(folder, extractor_options={"do_normalize": True}))
    assert not is_normalised(table(folder, extractor_options={"do_normalize": False}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "whisper_tiny",
            {"feature_size": 128},
            "feature_size is 128, but .* family whisper, whose input is prepared with 80",
        ),
        (
            "whisper_large_v3",
            {"feature_size": 80},
            "feature_size is 80, but .* family whisper, whose input is prepared with 128",
        ),
        ("whisper_tiny", {"n_fft": 512}, "n_fft is 512, but network table whisper_tiny is of family whisper"),
        ("whisper_tiny", {"hop_length": 80}, "hop_length is 80"),
        ("whisper_tiny", {"padding_side": "left"}, "padding_side is 'left'"),
        (
            "speech2text",
            {"num_mel_bins": 40},
            "num_mel_bins is 40, but .* family speech2text, whose input is prepared with 80",
        ),
        ("speech2text", {"normalize_vars": False}, "normalize_vars is False"),
        ("speech2text", {"sampling_rate": 8_000}, "sampling_rate is 8000, but network table speech2text says sfreq"),
    ],
)
def test_spectrogram__that_is_not_the_published_one_is_refused(tmp_path, name, content, message):
    of = load_table(name)
    settings = NetworkSettings(name=name, source=str(says(tmp_path, **content)))
    with pytest.raises(FeatureError, match=message):
        extractor_settings(of, settings)


def test_published_files__say_what_is_heard_anyway(tmp_path):
    published = {
        "whisper_tiny": {"chunk_length": 30, "feature_size": 80, "hop_length": 160, "n_fft": 400, "n_samples": 480_000,
                         "nb_max_frames": 3000, "padding_side": "right", "padding_value": 0.0, "mel_filters": [[0.0]]},
        "whisper_large_v3": {"chunk_length": 30, "feature_size": 128, "hop_length": 160, "n_fft": 400,
                             "n_samples": 480_000, "nb_max_frames": 3000, "padding_side": "right"},
        "speech2text": {"do_ceptral_normalize": True, "feature_size": 80, "normalize_means": True, "padding_value": 0,
                        "normalize_vars": True, "num_mel_bins": 80, "return_attention_mask": True},
        "wav2vec2": {"do_normalize": True, "feature_size": 1, "padding_value": 0.0, "return_attention_mask": False},
        "cochcnn9": {"do_normalize": False},
    }  # fmt: skip
    for name, content in published.items():
        says(tmp_path, **content, sampling_rate=16_000)
        assert extractor_settings(load_table(name), NetworkSettings(name=name, source=str(tmp_path))) == {}


def test_noise__is_refused(folder):
    of = table(says(folder, dither=0.1), extractor="WhisperFeatureExtractor")
    with pytest.raises(FeatureError, match=r"dither is 0\.1, noise that is drawn again"):
        extractor_settings(of, NetworkSettings(name="mine"))


def test_noise__that_the_table_leaves_out_is_left_out(folder):
    of = table(says(folder, dither=0.1), extractor="WhisperFeatureExtractor", extractor_options={"dither": 0.0})
    assert extractor_settings(of, NetworkSettings(name="mine")) == {}


def test_extractor_of_a_model_around_a_codec__leaves_the_codec_its_own(folder):
    says(folder, feature_extractor_type="KyutaiSpeechToTextFeatureExtractor", audio_delay_seconds=0.5, chunk_length_s=2)
    of = table(folder, extractor="EncodecFeatureExtractor")
    assert extractor_settings(of, NetworkSettings(name="mine")) == {"chunk_length_s": 2}


def test_hub__that_says_what_the_table_does_not_is_refused(folder, monkeypatch):
    """Controls of a network of a hub are heard without a download."""
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(says(folder, do_normalize=False)))
    hub = {"source": "someone/mine", "revision": "1" * 40}
    with pytest.raises(
        FeatureError, match=r"prepared with \{'do_normalize': False\}, which network table mine does not"
    ):
        weights_folder(table(folder).model_copy(update=hub), NetworkSettings(name="mine"))
    told = table(folder, extractor_options={"do_normalize": False})
    assert weights_folder(told.model_copy(update=hub), NetworkSettings(name="mine")) == folder


def test_rate_of_the_table__is_that_of_what_prepares_sounds(folder):
    content = {**HUBERT, "sfreq": 24_000, "source": str(folder), "layers": [{**LAYER, "time_last": True, "rate": 4800}]}
    for rate in ({}, {"sampling_rate": 24_000}):
        says(folder, **rate)
        assert first_layer(NetworkTable.model_validate(content)).shape == (799, 16)
