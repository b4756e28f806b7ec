"""Speech encoders that are published whole: stacks of blocks over frames."""

from __future__ import annotations

from typing import Any

from tests.small_audio_models.kind import Kind, numbered

WIDTHS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
CONVOLUTIONS = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
WAV2VEC2 = {**WIDTHS, **CONVOLUTIONS, "classifier_proj_size": 16}
SEW = {**WAV2VEC2, "conv_dim": [16] * 13}
SEQ2SEQ = {
    **{"d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48},
    **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "vocab_size": 60},
    **{"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2},
}
ENCODED = numbered("encoder.layers.{}")
RAW = ("Wav2Vec2FeatureExtractor", {"do_normalize": False})
NORMALISED_WITH_MASK = ("Wav2Vec2FeatureExtractor", {"do_normalize": True, "return_attention_mask": True})
FBANK_PAIRS = ("SeamlessM4TFeatureExtractor", {})
SEAMLESS = {
    **{"hidden_size": 32, "vocab_size": 60, "t2u_vocab_size": 60, "speech_encoder_layers": 2},
    **{"speech_encoder_attention_heads": 2, "speech_encoder_intermediate_size": 48, "encoder_layers": 1},
    **{"decoder_layers": 1, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "encoder_attention_heads": 2},
    **{"decoder_attention_heads": 2, "max_source_positions": 512, "max_position_embeddings": 512},
}


def _ctc(name: str, tower: str, settings: dict[str, Any], **others: Any) -> Kind:
    return Kind(f"{name}ForCTC", (f"{name}Config", settings), tower=tower, **{"blocks": ENCODED, **others})


SPEECH: dict[str, Kind] = {
    "hubert": _ctc("Hubert", "hubert", WAV2VEC2),
    "wav2vec2": _ctc("Wav2Vec2", "wav2vec2", WAV2VEC2),
    "wavlm": _ctc("WavLM", "wavlm", {**WAV2VEC2, "num_buckets": 32}, extractor=RAW),
    "data2vec-audio": _ctc("Data2VecAudio", "data2vec_audio", {**WAV2VEC2, "conv_pos_kernel_size": 5}),
    "unispeech": _ctc("UniSpeech", "unispeech", {**WAV2VEC2, "feat_extract_norm": "layer"}),
    "unispeech-sat": _ctc("UniSpeechSat", "unispeech_sat", WAV2VEC2, extractor=RAW),
    "sew": _ctc("SEW", "sew", SEW),
    "sew-d": _ctc("SEWD", "sew_d", SEW, blocks=numbered("encoder.encoder.layer.{}")),
    "wav2vec2-bert": _ctc(
        "Wav2Vec2Bert", "wav2vec2_bert", {**WIDTHS, "vocab_size": 32, "classifier_proj_size": 16}, extractor=FBANK_PAIRS
    ),
    "wav2vec2-conformer": _ctc(
        "Wav2Vec2Conformer",
        "wav2vec2_conformer",
        {**WAV2VEC2, "vocab_size": 32, "max_source_positions": 256, "feat_extract_norm": "layer"},
        extractor=NORMALISED_WITH_MASK,
    ),
    "whisper": Kind(
        "WhisperForConditionalGeneration",
        ("WhisperConfig", {**SEQ2SEQ, "suppress_tokens": [], "begin_suppress_tokens": [], "max_target_positions": 32}),
        tower="model.encoder",
        blocks=numbered("layers.{}"),
        extractor=("WhisperFeatureExtractor", {}),
        window=30.0,
    ),
    "speech_to_text": Kind(
        "Speech2TextForConditionalGeneration",
        ("Speech2TextConfig", {**SEQ2SEQ, "conv_channels": 16, "max_source_positions": 512}),
        tower="model.encoder",
        blocks=numbered("layers.{}"),
        extractor=("Speech2TextFeatureExtractor", {}),
    ),
    "speecht5": Kind(
        "SpeechT5ForSpeechToText",
        (
            "SpeechT5Config",
            {
                **{**CONVOLUTIONS, **SEQ2SEQ, "hidden_size": 32, "vocab_size": 81},
                **{"speech_decoder_prenet_units": 16, "speech_decoder_postnet_units": 16},
            },
        ),
        tower="speecht5.encoder",
        blocks=numbered("wrapped_encoder.layers.{}"),
        extractor=("SpeechT5FeatureExtractor", {"do_normalize": False}),
    ),
    "moonshine": Kind(
        "MoonshineForConditionalGeneration",
        (
            "MoonshineConfig",
            {
                **{"hidden_size": 32, "intermediate_size": 48, "vocab_size": 60, "encoder_num_attention_heads": 2},
                **{"encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2},
            },
        ),
        tower="model.encoder",
        blocks=numbered("layers.{}"),
        extractor=("Wav2Vec2FeatureExtractor", {"do_normalize": False, "return_attention_mask": True}),
    ),
    "moonshine_streaming": Kind(
        "MoonshineStreamingForConditionalGeneration",
        (
            "MoonshineStreamingConfig",
            {
                **WIDTHS,
                **{"num_key_value_heads": 2, "vocab_size": 60, "decoder_start_token_id": 1},
                "encoder_config": {**WIDTHS, "num_key_value_heads": 2, "sliding_windows": [[16, 4], [16, 0]]},
            },
        ),
        tower="model.encoder",
        blocks=numbered("layers.{}"),
        extractor=("Wav2Vec2FeatureExtractor", {"do_normalize": False, "return_attention_mask": True}),
        prepare={"padding": True, "pad_to_multiple_of": 80},
    ),
    "seamless_m4t": Kind(
        "SeamlessM4TForSpeechToText",
        ("SeamlessM4TConfig", {**SEAMLESS, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}),
        tower="speech_encoder",
        blocks=numbered("encoder.layers.{}"),
        extractor=FBANK_PAIRS,
    ),
    "seamless_m4t_v2": Kind(
        "SeamlessM4Tv2ForSpeechToText",
        ("SeamlessM4Tv2Config", {**SEAMLESS, "char_vocab_size": 60}),
        tower="speech_encoder",
        blocks=numbered("encoder.layers.{}"),
        extractor=FBANK_PAIRS,
    ),
}
