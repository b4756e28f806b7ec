"""Encoders in the manner of Whisper's that hear for a language model, published within it."""

from __future__ import annotations

from typing import Any

from tests.small_audio_models.conformers import LAYERS, TEXT, features
from tests.small_audio_models.kind import Kind
from tests.small_audio_models.speech import WIDTHS

WHISPER_128 = ("WhisperFeatureExtractor", {"feature_size": 128})
WITH_MASK = {"return_attention_mask": True}
UNCUT = {**WITH_MASK, "padding": True, "truncation": False}
"""As the processors of Qwen3 say: sounds are not padded to 30 s, so their last window is another."""
WHISPER_LIKE = {
    **{"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48, "num_mel_bins": 128},
}
QWEN_TEXT = {**TEXT, "model_type": "qwen2"}
LLAMA_TEXT = {**TEXT, "model_type": "llama"}
FLAMINGO = {
    "audio_config": {**WIDTHS, "num_mel_bins": 128, "model_type": "audioflamingo3_encoder"},
    "text_config": QWEN_TEXT,
    "audio_token_id": 3,
}
ROPES = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}


def qwen2_audio(model: Any, _tower: Any, inputs: dict[str, Any]) -> None:
    """Run the whole, its prompt made of the places that the sound fills."""
    import torch

    frames = (int(inputs["feature_attention_mask"].sum()) - 1) // 2 + 1
    places = torch.full((1, (frames - 2) // 2 + 1), model.config.audio_token_id)
    model(input_ids=places, attention_mask=torch.ones_like(places), **inputs)


def omni(model: Any, _tower: Any, inputs: dict[str, Any]) -> Any:
    """Run the part of the thinker that hears."""
    return model.thinker.get_audio_features(**inputs)


WHISPER_TOWERS: dict[str, Kind] = {
    "qwen2_audio": Kind(
        "Qwen2AudioForConditionalGeneration",
        (
            "Qwen2AudioConfig",
            {
                "audio_config": {**WHISPER_LIKE, "model_type": "qwen2_audio_encoder"},
                "text_config": QWEN_TEXT,
                "audio_token_index": 3,
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=WHISPER_128,
        prepare=WITH_MASK,
        names={"attention_mask": "feature_attention_mask"},
        hear=qwen2_audio,
        window=30.0,
    ),
    "qwen2_5_omni": Kind(
        "Qwen2_5OmniForConditionalGeneration",
        (
            "Qwen2_5OmniConfig",
            {
                "thinker_config": {
                    "audio_config": {**WHISPER_LIKE, "output_dim": 32},
                    "text_config": {**TEXT, "rope_parameters": ROPES},
                    "vision_config": {
                        **{"depth": 1, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2},
                        **{"out_hidden_size": 32, "fullatt_block_indexes": [0]},
                    },
                },
                "enable_audio_output": False,
            },
        ),
        LAYERS,
        tower="thinker.model.audio_tower",
        extractor=WHISPER_128,
        prepare=WITH_MASK,
        names={"attention_mask": "feature_attention_mask"},
        hear=omni,
        layout="packed",
        beside=("spk_dict.pt",),
    ),
    "qwen3_omni_moe": Kind(
        "Qwen3OmniMoeForConditionalGeneration",
        (
            "Qwen3OmniMoeConfig",
            {
                "thinker_config": {
                    "audio_config": {**WHISPER_LIKE, "output_dim": 32, "downsample_hidden_size": 8},
                    "text_config": {
                        **{**TEXT, "rope_parameters": ROPES, "num_experts": 2, "num_experts_per_tok": 1},
                        "moe_intermediate_size": 16,
                    },
                    "vision_config": {
                        **{"depth": 1, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2},
                        **{"out_hidden_size": 32, "deepstack_visual_indexes": [0], "num_position_embeddings": 16},
                    },
                },
                "enable_audio_output": False,
            },
        ),
        LAYERS,
        tower="thinker.model.audio_tower",
        extractor=WHISPER_128,
        prepare=UNCUT,
        names={"attention_mask": "feature_attention_mask"},
        hear=omni,
        layout="packed",
    ),
    "voxtral": Kind(
        "VoxtralForConditionalGeneration",
        (
            "VoxtralConfig",
            {
                "audio_config": {**WIDTHS, "intermediate_size": 128, "vocab_size": 64},
                "text_config": LLAMA_TEXT,
                "audio_token_id": 3,
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=WHISPER_128,
        hear=features,
        window=30.0,
    ),
    "audioflamingo3": Kind(
        "AudioFlamingo3ForConditionalGeneration",
        ("AudioFlamingo3Config", FLAMINGO),
        LAYERS,
        tower="model.audio_tower",
        extractor=WHISPER_128,
        prepare=WITH_MASK,
        names={"attention_mask": "input_features_mask"},
        hear=features,
        window=30.0,
    ),
    "musicflamingo": Kind(
        "MusicFlamingoForConditionalGeneration",
        ("MusicFlamingoConfig", {**FLAMINGO, "audio_bos_token_id": 4, "audio_eos_token_id": 5}),
        LAYERS,
        tower="model.audio_tower",
        extractor=WHISPER_128,
        prepare=WITH_MASK,
        names={"attention_mask": "input_features_mask"},
        window=30.0,
    ),
    "glmasr": Kind(
        "GlmAsrForConditionalGeneration",
        (
            "GlmAsrConfig",
            {
                "audio_config": {**WIDTHS, "intermediate_size": 128, "model_type": "glmasr_encoder"},
                "text_config": LLAMA_TEXT,
                "audio_token_id": 3,
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=WHISPER_128,
        prepare=WITH_MASK,
        names={"attention_mask": "input_features_mask"},
        hear=features,
        window=30.0,
    ),
    "qwen3_asr": Kind(
        "Qwen3ASRForConditionalGeneration",
        (
            "Qwen3ASRConfig",
            {
                "audio_config": {
                    **{**WHISPER_LIKE, "output_dim": 32, "downsample_hidden_size": 8},
                    "model_type": "qwen3_asr_encoder",
                },
                "text_config": {**TEXT, "model_type": "qwen3"},
                "audio_token_id": 3,
                "timestamp_token_id": 4,
                "pad_token_id": 0,
                "eos_token_id": 2,
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=("Qwen3ASRFeatureExtractor", {}),
        prepare=UNCUT,
        names={"attention_mask": "input_features_mask"},
        hear=features,
        layout="packed",
    ),
    "moss_transcribe_diarize": Kind(
        "MossTranscribeDiarizeForConditionalGeneration",
        (
            "MossTranscribeDiarizeConfig",
            {
                "audio_config": {**WIDTHS, "num_mel_bins": 80, "model_type": "moss_transcribe_diarize_audio"},
                "text_config": {**TEXT, "model_type": "qwen3"},
                "audio_token_id": 3,
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=("MossTranscribeDiarizeFeatureExtractor", {}),
        hear=features,
        window=30.0,
    ),
}
