"""The network tables that ship: layers, widths and rates as published, modules that exist."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    Speech2TextConfig,
    Speech2TextModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperModel,
)

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import shipped
from distributed_trf.features.families.registry import completed, expected_work
from distributed_trf.features.families.user_transformer import UserTransformer
from distributed_trf.features.probe.check import check_table
from distributed_trf.features.table import load_table

CONVOLUTIONS = [3200, 1600, 800, 400, 200, 100, 50]
W2V2 = ([512] * 7 + [768] * 14, [3200, 1600, 800, 400, 200, 100] + [50] * 15)
PUBLISHED = {
    "wav2letter": ([250] * 12 + [2000] * 2, [800, 400, 200, 100] + [50] * 10),
    "wav2vec2": W2V2,
    "speech2text": ([1024, 2048] + [1024] * 12, [50] + [25] * 13),
    "whisper_tiny": ([384] * 6, [100] + [50] * 5),
    "whisper_base": ([512] * 8, [100] + [50] * 7),
    "deepspeech2": ([2592, 1312] + [2048] * 5, [50] * 7),
    "w2v2_audioset": W2V2,
    "cochresnet50": ([211] + [2000] * 6, [195, 97.5, 49, 49, 24.5, 12.5, 6.5]),
    "cochcnn9": ([211] + [2000] * 8, [195, 65, 32.5, 16.5, 8.5, 8.5, 8.5, 8.5, 4.5]),
    "whisper_small": ([768] * 14, [100] + [50] * 13),
    "whisper_medium": ([1024] * 26, [100] + [50] * 25),
    "whisper_large_v3": ([1280] * 34, [100] + [50] * 33),
    "whisper_turbo": ([1280] * 34, [100] + [50] * 33),
    "hubert_base": ([512] * 7 + [768] * 12, [*CONVOLUTIONS, *[50] * 12]),
    "hubert_large": ([512] * 7 + [1024] * 25, [*CONVOLUTIONS, *[50] * 25]),
    "wavlm_base_plus": ([512] * 7 + [768] * 12, [*CONVOLUTIONS, *[50] * 12]),
    "data2vec_base": ([512] * 7 + [768] * 12, [*CONVOLUTIONS, *[50] * 12]),
    "wav2vec2_large": ([512] * 7 + [1024] * 25, [*CONVOLUTIONS, *[50] * 25]),
    "w2v_bert": ([1024] * 24, [50] * 24),
    "moonshine_base": ([416, 832] + [416] * 10, [250, 83.3333] + [41.6667] * 10),
    "parakeet": ([10_240, 5120, 5120, 2560, 2560] + [1024] * 24, [50, 25, 25] + [12.5] * 26),
    "ast": ([12 * 768] * 14, [10] * 14),
    "clap": ([1536] * 14, [25.6] * 3 + [12.8] * 2 + [6.4] * 6 + [3.2] * 3),
    "encodec": (
        [32, 32, 64, 64, 128, 128, 256, 256, 512, 512, 128, 128],
        [24_000, 24_000, 12_000, 12_000, 3000, 3000, 600, 600, 75, 75, 75, 75],
    ),
}
OTHER_RATES = {"cochresnet50": 20_000, "cochcnn9": 20_000, "encodec": 24_000, "clap": 48_000}
BY_CLASS = [name for name in PUBLISHED if load_table(name).family == "transformers"]
WEIGHTS = {
    "hubert_base": 94.4e6,
    "hubert_large": 315e6,
    "wavlm_base_plus": 94.4e6,
    "data2vec_base": 93.2e6,
    "wav2vec2_large": 315e6,
    "w2v_bert": 580e6,
    "moonshine_base": 61.5e6,
    "parakeet": 608e6,
    "ast": 86.2e6,
    "clap": 27.5e6,
    "encodec": 14.9e6,
    "whisper_small": 242e6,
    "whisper_medium": 764e6,
    "whisper_large_v3": 1543e6,
    "whisper_turbo": 809e6,
}
"""How many they are by the pages of the networks, without heads that are left out."""
SPECTROGRAMS = ("cochleagram", "wavelet", "mel_speech2text", "mel_whisper", "mel_deepspeech2", "mel_librosa")
ENVELOPES = ("envelope", "onsets")
FIGURE_3 = ("wav2letter", "wav2vec2", "speech2text", "whisper_tiny", "whisper_base", "deepspeech2")


def test_every_shipped_table__is_here_and_can_be_planned():
    names = {path.stem for path in shipped("configs/networks").glob("*.yaml")}
    assert names == {*PUBLISHED, *SPECTROGRAMS, *ENVELOPES}
    for name in names:
        work = expected_work(load_table(name), "trained", [32_000])
        assert work.flops >= 0
        assert work.activations > 0


@pytest.mark.parametrize("name", PUBLISHED)
def test_layers__are_the_published_ones(name):
    table, (widths, rates) = load_table(name), PUBLISHED[name]
    assert table.name == name
    assert [layer.id for layer in table.layers] == list(range(len(widths)))
    assert [layer.width for layer in table.layers] == widths
    assert [layer.rate for layer in table.layers] == rates
    assert table.sfreq == OTHER_RATES.get(name, 16_000)
    assert len({layer.name for layer in table.layers}) == len(widths)
    fields = [layer.receptive_field for layer in table.layers if layer.receptive_field is not None]
    assert fields == sorted(fields)


def test_layers__of_figure_3_are_seventy():
    counts = [len(load_table(name).layers) for name in FIGURE_3]
    assert counts == [14, 21, 14, 6, 8, 7]
    assert sum(counts) == 70


def test_types__are_the_published_ones():
    types = {name: [layer.type for layer in load_table(name).layers] for name in PUBLISHED}
    assert types["wav2letter"] == ["conv"] * 14
    assert types["wav2vec2"] == types["w2v2_audioset"] == ["conv"] * 7 + ["transformer"] * 14
    assert types["speech2text"] == ["conv"] * 2 + ["transformer"] * 12
    assert types["whisper_base"] == ["conv"] * 2 + ["transformer"] * 6
    assert types["deepspeech2"] == ["conv"] * 2 + ["rnn"] * 5
    assert {*types["cochresnet50"], *types["cochcnn9"]} == {"conv"}
    for name in ("hubert_base", "wavlm_base_plus", "data2vec_base"):
        assert types[name] == ["conv"] * 7 + ["transformer"] * 12
    assert types["ast"] == types["clap"] == ["conv"] + ["transformer"] * 13
    assert types["encodec"] == ["conv"] * 9 + ["rnn"] * 2 + ["codec"]


@pytest.mark.parametrize("name", SPECTROGRAMS)
def test_spectrogram__is_one_layer_of_80_bands(name):
    table = load_table(name)
    (layer,) = table.layers
    assert table.is_fixed
    assert layer.width == 80
    assert layer.rate == (16_000 if name == "cochleagram" else 100)


@pytest.mark.parametrize("name", ENVELOPES)
def test_envelope__is_one_layer_of_one_band(name):
    table = load_table(name)
    assert table.is_fixed
    assert [(layer.width, layer.rate) for layer in table.layers] == [(1, 100)]


SMALL = {
    "wav2vec2": {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32},
    "speech2text": {
        **dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim", "conv_channels", "vocab_size"), 32),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
        "decoder_layers": 1,
    },
    "whisper": {
        **dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 32),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
        "decoder_layers": 1,
    },
}
ARCHITECTURES = {
    "wav2vec2": lambda config: Wav2Vec2Model(Wav2Vec2Config(**config)),
    "speech2text": lambda config: Speech2TextModel(Speech2TextConfig(**config)),
    "whisper": lambda config: WhisperModel(WhisperConfig(**config)),
}


@pytest.mark.parametrize("name", ["wav2vec2", "w2v2_audioset", "speech2text", "whisper_tiny", "whisper_large_v3"])
def test_modules__exist_in_the_architecture_of_the_table(name):
    table = load_table(name)
    model = ARCHITECTURES[table.family]({**table.config, **SMALL[table.family]})
    assert {layer.name for layer in table.layers} <= dict(model.named_modules()).keys()


@pytest.mark.parametrize(
    "name", ["wav2vec2", "w2v2_audioset", "speech2text", *BY_CLASS, *(n for n in WEIGHTS if n.startswith("whisper"))]
)
def test_parameters__are_those_of_the_architecture_of_the_table(name):
    table = load_table(name)
    with torch.device("meta"):
        by_class = table.family == "transformers"
        model = UserTransformer().new(table) if by_class else ARCHITECTURES[table.family](table.config)
    assert sum(p.numel() for p in model.parameters()) == table.parameters


@pytest.mark.parametrize("name", WEIGHTS)
def test_parameters__are_as_many_as_the_networks_page_says(name):
    assert load_table(name).parameters == pytest.approx(WEIGHTS[name], rel=0.005)


@pytest.mark.parametrize("name", BY_CLASS)
def test_table_of_a_class__is_what_its_network_gives_and_complete_without_a_connection(name):
    table = load_table(name)
    check_table(table)
    assert completed(table, NetworkSettings(name=name, revision="0" * 40)) is table
    described = (table.config["architecture"], table.config["extractor_options"])
    assert all(described)


@pytest.mark.parametrize("name", [name for name in BY_CLASS if name not in ("encodec", "clap", "moonshine_base")])
def test_operations__are_about_two_for_each_parameter_and_token(name):
    """Not of networks that are mostly convolutions, have stages, or have a decoder that does not run."""
    table = load_table(name)
    last = table.layers[-1]
    tokens = last.rate * (last.grid.bands if last.grid else 1)
    assert 1 < 1e9 * table.gflop_per_second / (2 * table.parameters * tokens) < 1.6
