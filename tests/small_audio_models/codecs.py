"""Codecs of sound: convolutions over channels and time."""

from __future__ import annotations

from typing import Any

from tests.small_audio_models.kind import Kind, numbered
from tests.small_audio_models.speech import CONVOLUTIONS, WIDTHS

ENCODEC = {"num_filters": 4, "hidden_size": 16, "codebook_size": 16}
ATTENTION = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2},
    **{"intermediate_size": 48},
}
MIMI = {
    **{**ATTENTION, "num_filters": 4, "codebook_size": 16, "num_quantizers": 2, "codebook_dim": 16},
    **{"vector_quantization_hidden_dimension": 16, "upsample_groups": 32},
}
WAVTOKENIZER = {
    **{**ENCODEC, "codebook_dim": 16, "decoder_hidden_size": 32, "decoder_intermediate_size": 48},
    **{"decoder_num_layers": 1, "decoder_attention_num_groups": 4},
}
DAC = {
    **{"model_type": "dac", "encoder_hidden_size": 4, "decoder_hidden_size": 32, "hidden_size": 16},
    **{"codebook_size": 16, "codebook_dim": 16},
}
HUBERT = {**WIDTHS, **CONVOLUTIONS, "model_type": "hubert"}
WITH_SEMANTICS = {
    **{**ATTENTION, "num_hidden_layers": 1, "head_dim": 16, "encoder_hidden_size": 4, "quantization_dim": 64},
    "semantic_model_config": {**WIDTHS, "model_type": "wav2vec2-bert"},
}
VIBEVOICE = {"num_filters": 2, "hidden_size": 16, "depths": [1] * 5, "downsampling_ratios": [4, 5, 8, 20]}
CONVOLUTIONAL = (0, 1, 3, 4, 6, 7, 9, 10, 12)
"""Places in the list of an encoder of Encodec's kind that are no activation: convolutions and residual blocks."""
ENCODEC_LAYERS = tuple(f"encoder.layers.{i}" for i in (*CONVOLUTIONAL, 13, 15))
SEANET = tuple(f"encoder.encoder_seanet.layers.{i}" for i in (*CONVOLUTIONAL, 14))
MIMI_LAYERS = numbered("encoder.encoder_transformer.layers.{}")
DAC_LAYERS = ("conv1", *numbered("block.{}", 4), "conv2")
AT_24_KHZ = ("EncodecFeatureExtractor", {})


def encode(_model: Any, tower: Any, inputs: dict[str, Any]) -> Any:
    """Turn the sound to codes."""
    return tower.encode(**inputs)


def encodec_embeddings(tower: Any, encoded: Any) -> Any:
    """What the decoder of Encodec begins with, of the one stretch that the sound was encoded as."""
    return tower.quantizer.decode(encoded.audio_codes[0].transpose(0, 1))


def dac_embeddings(_tower: Any, encoded: Any) -> Any:
    """What the decoder of DAC begins with."""
    return encoded.quantized_representation


def mimi_embeddings(tower: Any, encoded: Any) -> Any:
    """What the decoder of Mimi begins with."""
    return tower.quantizer.decode(encoded.audio_codes)


def wavtokenizer_embeddings(tower: Any, encoded: Any) -> Any:
    """What the backbone of WavTokenizer begins with."""
    return tower.encoder_model.quantizer.decode(encoded.audio_codes.squeeze(1))


def xcodec_embeddings(tower: Any, encoded: Any) -> Any:
    """What the decoders of X-Codec begin with, sound and meaning joined."""
    return tower.quantizer.decode(encoded.audio_codes.transpose(0, 1))


def mimi_within(model: str, config: tuple[str, dict[str, Any]], tower: str, **others: Any) -> Kind:
    """A model whose sound is made codes by a Mimi."""
    described: dict[str, Any] = {"blocks": MIMI_LAYERS, "others": SEANET, "extractor": AT_24_KHZ, "rate": 24000}
    return Kind(model, config, tower=tower, hear=encode, embed=mimi_embeddings, **{**described, **others})


