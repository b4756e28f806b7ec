"""The human cochleagram: compressed envelopes of half-cosine filters on the ERB scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.fft import ifft, rfft

from distributed_trf.errors import FeatureError
from distributed_trf.features.spectrograms.family import Transform

OVERLAP = 4
"""Filters that share a frequency, edge filters included."""
N_FILTERS = OVERLAP * 51 - 1 + 2 * OVERLAP
"""50 filters would tile the range without overlap; low-pass and high-pass ones complete it on either side."""


def erb_number(hertz: np.ndarray | float) -> np.ndarray:
    """Return the ERB-rate of frequencies (Glasberg and Moore 1990)."""
    return 9.265 * np.log1p(np.asarray(hertz) / (24.7 * 9.265))


def cochlear_filters(n_samples: int, sfreq: float, low: float, high: float) -> Iterator[tuple[int, np.ndarray]]:
    """Make the 211 filters of a cochleagram (McDermott and Simoncelli 2011), from low to high frequency.

    Parameters
    ----------
    n_samples
        Length of the sound that they filter.
    sfreq
        Its sampling rate in hertz.
    low, high
        Range in hertz that the band-pass filters tile.

    Yields
    ------
    first : int
        First frequency of ``rfft`` that the filter passes.
    gains : np.ndarray
        Its gain there and at the frequencies that follow; zero at all others. The squared gains of all filters sum to
        one at every frequency.
    """
    erbs = erb_number(np.fft.rfftfreq(n_samples, 1 / sfreq))
    bottom, top = erb_number(low), erb_number(high)
    spacing = (top - bottom) / (OVERLAP * 51)
    centres = bottom + spacing * np.arange(1, OVERLAP * 51)
    half_width = OVERLAP * spacing

    def band(frequencies: slice, centre: float) -> np.ndarray:
        away = np.clip((erbs[frequencies] - centre) / half_width, -1, 1)
        return np.cos(0.5 * np.pi * away) / np.sqrt(OVERLAP)

    def complement(frequencies: slice, centre: float) -> np.ndarray:
        return np.sqrt(np.maximum(1 / OVERLAP - band(frequencies, centre) ** 2, 0))

    for centre in centres[:OVERLAP]:
        yield 0, complement(slice(0, int(np.searchsorted(erbs, centre))), centre)
    for centre in centres:
        first, last = np.searchsorted(erbs, [centre - half_width, centre + half_width])
        yield int(first), band(slice(int(first), int(last)), centre)
    for centre in centres[-OVERLAP:]:
        first = int(np.searchsorted(erbs, centre, side="right"))
        yield first, complement(slice(first, None), centre)


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
