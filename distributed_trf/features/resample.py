"""Changing the number of samples along time by the Fourier method, as the published analysis does."""

from __future__ import annotations

import numpy as np
from scipy.signal import resample

from distributed_trf.errors import DataError


def resample_sound(sound: np.ndarray, sfreq: float, target_sfreq: float) -> np.ndarray:
    """Bring a sound to a network's sampling rate.

    Parameters
    ----------
    sound
        Samples, shape (n_samples,).
    sfreq, target_sfreq
        Rates in hertz. The result has ``int(n_samples * target_sfreq / sfreq)`` samples.
    """
    if sfreq == target_sfreq:
        return sound
    return resample(sound, int(sound.shape[0] * target_sfreq / sfreq))


def to_bins(frames: np.ndarray, n_bins: int) -> np.ndarray:
    """Resample frames that tile a stimulus onto ``n_bins`` bins that tile the same span.

    Parameters
    ----------
    frames
        Features at a layer's own rate, shape (n_frames, n_features).
    n_bins
        Bins of the result, at least 1.

    Returns
    -------
    np.ndarray
        float64, shape (n_bins, n_features).

    Notes
    -----
    Frames are taken to tile the span evenly and the method is that of ``scipy.signal.resample``, both as in Ahmed
    et al. (2025); the span is one period, so its two ends meet.
    """
    if n_bins < 1:
        raise DataError(f"cannot resample to {n_bins} bins; the stimulus is shorter than half a bin")
    return resample(np.asarray(frames, dtype=np.float64), n_bins, axis=0)
