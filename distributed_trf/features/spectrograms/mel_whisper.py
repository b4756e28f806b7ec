"""Whisper's log-mel spectrogram."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from distributed_trf.errors import FeatureError, MissingExtraError
from distributed_trf.features.spectrograms.family import Transform

WHISPER_SFREQ = 16_000
WHISPER_MAX_SECONDS = 30.0
MEL_RATE = 100.0
N_MELS = 80


@cache
def whisper_feature_extractor() -> Any:
    """Return Whisper's own sound-to-mel transform with its published settings; nothing is downloaded."""
    try:
        from transformers import WhisperFeatureExtractor
    except ImportError as error:
        raise MissingExtraError("transformers", "models", error) from error
    return WhisperFeatureExtractor()


def mel_whisper(sound: np.ndarray) -> np.ndarray:
    """Compute Whisper's log-mel spectrogram of a sound at the sound's own length.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,), at most 30 s long.

    Returns
    -------
    np.ndarray
        float32 of shape (n_samples // 160, 80) at 100 frames per second: log10 mel power (80 Slaney bands, 0-8000 Hz,
        25-ms window), floored 8 below the sound's maximum, then ``(x + 4) / 4``.

    Raises
    ------
    FeatureError
        If the sound is longer than the 30 s that Whisper takes.
    """
    check_whisper_length(sound.shape[0])
    out = whisper_feature_extractor()(sound, sampling_rate=WHISPER_SFREQ, padding="longest", return_tensors="np")
    return np.ascontiguousarray(out.input_features[0].T, dtype=np.float32)


def mel_whisper_frames(n_samples: int) -> int:
    """Return one frame per whole hop of 10 ms."""
    check_whisper_length(n_samples)
    return int(n_samples // (WHISPER_SFREQ / MEL_RATE))


def check_whisper_length(n_samples: int) -> None:
    """Raise FeatureError when a sound does not fit Whisper's window."""
    seconds = n_samples / WHISPER_SFREQ
    if seconds > WHISPER_MAX_SECONDS:
        raise FeatureError(
            f"a sound of {seconds:.2f} s (with its leading silence) does not fit Whisper's window of "
            f"{WHISPER_MAX_SECONDS:.0f} s; shorten the stimulus or leave the whisper networks out of the study"
        )


MEL_WHISPER = Transform(mel_whisper, mel_whisper_frames, N_MELS, MEL_RATE, ("scipy", "transformers"))
