"""Deep Speech 2's log spectrogram, called mel as the other baselines are, though its bands are linear."""

from __future__ import annotations

import numpy as np
import scipy
from scipy.fft import rfft

from distributed_trf.errors import FeatureError
from distributed_trf.features.spectrograms.family import Transform

WINDOW = 320
"""Samples at 16 kHz, 20 ms."""
HOP = 160
N_BANDS = WINDOW // 2 + 1


def mel_deepspeech2(sound: np.ndarray) -> np.ndarray:
    """Compute the log spectrogram that Deep Speech 2 takes (Amodei et al. 2016, as in deepspeech.pytorch V3.0).

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float64 of shape (1 + n_samples // 160, 161) at 100 frames per second: ``log(1 + |STFT|)`` with a periodic
        Hamming window of 20 ms, frame k centred at sample 160 k of the sound with zeros on either side, less its mean
        and over its unbiased standard deviation, both of all frames and bands together.

    Raises
    ------
    FeatureError
        If the sound is shorter than the window or silent.
    """
    n_frames = mel_deepspeech2_frames(sound.shape[0])
    padded = np.pad(sound, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:n_frames]
    log = np.log1p(np.abs(rfft(frames * scipy.signal.get_window("hamming", WINDOW), axis=1)))
    spread = log.std(ddof=1)
    if spread == 0:
        raise FeatureError(
            f"a sound of {sound.shape[0] / (100 * HOP):.2f} s is silent, and Deep Speech 2's spectrogram is divided by "
            "its standard deviation; leave the stimulus, or deepspeech2 and mel_deepspeech2, out of the study"
        )
    return (log - log.mean()) / spread


def mel_deepspeech2_frames(n_samples: int) -> int:
    """Return one frame per hop of 10 ms, the first at the start of the sound."""
    if n_samples < WINDOW:
        raise FeatureError(
            f"a sound of {n_samples} samples is too short for Deep Speech 2's spectrogram, whose window takes {WINDOW}"
            "; leave the stimulus, or deepspeech2 and mel_deepspeech2, out of the study"
        )
    return 1 + n_samples // HOP


MEL_DEEPSPEECH2 = Transform(mel_deepspeech2, mel_deepspeech2_frames, N_BANDS, 16_000 / HOP)
