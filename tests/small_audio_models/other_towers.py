"""Encoders of other makes that hear for a language model, published within it."""

from __future__ import annotations

from typing import Any

from tests.small_audio_models.conformers import (
    FASTCONFORMER,
    LAYERS,
    MELS_128,
    PARAKEET_128,
    STREAMING_128,
    TEXT,
    features,
)
from tests.small_audio_models.kind import Kind, numbered
from tests.small_audio_models.speech import WIDTHS

QFORMER = {
    **{"model_type": "blip_2_qformer", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"intermediate_size": 48, "encoder_hidden_size": 32},
}
GRANITE_ENCODER = {
    **{"input_dim": 160, "num_layers": 2, "hidden_dim": 32, "feedforward_mult": 2, "num_heads": 2, "dim_head": 16},
    **{"output_dim": 20, "context_size": 25, "max_pos_emb": 64},
}
GEMMA4_AUDIO = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "output_proj_dims": 32},
    **{"subsampling_conv_channels": [128, 4], "model_type": "gemma4_audio"},
}
GEMMA4_TEXT = {
    **{**TEXT, "layer_types": ["full_attention"], "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 64},
}
GEMMA4_TOKENS = {f"{name}_token_id": 3 + n for n, name in enumerate(("boi", "eoi", "image", "video", "boa", "audio"))}


def phi4(_model: Any, tower: Any, inputs: dict[str, Any]) -> Any:
    """Run the encoder; one sound has no mask."""
    return tower(inputs["audio_input_features"], inputs.get("audio_attention_mask"))


def gemma3n(_model: Any, tower: Any, inputs: dict[str, Any]) -> Any:
    """Run the encoder, whose mask is true where nothing is heard, as the whole model gives it."""
    return tower(inputs["input_features"], ~inputs["input_features_mask"].bool())


def whole_groups(model: Any, tower: Any, inputs: dict[str, Any]) -> Any:
    """Run the part that hears on frames filled up to whole groups of eight, as the processor does."""
    from torch.nn.functional import pad

    missing = -inputs["input_features"].shape[1] % 8
    filled = {
        "input_features": pad(inputs["input_features"], (0, 0, 0, missing)),
        "input_features_mask": pad(inputs["input_features_mask"], (0, missing)),
    }
    return features(model, tower, {**inputs, **filled})


OTHER_TOWERS: dict[str, Kind] = {
    "voxtral_realtime": Kind(
        "VoxtralRealtimeForConditionalGeneration",
        (
            "VoxtralRealtimeConfig",
            {
                "audio_config": {**WIDTHS, "head_dim": 16, "vocab_size": 64, "sliding_window": 20},
                "text_config": {**TEXT, "model_type": "voxtral_realtime_text"},
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=("VoxtralRealtimeFeatureExtractor", {}),
    ),
    "granite_speech": Kind(
        "GraniteSpeechForConditionalGeneration",
        (
            "GraniteSpeechConfig",
            {
                "encoder_config": GRANITE_ENCODER,
                "projector_config": QFORMER,
                "text_config": {**TEXT, "model_type": "granite"},
                "audio_token_index": 3,
                "has_lora_adapter": False,
            },
        ),
        LAYERS,
        tower="model.encoder",
        extractor=("GraniteSpeechFeatureExtractor", {}),
        prepare={"sampling_rate": None, "return_tensors": None},
        names={"audio_embed_sizes": None, "input_features_mask": None},
        hear=features,
        needs=("torchaudio",),
    ),
    "granite_speech_plus": Kind(
        "GraniteSpeechPlusForConditionalGeneration",
        (
            "GraniteSpeechPlusConfig",
            {
                "encoder_config": {**GRANITE_ENCODER, "model_type": "granite_speech_plus_encoder"},
                "projector_config": QFORMER,
                "text_config": {**TEXT, "model_type": "granite"},
                "audio_token_index": 3,
                "has_lora_adapter": False,
            },
        ),
        LAYERS,
        tower="model.encoder",
        extractor=("GraniteSpeechFeatureExtractor", {}),
        prepare={"sampling_rate": None, "return_tensors": None},
        names={"audio_embed_sizes": None, "input_features_mask": None},
        hear=features,
        needs=("torchaudio",),
    ),
    "phi4_multimodal": Kind(
        "Phi4MultimodalForCausalLM",
        (
            "Phi4MultimodalConfig",
            {
                **TEXT,
                "audio_config": {
                    **{"hidden_size": 32, "intermediate_size": 48, "num_blocks": 2, "num_attention_heads": 2},
                    **{"ext_pw_out_channel": 32, "depthwise_separable_out_channel": 32, "nemo_conv_channels": 32},
                    "audio_token_id": 3,
                },
                "vision_config": {
                    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2},
                    **{"image_size": 28, "crop_size": 28, "image_token_id": 4},
                },
            },
        ),
        numbered("encoders.{}"),
        tower="model.embed_tokens_extend.audio_embed.encoder",
        extractor=("Phi4MultimodalFeatureExtractor", {}),
        hear=phi4,
    ),
    "gemma3n": Kind(
        "Gemma3nForConditionalGeneration",
        (
            "Gemma3nConfig",
            {
                "audio_config": {
                    **{"hidden_size": 32, "conf_num_attention_heads": 2, "conf_num_hidden_layers": 2},
                    "sscp_conv_channel_size": [8, 4],
                },
                "text_config": {**TEXT, "num_kv_shared_layers": 0, "layer_types": ["full_attention"]},
            },
        ),
        numbered("conformer.{}"),
        tower="model.audio_tower",
        part=("Gemma3nAudioEncoder", "audio_config"),
        hear=gemma3n,
        extractor=("Gemma3nAudioFeatureExtractor", {}),
    ),
    "gemma4": Kind(
        "Gemma4ForConditionalGeneration",
        (
            "Gemma4Config",
            {"audio_config": GEMMA4_AUDIO, "text_config": GEMMA4_TEXT, "vision_config": None, **GEMMA4_TOKENS},
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=("Gemma4AudioFeatureExtractor", {}),
        hear=features,
    ),
    "embedding_gemma2": Kind(
        "EmbeddingGemma2Model",
        (
            "EmbeddingGemma2Config",
            {
                "audio_config": GEMMA4_AUDIO,
                "text_config": {**GEMMA4_TEXT, "embedding_dim": 16},
                "vision_config": None,
                **GEMMA4_TOKENS,
            },
        ),
        LAYERS,
        tower="audio_tower",
        extractor=("Gemma4AudioFeatureExtractor", {}),
        hear=features,
    ),
    "fun_asr_nano": Kind(
        "FunAsrNanoForConditionalGeneration",
        (
            "FunAsrNanoConfig",
            {
                "audio_config": {
                    **{**WIDTHS, "num_mel_bins": 80, "num_timestamp_prediction_layers": 1, "num_hidden_layers": 3},
                    "model_type": "fun_asr_nano_encoder",
                },
                "adaptor_config": {
                    **WIDTHS,
                    "num_hidden_layers": 1,
                    "intermediate_size": 8,
                    "projector_hidden_size": 32,
                },
                "text_config": {**TEXT, "model_type": "qwen3"},
                "audio_token_id": 3,
            },
        ),
        numbered("layers.{}", 3),
        tower="model.audio_tower",
        extractor=("FunAsrNanoFeatureExtractor", {}),
        needs=("torchaudio",),
        hear=features,
    ),
    "dots3_note": Kind(
        "Dots3NoteForConditionalGeneration",
        (
            "Dots3NoteConfig",
            {
                "audio_config": {
                    **{**WIDTHS, "downsample_hidden_size": 8, "adapter_input_size": 32, "adapter_out_dim": 32},
                },
                "text_config": {
                    **{**TEXT, "num_attention_heads": 2, "n_routed_experts": 2, "num_experts_per_tok": 1},
                    **{"moe_intermediate_size": 16, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 8},
                    **{"v_head_dim": 8, "qk_nope_head_dim": 8, "index_head_dim": 16, "index_n_heads": 2},
                    **{"head_dim": 8, "shared_experts_intermediate_size": 16, "index_topk": 8},
                },
                "vision_config": {
                    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2},
                    **{"moe_intermediate_size": 16, "num_local_experts": 2, "num_experts_per_tok": 1},
                    "mlp_layer_types": ["dense"],
                    **{"adapter_in_dim": 32, "adapter_out_dim": 32},
                },
                **{"image_token_id": 3, "video_token_id": 4, "audio_token_id": 5},
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=("Dots3NoteFeatureExtractor", {}),
        hear=features,
    ),
    "muse_spark": Kind(
        "MuseSparkForConditionalGeneration",
        (
            "MuseSparkConfig",
            {
                "audio_config": {"hidden_sizes": [4, 8, 16, 32], "depths": [1, 1, 1, 1], "out_hidden_size": 32},
                "text_config": {
                    **{**TEXT, "num_local_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16},
                    "moe_hidden_size": 32,
                },
                "vision_config": {**WIDTHS, "num_hidden_layers": 1, "pos_emb_height": 4, "pos_emb_width": 4},
                **{"out_hidden_size": 32, "projector_hidden_size": 32},
                **{"image_token_id": 3, "video_token_id": 4, "audio_token_id": 5},
            },
        ),
        numbered("layers.{}", 4),
        tower="model.audio_tower",
        extractor=("MuseSparkFeatureExtractor", {}),
        hear=features,
        rate=24000,
    ),
    "nemo_speechlm": Kind(
        "Nemotron3_5TranscribeForConditionalGeneration",
        (
            "Nemotron3_5TranscribeConfig",
            {
                "audio_config": {
                    "asr_config": {**WIDTHS, "num_mel_bins": 128},
                    "diarization_config": {
                        "audio_config": {**WIDTHS, "num_mel_bins": 128},
                        "head_config": {"hidden_size": 16, "num_speakers": 4, "audio_hidden_size": 32},
                        "streaming_config": {"num_speakers": 4},
                        "model_type": "nemotron3_diarization",
                    },
                },
                "text_config": {**TEXT, "model_type": "qwen2"},
                "word_timestamp_config": {
                    **{**WIDTHS, "num_hidden_layers": 1, "vocab_size": 40, "blank_token_id": 39},
                },
                "audio_token_id": 3,
            },
        ),
        numbered("asr_encoder.layers.{}"),
        tower="model.audio_tower",
        extractor=STREAMING_128,
        names={"attention_mask": "input_features_mask"},
        others=numbered("diarization_model.model.audio_tower.layers.{}"),
        hear=whole_groups,
    ),
    "nemotron_h_omni": Kind(
        "NemotronH_Omni_Reasoning_V3",
        (
            "NemotronH_Omni_Reasoning_V3_Config",
            {"audio_config": {**FASTCONFORMER, **MELS_128, "model_type": "parakeet_encoder", "attention_bias": False}},
        ),
        LAYERS,
        tower="audio_tower",
        part=("ParakeetEncoder", "audio_config"),
        extractor=PARAKEET_128,
    ),
}
