"""Models of which the registries of transformers do not tell what hears sound or how; each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

AUDIO_PARTS = (
    "audio_config",
    "thinker_config",
    "audio_video_config",
    "audio_encoder_config",
    "audio_encoder",
    "acoustic_tokenizer_encoder_config",
    "codec_config",
    "encoder_config",
    "encoder",
)
"""Keys of ``config.json`` under which larger models describe what hears sound; the first that a model has is followed.

``encoder_config`` and ``encoder`` come last, because a model that has them may have a part for sound as well.
"""


@dataclass(frozen=True)
class SpecialModel:
    """What transformers does not tell of a ``model_type``, be it of a whole model or of an encoder inside one."""

    why: str
    """The reason; of a refused one the end of a sentence that begins with its type."""
    refused: bool = False
    model: str | None = None
    """Class, where several or none stand for the type."""
    run: str | None = None
    """Module to run, where it is not ``encoder``."""
    prefix: str | None = None
    """Of the names of its tensors in a checkpoint, where the checkpoint holds several models of the class."""
    extractor: str | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Arguments of the extractor that come before those of the model's files."""
    window: Literal["chunk_length", "max_length", "max_length_s"] | None = None
    """Argument of the extractor that says to which length sounds are padded."""


_SPEAKS = "makes speech or music of text and hears no sound"
_POSITIONS = "each of its 30 s has its own position, so it takes no other length"

SPECIAL_MODELS: Mapping[str, SpecialModel] = MappingProxyType(
    {
        # Of one length
        "whisper": SpecialModel(_POSITIONS, window="chunk_length"),
        "qwen2_audio_encoder": SpecialModel(_POSITIONS, window="chunk_length"),
        "audioflamingo3_encoder": SpecialModel(_POSITIONS, window="chunk_length"),
        "voxtral_encoder": SpecialModel(_POSITIONS, window="chunk_length"),
        "moss_transcribe_diarize_audio": SpecialModel(_POSITIONS, window="chunk_length"),
        "glmasr_encoder": SpecialModel(
            "its processor pads sounds to 30 s, and the encoder takes no mask, so it hears the padding",
            window="chunk_length",
        ),
        "audio-spectrogram-transformer": SpecialModel("each of its patches has its own position", window="max_length"),
        "clap_audio_model": SpecialModel(
            "its spectrogram becomes a square image; sounds that would be cut are refused, so nothing is drawn at "
            "random",
            window="max_length_s",
        ),
        # Parts that are reached otherwise
        "cohere_asr": SpecialModel(
            "files name the tensors of its encoder otherwise than now, and transformers renames those of the whole",
            model="CohereAsrModel",
        ),
        "vibevoice_asr": SpecialModel(
            "it hears by two encoders of one class; the acoustic one is taken", prefix="acoustic_tokenizer_encoder."
        ),
        "speecht5": SpecialModel(
            "its plain model takes hidden states; this one has the convolutions for sound before it",
            model="SpeechT5EncoderWithSpeechPrenet",
            run="",
        ),
        "seamless_m4t": SpecialModel("the whole also translates and speaks", model="SeamlessM4TSpeechEncoder", run=""),
        "seamless_m4t_v2": SpecialModel(
            "the whole also translates and speaks", model="SeamlessM4Tv2SpeechEncoder", run=""
        ),
        # Other extractors than the registered ones
        "wav2vec2-bert": SpecialModel(
            "it takes a spectrogram, and transformers registers what prepares samples",
            extractor="SeamlessM4TFeatureExtractor",
        ),
        "moonshine": SpecialModel(
            "its files state an extractor that leaves samples as they are",
            extractor="Wav2Vec2FeatureExtractor",
            options=MappingProxyType({"do_normalize": False}),
        ),
        "moonshine_streaming_encoder": SpecialModel(
            "transformers registers no extractor; its embedder normalises by itself",
            extractor="Wav2Vec2FeatureExtractor",
            options=MappingProxyType({"do_normalize": False}),
        ),
        # Refused
        "bark": SpecialModel(_SPEAKS, refused=True),
        "clvp": SpecialModel(
            "compares text with speech that is already turned into tokens, and makes those; it hears no sound itself",
            refused=True,
        ),
        "dia": SpecialModel(f"{_SPEAKS}; its codec is a model of its own, such as descript/dac_44khz", refused=True),
        "fastspeech2_conformer": SpecialModel(_SPEAKS, refused=True),
        "gemma4_unified": SpecialModel(
            "gives frames of samples to its language model without an encoder of sound, unlike gemma4 and gemma3n",
            refused=True,
        ),
        "gradium_phonon_tts": SpecialModel(f"{_SPEAKS}; its codec is a model of its own", refused=True),
        "higgs_audio_v2": SpecialModel(f"{_SPEAKS}; its codec is of the type higgs_audio_v2_tokenizer", refused=True),
        "inkling_audio": SpecialModel(
            "only looks up a vector for each of the levels that its processor makes of a spectrogram; no network "
            "hears before its language model",
            refused=True,
        ),
        "pocket_tts": SpecialModel(f"{_SPEAKS}; its codec is of the type pocket_tts_audio_tokenizer", refused=True),
        "pop2piano": SpecialModel(
            "hears frames that follow the beats of music, which it tracks first; no frame has a fixed time",
            refused=True,
        ),
        "speecht5_hifigan": SpecialModel("makes sound of a spectrogram and hears none", refused=True),
        "univnet": SpecialModel("makes sound of a spectrogram and random noise, and hears none", refused=True),
        "vits": SpecialModel(_SPEAKS, refused=True),
    }
)
