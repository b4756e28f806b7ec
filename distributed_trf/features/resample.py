"""Changing the number of samples along time by the Fourier method, as the published analysis does."""

from __future__ import annotations

from math import ceil

import numpy as np
import scipy

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import DataError

KEPT_RATE = 100.0
"""Frames per second that are enough for any bin of ``FINEST_BIN`` or more."""
FINEST_BIN = 1000 / KEPT_RATE
"""Milliseconds."""


def check_sound(sound: np.ndarray, what: str) -> None:
    """Check that a sound is one channel of finite samples.

    Raises
    ------
    DataError
        If it is not, beginning with ``what`` it is.
    """
    if sound.ndim != 1 or not sound.size or sound.dtype.kind not in "fiu":
        raise DataError(
            f"{what}: an array of shape {sound.shape} and type {sound.dtype}; expected samples of one channel, shape "
            "(n_samples,). Mix it down, or leave it out"
        )
    bad = np.count_nonzero(~np.isfinite(sound))
    if bad:
        raise DataError(f"{what}: {bad} of its {sound.size} samples are NaN or Inf; expected a waveform. Repair it")


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
    return scipy.signal.resample(sound, int(sound.shape[0] * target_sfreq / sfreq))


def resample_frames(frames: Array, n: int) -> Array:
    """Resample frames that tile a stimulus onto ``n`` that tile the same span.

    Parameters
    ----------
    frames
        Real floating-point numbers, shape (n_frames, n_features), of any library and on any device.
    n
        Frames of the result, at least 1.

    Returns
    -------
    array
        Shape (n, n_features), of the same library, device and dtype.

    Notes
    -----
    The Fourier method of ``scipy.signal.resample`` (as in Ahmed et al. 2025): frames are taken to tile the span evenly,
    which is one period, so its two ends meet. Bringing frames to an odd number first changes nothing at any smaller
    number: an odd number has no frequency of which only half is kept.

    Raises
    ------
    DataError
        If ``n`` is below 1.
    """
    if n < 1:
        raise DataError(f"cannot resample to {n} bins; the stimulus is shorter than half a bin")
    xp, old = namespace(frames), frames.shape[0]
    if n == old:
        return frames
    spectrum = xp.fft.rfft(frames, axis=0)
    shared = min(n, old)
    found = xp.zeros((n // 2 + 1, frames.shape[1]), dtype=spectrum.dtype, device=frames.device)
    found[: shared // 2 + 1] = spectrum[: shared // 2 + 1]
    if shared % 2 == 0:  # the highest frequency folds onto itself on the shorter side only
        found[shared // 2] *= 2.0 if n < old else 0.5
    return xp.fft.irfft(found, n=n, axis=0) * (n / old)


def to_bins(frames: Array, n_bins: int) -> Array:
    """Resample frames onto bins in float64 (see ``resample_frames``)."""
    return resample_frames(namespace(frames).astype(frames, namespace(frames).float64), n_bins)


def kept_frames(rate: float, n_frames: int, seconds: float) -> int:
    """Return how many frames hold all that bins of ``FINEST_BIN`` or more can show of a layer.

    Parameters
    ----------
    rate
        Frames per second that the network gives.
    n_frames
        Frames that it gives of a sound.
    seconds
        Length of the sound, leading silence included.

    Returns
    -------
    int
        The smallest odd number of at least ``KEPT_RATE * seconds + 1``, or ``n_frames`` where that is no more or the
        rate is no higher than ``KEPT_RATE``. Sound and silence are rounded to bins each, which adds up to one bin to
        those of their length.
    """
    enough = ceil(KEPT_RATE * seconds + 1)
    return min(enough + (enough + 1) % 2, n_frames) if rate > KEPT_RATE else n_frames
