"""Speech2Text's log-mel spectrogram: Kaldi's filter bank, normalised over the sound."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from distributed_trf.errors import FeatureError, MissingExtraError
from distributed_trf.features.spectrograms.family import Transform

SFREQ = 16_000
FRAME, HOP, FFT = 400, 160, 512
_INT16 = 2**15
_FLOOR = 1.192092955078125e-07
"""Of the mel power, before its logarithm: float32's epsilon, as in Kaldi."""


@cache
def _window_and_filters() -> tuple[np.ndarray, np.ndarray]:
    try:
        from transformers.audio_utils import mel_filter_bank, window_function
    except ImportError as error:
        raise MissingExtraError("transformers", "models", error) from error
    filters = mel_filter_bank(
        num_frequency_bins=FFT // 2 + 1,
        num_mel_filters=80,
        min_frequency=20,
        max_frequency=SFREQ // 2,
        sampling_rate=SFREQ,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return window_function(FRAME, "povey", periodic=False), filters


def mel_speech2text(sound: np.ndarray) -> np.ndarray:
    """Compute Speech2Text's log-mel spectrogram of a sound.

    It is that of transformers' ``Speech2TextFeatureExtractor``, which computes in float32 where torchaudio is
    installed; here numbers do not depend on what is installed.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float32 of shape (1 + (n_samples - 400) // 160, 80) at 100 frames per second, the first centred on 12.5 ms: log
        power of Kaldi's filter bank (80 mel bands, 20-8000 Hz, 25-ms window), each band normalised to mean 0 and
        variance 1 over the sound (Wang et al. 2020).

    Raises
    ------
    FeatureError
        If the sound has fewer than two frames, or a band is the same throughout, which cannot be normalised.
    """
    mel_speech2text_frames(sound.shape[0])
    window, filters = _window_and_filters()
    from transformers.audio_utils import spectrogram

    power: Any = spectrogram(
        sound.astype(np.float32) * _INT16,
        window,
        frame_length=FRAME,
        hop_length=HOP,
        fft_length=FFT,
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
            f"{constant.size} of 80 mel bands of a sound of {sound.shape[0] / SFREQ:.2f} s (with its leading silence) "
            "do not change, so they cannot be normalised to variance 1; leave the silent or constant stimulus out"
        )
    bands = bands - bands.mean(axis=0)
    return bands / bands.std(axis=0)


def mel_speech2text_frames(n_samples: int) -> int:
    """Return one frame per 10 ms as long as its 25 ms are within the sound."""
    frames = 1 + (n_samples - FRAME) // HOP
    if frames < 2:
        raise FeatureError(
            f"a sound of {n_samples} samples at 16 kHz (with its leading silence) has fewer than the two frames that "
            f"can be normalised; give a stimulus of at least {FRAME + HOP} samples"
        )
    return frames


MEL_SPEECH2TEXT = Transform(mel_speech2text, mel_speech2text_frames, 80, SFREQ / HOP, ("scipy", "transformers"))
