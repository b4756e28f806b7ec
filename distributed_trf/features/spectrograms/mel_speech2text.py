"""Speech2Text's log-mel spectrogram: Kaldi's filter bank, normalised over the sound."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from distributed_trf.errors import FeatureError, MissingExtraError

SPEECH2TEXT_SFREQ = 16_000
_WINDOW, _HOP, _FFT = 400, 160, 512
_INT16 = 2**15
_FLOOR = 1.192092955078125e-07
"""Of the mel power, before its logarithm: float32's epsilon, as in Kaldi."""


@cache
def _window_and_filters() -> tuple[np.ndarray, np.ndarray]:
    try:
        from transformers.audio_utils import mel_filter_bank, window_function
    except ImportError as error:
        raise MissingExtraError("transformers", "models") from error
    filters = mel_filter_bank(
        num_frequency_bins=_FFT // 2 + 1,
        num_mel_filters=80,
        min_frequency=20,
        max_frequency=SPEECH2TEXT_SFREQ // 2,
        sampling_rate=SPEECH2TEXT_SFREQ,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return window_function(_WINDOW, "povey", periodic=False), filters


def mel_speech2text(sound: np.ndarray) -> np.ndarray:
    """Compute Speech2Text's input (Wang et al. 2020) of a sound, whether or not torchaudio is installed.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float32 of shape (1 + (n_samples - 400) // 160, 80) at 100 frames per second: log mel power (80 Kaldi bands,
        20-8000 Hz, 25-ms window), each band brought to mean 0 and standard deviation 1 over the sound.

    Raises
    ------
    FeatureError
        If the sound has fewer than two frames, or a band that does not change, such as silence.
    """
    from transformers.audio_utils import spectrogram

    mel_speech2text_frames(sound.shape[0])
    window, filters = _window_and_filters()
    power: Any = spectrogram(
        sound.astype(np.float32) * _INT16,
        window,
        frame_length=_WINDOW,
        hop_length=_HOP,
        fft_length=_FFT,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=_FLOOR,
        remove_dc_offset=True,
    )
    bands = np.ascontiguousarray(power.T)
    constant = np.flatnonzero(bands.max(axis=0) == bands.min(axis=0))
    if constant.size:
        raise FeatureError(
            f"Speech2Text normalises each mel band over the sound, and band {constant[0]} of this one never changes; "
            "is it silent? Leave the stimulus or the speech2text networks out of the study"
        )
    bands = bands - bands.mean(axis=0)
    return bands / bands.std(axis=0)


def mel_speech2text_frames(n_samples: int) -> int:
    """Return one frame per whole window."""
    shortest = _WINDOW + _HOP
    if n_samples < shortest:
        raise FeatureError(
            f"a sound of {n_samples} samples (with its leading silence) is too short for Speech2Text, which compares "
            f"two frames at least: {shortest} samples at 16 kHz, 35 ms. Leave it or the speech2text networks out"
        )
    return 1 + (n_samples - _WINDOW) // _HOP
