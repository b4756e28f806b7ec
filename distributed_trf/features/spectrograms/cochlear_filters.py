"""Half-cosine filters on the ERB scale, in frequency: what every cochleagram here begins with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

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
