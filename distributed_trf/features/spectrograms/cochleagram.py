"""The human cochleagram: envelopes of cochlear filters, compressed."""

from __future__ import annotations

import numpy as np
from scipy.fft import ifft, rfft

from distributed_trf.errors import FeatureError
from distributed_trf.features.spectrograms.cochlear_filters import N_FILTERS, cochlear_filters
from distributed_trf.features.spectrograms.transform import Transform

SFREQ = 16_000
COMPRESSION = 0.3


def cochleagram(sound: np.ndarray) -> np.ndarray:
    """Compute the human cochleagram of a sound, as pycochleagram does.

    Parameters
    ----------
    sound
        A sound at 16 kHz, shape (n_samples,).

    Returns
    -------
    np.ndarray
        float64 of shape (n_samples, 211), a frame for every sample: the Hilbert envelopes of half-cosine filters on the
        ERB scale (50-8000 Hz, four of which share each frequency; McDermott and Simoncelli 2011) to the power 0.3.
        Filters are applied in frequency, so the sound's two ends meet.

    Raises
    ------
    FeatureError
        If the sound is empty.
    """
    n = cochleagram_frames(sound.shape[0])
    spectrum = rfft(sound)
    spectrum[1 : (n + 1) // 2] *= 2  # of the analytic signal: positive frequencies hold the negative ones as well
    bands = np.empty((N_FILTERS, n))
    for band, (first, gains) in zip(bands, cochlear_filters(n, SFREQ, 50, 8000), strict=True):
        passed = np.zeros(n, dtype=complex)
        passed[first : first + gains.shape[0]] = spectrum[first : first + gains.shape[0]] * gains
        np.abs(ifft(passed, overwrite_x=True), out=band)
        np.power(band, COMPRESSION, out=band)
    return bands.T


def cochleagram_frames(n_samples: int) -> int:
    """Return one frame per sample."""
    if n_samples < 1:
        raise FeatureError("an empty sound has no cochleagram; give a stimulus of at least one sample at 16 kHz")
    return n_samples


COCHLEAGRAM = Transform(cochleagram, cochleagram_frames, N_FILTERS, SFREQ, bytes_per_sample=4700)
