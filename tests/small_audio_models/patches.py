"""Networks over patches of a spectrogram, and over frames with a token that stands for the whole."""

from __future__ import annotations

from tests.small_audio_models.kind import Kind, numbered
from tests.small_audio_models.speech import WIDTHS

MODERNBERT = {
    **{**WIDTHS, "num_hidden_layers": 1, "model_type": "modernbert", "vocab_size": 64, "pad_token_id": 0},
    **{"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
}
PE_AUDIO = {
    **{**WIDTHS, "head_dim": 16, "model_type": "pe_audio_encoder"},
    "dac_config": {
        **{"model_type": "dac", "encoder_hidden_size": 4, "downsampling_ratios": [2, 8, 10, 12], "codebook_dim": 8},
    },
}
PE_LAYERS = numbered("layers.{}")
SWIN_BLOCKS = tuple(f"audio_encoder.layers.{i}.blocks.{j}" for i, n in enumerate((2, 2, 1, 1)) for j in range(n))

PATCHES: dict[str, Kind] = {
    "audio-spectrogram-transformer": Kind(
        "ASTForAudioClassification",
        ("ASTConfig", WIDTHS),
        PE_LAYERS,
        tower="audio_spectrogram_transformer",
        extractor=("ASTFeatureExtractor", {}),
        layout="patches",
        grid="cls, distillation, frequency, time",
        window=10.24,
    ),
    "clap": Kind(
        "ClapModel",
        (
            "ClapConfig",
            {
                "audio_config": {
                    **{"patch_embeds_hidden_size": 8, "hidden_size": 64, "num_attention_heads": [2, 2, 2, 2]},
                    **{"depths": [2, 2, 1, 1], "projection_dim": 16},
                },
                "text_config": {
                    **{**WIDTHS, "num_hidden_layers": 1, "vocab_size": 64, "max_position_embeddings": 40},
                    "projection_dim": 16,
                },
                "projection_dim": 16,
            },
        ),
        SWIN_BLOCKS,
        tower="audio_model",
        extractor=("ClapFeatureExtractor", {"truncation": "rand_trunc", "padding": "repeatpad"}),
        layout="patches",
        grid="quarter of time, frequency, time in the quarter",
        window=10.0,
        rate=48000,
        others=numbered("audio_encoder.layers.{}", 4),
    ),
    "pe_audio": Kind(
        "PeAudioModel",
        ("PeAudioConfig", {"text_config": MODERNBERT, "audio_config": PE_AUDIO}),
        PE_LAYERS,
        tower="audio_encoder",
        extractor=("PeAudioFeatureExtractor", {}),
        grid="cls, time",
        rate=48000,
    ),
    "pe_audio_video": Kind(
        "PeAudioVideoModel",
        (
            "PeAudioVideoConfig",
            {
                "text_config": MODERNBERT,
                "audio_video_config": {**WIDTHS, "head_dim": 16, "audio_config": PE_AUDIO},
            },
        ),
        PE_LAYERS,
        tower="audio_video_encoder.embedder.audio_encoder",
        part=("PeAudioEncoder", "audio_video_config.audio_config"),
        extractor=("PeAudioFeatureExtractor", {}),
        grid="cls, time",
        rate=48000,
    ),
}
