"""Codecs of sound: convolutions over channels and time, and the models that hear through one."""

from __future__ import annotations

from typing import Any

from tests.small_audio_models.conformers import TEXT
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
T5 = {
    **{"model_type": "t5", "d_model": 32, "d_ff": 48, "d_kv": 16, "num_heads": 2, "num_layers": 1, "vocab_size": 64},
}
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


def _mimi_within(model: str, config: tuple[str, dict[str, Any]], tower: str, **others: Any) -> Kind:
    described: dict[str, Any] = {"blocks": MIMI_LAYERS, "others": SEANET, "extractor": AT_24_KHZ, "rate": 24000}
    return Kind(model, config, tower=tower, hear=encode, **{**described, **others})


CODECS: dict[str, Kind] = {
    "encodec": Kind(
        "EncodecModel",
        ("EncodecConfig", ENCODEC),
        ENCODEC_LAYERS,
        extractor=AT_24_KHZ,
        hear=encode,
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
        layout="codec",
    ),
    "mimi": _mimi_within("MimiModel", ("MimiConfig", MIMI), ""),
    "wavtokenizer": Kind(
        "WavTokenizerModel",
        ("WavTokenizerConfig", WAVTOKENIZER),
        tuple(f"encoder_model.{name}" for name in ENCODEC_LAYERS),
        extractor=("WavTokenizerFeatureExtractor", {}),
        hear=encode,
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
    "kyutai_speech_to_text": _mimi_within(
        "KyutaiSpeechToTextForConditionalGeneration",
        (
            "KyutaiSpeechToTextConfig",
            {
                **{**TEXT, "ffn_dim": 48, "codebook_vocab_size": 17, "num_codebooks": 2, "audio_bos_token_id": 16},
                **{"audio_pad_token_id": 18, "codec_config": {**MIMI, "model_type": "mimi"}},
            },
        ),
        "codec_model",
        extractor=("KyutaiSpeechToTextFeatureExtractor", {}),
    ),
    "moshi": _mimi_within(
        "MoshiForConditionalGeneration",
        (
            "MoshiConfig",
            {
                **{**TEXT, "ffn_dim": 48, "num_codebooks": 2, "audio_vocab_size": 16},
                "audio_encoder_config": {**MIMI, "model_type": "mimi"},
                "depth_decoder_config": {
                    **{**TEXT, "input_size": 32, "ffn_dim": 48, "num_codebooks": 2, "audio_vocab_size": 16},
                },
            },
        ),
        "audio_encoder",
    ),
    "csm": _mimi_within(
        "CsmForConditionalGeneration",
        (
            "CsmConfig",
            {
                **{**TEXT, "num_codebooks": 2, "text_vocab_size": 64, "audio_token_id": 3, "audio_eos_token_id": 4},
                **{"codebook_pad_token_id": 15, "codebook_eos_token_id": 0, "vocab_size": 19},
                "codec_config": {**MIMI, "model_type": "mimi"},
                "depth_decoder_config": {
                    **{**TEXT, "num_codebooks": 2, "backbone_hidden_size": 32, "vocab_size": 19},
                },
            },
        ),
        "codec_model",
    ),
    "musicgen": Kind(
        "MusicgenForConditionalGeneration",
        (
            "MusicgenConfig",
            {
                "text_encoder": T5,
                "audio_encoder": {**ENCODEC, "model_type": "encodec", "sampling_rate": 32000},
                "decoder": {
                    **{"vocab_size": 16, "hidden_size": 32, "num_hidden_layers": 1, "ffn_dim": 48},
                    **{"num_attention_heads": 2, "num_codebooks": 2, "pad_token_id": 16, "bos_token_id": 16},
                },
            },
        ),
        ENCODEC_LAYERS,
        tower="audio_encoder",
        extractor=("EncodecFeatureExtractor", {"sampling_rate": 32000}),
        hear=encode,
        layout="codec",
        rate=32000,
    ),
    "vibevoice": Kind(
        "VibeVoiceForConditionalGeneration",
        (
            "VibeVoiceConfig",
            {
                "audio_config": {**VIBEVOICE, "model_type": "vibevoice_acoustic_tokenizer"},
                "semantic_model_config": {**VIBEVOICE, "model_type": "vibevoice_acoustic_tokenizer_encoder"},
                "text_config": {**TEXT, "model_type": "qwen2"},
                "diffusion_head_config": {
                    **{"hidden_size": 32, "latent_size": 16, "num_hidden_layers": 1, "intermediate_size": 48},
                    "frequency_embedding_size": 16,
                },
                **{"pad_token_id": 0, "eos_token_id": 2, "audio_bos_token_id": 3, "audio_eos_token_id": 4},
                "audio_token_id": 5,
            },
        ),
        ("encoder.stem", *numbered("encoder.conv_layers.{}", 4), "encoder.head"),
        tower="model.audio_tower",
        extractor=("VibeVoiceAcousticTokenizerFeatureExtractor", {}),
        names={"padding_mask": None},
        hear=encode,
        layout="codec",
        rate=24000,
    ),
    "vibevoice_asr": Kind(
        "VibeVoiceAsrForConditionalGeneration",
        (
            "VibeVoiceAsrConfig",
            {
                "acoustic_tokenizer_encoder_config": {
                    **{**VIBEVOICE, "model_type": "vibevoice_acoustic_tokenizer_encoder"},
                },
                "semantic_tokenizer_encoder_config": {
                    **{**VIBEVOICE, "model_type": "vibevoice_acoustic_tokenizer_encoder"},
                },
                "text_config": {**TEXT, "model_type": "qwen2"},
                **{"audio_token_id": 3, "audio_bos_token_id": 4, "audio_eos_token_id": 5},
            },
        ),
        ("stem", *numbered("conv_layers.{}", 4), "head"),
        tower="model.acoustic_tokenizer_encoder",
        extractor=("VibeVoiceAcousticTokenizerFeatureExtractor", {}),
        names={"input_values": "hidden_states", "padding_mask": None},
        layout="codec",
        rate=24000,
    ),
    "apertus1p5": Kind(
        "Apertus1p5ForConditionalGeneration",
        (
            "Apertus1p5Config",
            {
                "audio_config": {**WAVTOKENIZER, "model_type": "wavtokenizer_encoder"},
                "text_config": {**TEXT, "vocab_size": 128},
                "vision_config": {
                    **{"codebook_size": 16, "embed_dim": 8, "latent_channels": 8, "base_channels": 32},
                    **{"channel_multiplier": [1, 1], "num_res_blocks": 1, "resolution": 16, "attn_resolutions": [8]},
                },
                **{"image_token_id": 3, "audio_token_id": 4, "image_token_offset": 64, "audio_token_offset": 80},
            },
        ),
        ENCODEC_LAYERS,
        tower="model.audio_tokenizer",
        extractor=("WavTokenizerFeatureExtractor", {}),
        hear=encode,
        layout="codec",
        rate=24000,
    ),
}
