"""Encoders of speech recognisers whose blocks join convolution and attention, over frames of a mel spectrogram."""

from __future__ import annotations

from typing import Any

from tests.small_audio_models.kind import Kind, numbered
from tests.small_audio_models.speech import CONVOLUTIONS, WIDTHS

LAYERS = numbered("layers.{}")
FASTCONFORMER = {**WIDTHS, "subsampling_conv_channels": 8, "max_position_embeddings": 256}
MELS_128 = {"num_mel_bins": 128}
TRANSDUCER = {"vocab_size": 40, "decoder_hidden_size": 16, "num_decoder_layers": 1, "pad_token_id": 2}
PARAKEET = ("ParakeetFeatureExtractor", {})
PARAKEET_128 = ("ParakeetFeatureExtractor", {"feature_size": 128})
STREAMING = ("NemotronAsrStreamingFeatureExtractor", {})
STREAMING_128 = ("NemotronAsrStreamingFeatureExtractor", {"feature_size": 128})
LASR = {
    **{**WIDTHS, "subsampling_conv_channels": 8, "num_mel_bins": 128, "max_position_embeddings": 256},
    "conv_kernel_size": 31,  # published: 32, of which torch warns
}
GRANITE_5 = {**WIDTHS, "vocab_size": 40, "context_size": 16, "max_position_embeddings": 64, "subsample_layers": [1]}
OMNI = {**WIDTHS, **CONVOLUTIONS}
TEXT = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"num_key_value_heads": 2, "vocab_size": 64, "head_dim": 16, "pad_token_id": 0, "bos_token_id": 1},
    **{"eos_token_id": 2, "max_position_embeddings": 2048},
}


def features(model: Any, _tower: Any, inputs: dict[str, Any]) -> Any:
    """Run the part of the published model that gives its language model what was heard."""
    whole = model if hasattr(model, "get_audio_features") else model.model
    return whole.get_audio_features(**inputs)


CONFORMERS: dict[str, Kind] = {
    "parakeet_encoder": Kind("ParakeetEncoder", ("ParakeetEncoderConfig", FASTCONFORMER), LAYERS, extractor=PARAKEET),
    "parakeet_ctc": Kind(
        "ParakeetForCTC",
        ("ParakeetCTCConfig", {"vocab_size": 40, "pad_token_id": 39, "encoder_config": FASTCONFORMER}),
        LAYERS,
        tower="encoder",
        extractor=PARAKEET,
    ),
    "parakeet_rnnt": Kind(
        "ParakeetForRNNT",
        ("ParakeetRNNTConfig", {**TRANSDUCER, "blank_token_id": 39, "encoder_config": FASTCONFORMER}),
        LAYERS,
        tower="encoder",
        extractor=PARAKEET,
        hear=features,
    ),
    "parakeet_tdt": Kind(
        "ParakeetForTDT",
        (
            "ParakeetTDTConfig",
            {**TRANSDUCER, "blank_token_id": 39, "encoder_config": {**FASTCONFORMER, **MELS_128}},
        ),
        LAYERS,
        tower="encoder",
        extractor=PARAKEET_128,
        hear=features,
    ),
    "canary": Kind(
        "CanaryForConditionalGeneration",
        (
            "CanaryConfig",
            {
                "encoder_config": {**FASTCONFORMER, **MELS_128, "model_type": "parakeet_encoder", "scale_input": False},
                "decoder_config": TEXT,
                "vocab_size": 64,
                "decoder_start_token_id": 7,
            },
        ),
        LAYERS,
        tower="model.encoder",
        extractor=PARAKEET_128,
    ),
    "cohere_asr": Kind(
        "CohereAsrForConditionalGeneration",
        (
            "CohereAsrConfig",
            {
                **TEXT,
                "encoder_config": {**FASTCONFORMER, **MELS_128, "model_type": "parakeet_encoder", "scale_input": False},
                "decoder_start_token_id": 1,
            },
        ),
        LAYERS,
        tower="model.encoder",
        extractor=("CohereAsrFeatureExtractor", {"dither": 0.0}),
    ),
    "nemotron_asr_streaming_encoder": Kind(
        "NemotronAsrStreamingEncoder",
        ("NemotronAsrStreamingEncoderConfig", FASTCONFORMER),
        LAYERS,
        extractor=STREAMING,
    ),
    "nemotron_asr_streaming": Kind(
        "NemotronAsrStreamingForRNNT",
        (
            "NemotronAsrStreamingConfig",
            {**TRANSDUCER, "pad_token_id": 0, "blank_token_id": 39, "encoder_config": FASTCONFORMER},
        ),
        LAYERS,
        tower="encoder",
        extractor=STREAMING,
        hear=features,
    ),
    "nemotron3_5_asr": Kind(
        "Nemotron3_5AsrForRNNT",
        (
            "Nemotron3_5AsrConfig",
            {
                **TRANSDUCER,
                **{"blank_token_id": 39, "num_prompts": 4, "default_prompt_id": 1, "prompt_intermediate_size": 16},
                "encoder_config": {**FASTCONFORMER, **MELS_128, "model_type": "nemotron_asr_streaming_encoder"},
            },
        ),
        LAYERS,
        tower="encoder",
        extractor=STREAMING_128,
        hear=features,
    ),
    "nemotron3_diarization": Kind(
        "Nemotron3DiarizationForAudioFrameClassification",
        (
            "Nemotron3DiarizationConfig",
            {
                "audio_config": {**WIDTHS, **MELS_128, "max_position_embeddings": 512},
                "head_config": {"hidden_size": 16, "num_speakers": 4, "audio_hidden_size": 32},
                "streaming_config": {"num_speakers": 4},
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=STREAMING_128,
    ),
    "lasr_encoder": Kind("LasrEncoder", ("LasrEncoderConfig", LASR), LAYERS, extractor=("LasrFeatureExtractor", {})),
    "lasr_ctc": Kind(
        "LasrForCTC",
        ("LasrCTCConfig", {"vocab_size": 40, "encoder_config": LASR}),
        LAYERS,
        tower="encoder",
        extractor=("LasrFeatureExtractor", {}),
    ),
    "granite_speech5_encoder": Kind(
        "GraniteSpeech5Encoder",
        ("GraniteSpeech5EncoderConfig", GRANITE_5),
        LAYERS,
        extractor=("GraniteSpeech5FeatureExtractor", {}),
        needs=("torchaudio",),
    ),
    "granite_speech5_ctc": Kind(
        "GraniteSpeech5ForCTC",
        ("GraniteSpeech5CTCConfig", {"vocab_size": 40, "encoder_config": GRANITE_5}),
        LAYERS,
        tower="encoder",
        extractor=("GraniteSpeech5FeatureExtractor", {}),
        needs=("torchaudio",),
    ),
    "omniasr_ctc": Kind(
        "OmniASRForCTC",
        ("OmniASRCTCConfig", {"vocab_size": 40, "audio_config": {**OMNI, "model_type": "omniasr_audio"}}),
        LAYERS,
        tower="model.audio_tower",
        extractor=("OmniASRFeatureExtractor", {}),
    ),
    "omniasr": Kind(
        "OmniASRForConditionalGeneration",
        (
            "OmniASRConfig",
            {
                "audio_config": {**OMNI, "model_type": "omniasr_audio"},
                "text_config": {**TEXT, "model_type": "llama"},
                "audio_token_id": 3,
            },
        ),
        LAYERS,
        tower="model.audio_tower",
        extractor=("OmniASRFeatureExtractor", {}),
        hear=features,
    ),
}
