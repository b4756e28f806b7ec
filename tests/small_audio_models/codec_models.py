"""Models of language and music that hear through a codec, published with it."""

from __future__ import annotations

from tests.small_audio_models.codecs import (
    ENCODEC,
    ENCODEC_LAYERS,
    MIMI,
    VIBEVOICE,
    WAVTOKENIZER,
    encode,
    encodec_embeddings,
    mimi_within,
)
from tests.small_audio_models.conformers import TEXT
from tests.small_audio_models.kind import Kind, numbered

T5 = {
    **{"model_type": "t5", "d_model": 32, "d_ff": 48, "d_kv": 16, "num_heads": 2, "num_layers": 1, "vocab_size": 64},
}

CODEC_MODELS: dict[str, Kind] = {
    "kyutai_speech_to_text": mimi_within(
        "KyutaiSpeechToTextForConditionalGeneration",
        (
            "KyutaiSpeechToTextConfig",
            {
                **{**TEXT, "ffn_dim": 48, "codebook_vocab_size": 17, "num_codebooks": 2, "audio_bos_token_id": 16},
                **{"audio_pad_token_id": 18, "codec_config": {**MIMI, "model_type": "mimi"}},
            },
        ),
        "codec_model",  # its own extractor puts silence around a sound, for the language model's delay
    ),
    "moshi": mimi_within(
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
    "csm": mimi_within(
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
        embed=encodec_embeddings,
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
