"""The broadband envelope of a sound, and its onsets."""

from __future__ import annotations

import numpy as np
import scipy

from distributed_trf.errors import FeatureError
from distributed_trf.features.spectrograms.family import Transform

SFREQ, HOP = 16_000, 160


def envelope(sound: np.ndarray) -> np.ndarray:
    """Compute the broadband envelope of a sound, as in Lalor and Foxe (2010).

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float64 of shape (frames, 1) at 100 frames per second: the magnitude of the analytic signal, averaged over each
        10 ms, in the units of the sound. The last frame may be shorter.

    Raises
    ------
    FeatureError
        If the sound is empty.

    Notes
    -----
    With X the Fourier transform of the n samples of a sound, its analytic signal is the inverse transform of ``2 X[k]``
    at positive frequencies, of ``X[k]`` at 0 and, for even n, at half the sampling rate, and of 0 at negative ones.
    The envelope of a tone of amplitude a is a.
    """
    envelope_frames(sound.shape[0])
    n = sound.shape[0]
    spectrum = scipy.fft.fft(sound)
    spectrum[1 : (n + 1) // 2] *= 2
    spectrum[n // 2 + 1 :] = 0
    magnitude = np.abs(scipy.fft.ifft(spectrum, overwrite_x=True))
    starts = np.arange(0, n, HOP)
    return (np.add.reduceat(magnitude, starts) / np.diff(starts, append=n))[:, None]


def onsets(sound: np.ndarray) -> np.ndarray:
    """Compute the onsets of a sound: how fast its envelope rises, and 0 where it falls.

    Returns
    -------
    np.ndarray
        float64 of shape (frames, 1): ``100 max(0, e[k] - e[k - 1])`` of the envelope e, in units of the sound per
        second, with silence before the sound: the half-wave rectified derivative that Daube et al. (2019) take of
        spectrograms.
    """
    return np.maximum(np.diff(envelope(sound), axis=0, prepend=0.0), 0) * (SFREQ / HOP)


def envelope_frames(n_samples: int) -> int:
    """Return one frame per 10 ms, and one for a rest."""
    if n_samples < 1:
        raise FeatureError("an empty sound has no envelope; give a stimulus of at least one sample at 16 kHz")
    return -(-n_samples // HOP)


ENVELOPE = Transform(envelope, envelope_frames, bands=1, rate=SFREQ / HOP)
ONSETS = Transform(onsets, envelope_frames, bands=1, rate=SFREQ / HOP)
