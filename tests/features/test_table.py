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

from distributed_trf.config.load import shipped
from distributed_trf.features.families.registry import expected_work
from distributed_trf.features.table import load_table

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
}
SPECTROGRAMS = ("cochleagram", "wavelet", "mel_speech2text", "mel_whisper", "mel_deepspeech2", "mel_librosa")
FIGURE_3 = ("wav2letter", "wav2vec2", "speech2text", "whisper_tiny", "whisper_base", "deepspeech2")


def test_every_shipped_table__is_here_and_can_be_planned():
    names = {path.stem for path in shipped("configs/networks").glob("*.yaml")}
    assert names == {*PUBLISHED, *SPECTROGRAMS}
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
    assert table.sfreq == (20_000 if name.startswith("coch") else 16_000)
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


@pytest.mark.parametrize("name", SPECTROGRAMS)
def test_spectrogram__is_one_layer_of_80_bands(name):
    table = load_table(name)
    (layer,) = table.layers
    assert table.is_spectrogram
    assert layer.width == 80
    assert layer.rate == (16_000 if name == "cochleagram" else 100)


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


@pytest.mark.parametrize("name", ["wav2vec2", "w2v2_audioset", "speech2text", "whisper_tiny", "whisper_base"])
def test_modules__exist_in_the_architecture_of_the_table(name):
    table = load_table(name)
    model = ARCHITECTURES[table.family]({**table.config, **SMALL[table.family]})
    assert {layer.name for layer in table.layers} <= dict(model.named_modules()).keys()


@pytest.mark.parametrize("name", ["wav2vec2", "w2v2_audioset", "speech2text"])
def test_parameters__are_those_of_the_architecture_of_the_table(name):
    table = load_table(name)
    with torch.device("meta"):
        model = ARCHITECTURES[table.family](table.config)
    assert sum(p.numel() for p in model.parameters()) == table.parameters