CODECS: dict[str, Kind] = {
    "encodec": Kind(
        "EncodecModel",
        ("EncodecConfig", ENCODEC),
        ENCODEC_LAYERS,
        extractor=AT_24_KHZ,
        hear=encode,
        embed=encodec_embeddings,
        layout="codec",
        rate=24000,
    ),
    "dac": Kind(
        "DacModel",
        ("DacConfig", {"encoder_hidden_size": 4, "decoder_hidden_size": 16, "codebook_size": 16, "n_codebooks": 2}),
        tuple(f"encoder.{name}" for name in DAC_LAYERS),
        extractor=("DacFeatureExtractor", {}),
        names={"padding_mask": None},
        hear=encode,
        embed=dac_embeddings,
        layout="codec",
    ),
    "mimi": mimi_within("MimiModel", ("MimiConfig", MIMI), ""),
    "wavtokenizer": Kind(
        "WavTokenizerModel",
        ("WavTokenizerConfig", WAVTOKENIZER),
        tuple(f"encoder_model.{name}" for name in ENCODEC_LAYERS),
        extractor=("WavTokenizerFeatureExtractor", {}),
        hear=encode,
        embed=wavtokenizer_embeddings,
        layout="codec",
        rate=24000,
    ),
    "pocket_tts_audio_tokenizer": Kind(
        "PocketTTSAudioTokenizerModel",
        ("PocketTTSAudioTokenizerConfig", {**ATTENTION, "num_filters": 4, "upsample_groups": 32, "latent_dim": 8}),
        MIMI_LAYERS,
        extractor=AT_24_KHZ,
        hear=encode,
        rate=24000,
        others=tuple(f"encoder.encoder_seanet.layers.{i}" for i in (*CONVOLUTIONAL[:7], 11)),
    ),
    "vibevoice_acoustic_tokenizer": Kind(
        "VibeVoiceAcousticTokenizerModel",
        ("VibeVoiceAcousticTokenizerConfig", VIBEVOICE),
        ("encoder.stem", *numbered("encoder.conv_layers.{}", 4), "encoder.head"),
        extractor=("VibeVoiceAcousticTokenizerFeatureExtractor", {}),
        names={"padding_mask": None},
        hear=encode,
        layout="codec",
        rate=24000,
    ),
    "xcodec": Kind(
        "XcodecModel",
        (
            "XcodecConfig",
            {
                "acoustic_model_config": {
                    **DAC,
                    "downsampling_ratios": [8, 5, 4, 2],
                    "upsampling_ratios": [8, 5, 4, 2],
                },
                "semantic_model_config": HUBERT,
                "codebook_size": 16,
            },
        ),
        tuple(f"acoustic_encoder.{name}" for name in DAC_LAYERS),
        extractor=("DacFeatureExtractor", {"hop_length": 320}),
        names={"padding_mask": None},
        hear=encode,
        embed=xcodec_embeddings,
        layout="codec",
        others=numbered("semantic_model.encoder.layers.{}"),
    ),
    "higgs_audio_v2_tokenizer": Kind(
        "HiggsAudioV2TokenizerModel",
        (
            "HiggsAudioV2TokenizerConfig",
            {
                "acoustic_model_config": {
                    **{**DAC, "downsampling_ratios": [8, 5, 4, 2, 3], "upsampling_ratios": [8, 5, 4, 2, 3]},
                    "sampling_rate": 24000,
                },
                "semantic_model_config": HUBERT,
                **{"codebook_size": 16, "codebook_dim": 16},
            },
        ),
        tuple(f"acoustic_encoder.{name}" for name in ("conv1", *numbered("block.{}", 5), "conv2")),
        extractor=("DacFeatureExtractor", {"hop_length": 960, "sampling_rate": 24000}),
        names={"padding_mask": None},
        hear=encode,
        embed=xcodec_embeddings,
        layout="codec",
        rate=24000,
        others=numbered("semantic_model.encoder.layers.{}"),
        needs=("torchaudio",),
    ),
    "neucodec": Kind(
        "NeuCodecModel",
        ("NeuCodecConfig", WITH_SEMANTICS),
        ("acoustic_encoder.conv1", *numbered("acoustic_encoder.block.{}", 5), "acoustic_encoder.conv2"),
        extractor=("NeuCodecFeatureExtractor", {}),
        hear=encode,
        layout="codec",
        others=numbered("semantic_encoder.encoder.layers.{}"),
        needs=("torchaudio",),
    ),
    "xcodec2": Kind(
        "Xcodec2Model",
        ("Xcodec2Config", WITH_SEMANTICS),
        ("acoustic_encoder.conv1", *numbered("acoustic_encoder.block.{}", 5), "acoustic_encoder.conv2"),
        extractor=("Xcodec2FeatureExtractor", {}),
        hear=encode,
        layout="codec",
        others=numbered("semantic_encoder.encoder.layers.{}"),
        needs=("torchaudio",),
    ),
}
