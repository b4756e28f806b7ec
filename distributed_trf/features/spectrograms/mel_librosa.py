"""librosa's log-mel spectrogram."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view

from distributed_trf.errors import FeatureError
from distributed_trf.features.spectrograms.family import Transform

SFREQ = 16_000
WINDOW, HOP, N_FFT = 400, 160, 2048
N_MELS = 128
FLOOR = 1e-10


def mel_librosa(sound: np.ndarray) -> np.ndarray:
    """Compute a log-mel power spectrogram of a sound, as librosa does.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float64 of shape (1 + n_samples // 160, 128) at 100 frames per second: log10 of mel power plus 1e-10 (128 Slaney
        bands, 0-8000 Hz, periodic Hann window of 25 ms, transform of 2048 samples). Frame k is centred on 10 k ms, with
        silence around the sound.

    Raises
    ------
    FeatureError
        If the sound is empty.

    Notes
    -----
    The published code gave librosa the rate of the recording for a sound that was already at 16 kHz; it is 16 kHz here.
    """
    mel_librosa_frames(sound.shape[0])
    frames = sliding_window_view(np.pad(sound, WINDOW // 2), WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * scipy.signal.windows.hann(WINDOW, sym=False), n=N_FFT)) ** 2
    return np.log10(power @ slaney_filters(N_MELS, N_FFT).T + FLOOR)


def mel_librosa_frames(n_samples: int) -> int:
    """Return one frame per 10 ms, both ends included."""
    if n_samples < 1:
        raise FeatureError("an empty sound has no spectrogram; give a stimulus of at least one sample at 16 kHz")
    return 1 + n_samples // HOP


@cache
def slaney_filters(bands: int, n_fft: int) -> np.ndarray:
    """Return triangular mel filters of area one in hertz (Slaney 1998), shape (bands, n_fft // 2 + 1)."""
    edges = _hertz(np.linspace(0, _mel(SFREQ / 2), bands + 2))[:, None]
    frequencies = np.fft.rfftfreq(n_fft, 1 / SFREQ)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return np.maximum(np.minimum(rising, falling), 0) * 2 / (high - low)


LINEAR = 200 / 3
"""Hertz per mel below 1 kHz; above, 27 mels multiply the frequency by 6.4."""
BEND = 15.0
STEP = np.log(6.4) / 27


def _mel(hertz: float) -> float:
    return hertz / LINEAR if hertz < BEND * LINEAR else BEND + np.log(hertz / (BEND * LINEAR)) / STEP


def _hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < BEND, mel * LINEAR, BEND * LINEAR * np.exp(STEP * (np.maximum(mel, BEND) - BEND)))


MEL_LIBROSA = Transform(mel_librosa, mel_librosa_frames, N_MELS, SFREQ / HOP, bytes_per_sample=170)
