"""Signals of few frequencies at many samples, and the few lowest frequencies of many samples, at any number of them.

A Fourier transform of n samples takes up to seven times as long if n has a large prime factor, and most of it is spent
on frequencies that are zero or that nobody asks for. Here transforms are as long as the frequencies are many, of
numbers that suit them, and one product with a small matrix interpolates between their values ("gridding": Jackson et
al. 1991; Beatty, Nishimura and Pauly 2005). Times are counted in steps of B whole samples, so that it is the same
matrix at each step, whatever n is.

With Kaiser and Bessel's kernel phi, w steps wide, and its Fourier transform Phi, each wave of less than half a cycle in
two steps is a sum over its values on the steps, by Poisson's formula, up to copies that Phi suppresses to 1e-15::

    exp(2 pi i m j / n) = 1 / Phi(m B / n) sum_g phi(j / B - g) exp(2 pi i m g B / n)
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import fft, ifft, next_fast_len, rfft

WIDTH = 16
"""Steps that the kernel spans; its error is ``exp(-2.2 WIDTH)``, so that this many reach double precision."""
BEFORE = WIDTH // 2 - 1
"""Steps that a sample needs before its own; as many, and one more, come after."""
OVERSAMPLING = 2
"""Steps for each frequency."""
BETA = np.pi * WIDTH * (1 - 1 / (2 * OVERSAMPLING))
CACHED = 1 << 16
"""Numbers that are interpolated at once, so that they are still in the cache when their magnitude is taken."""


def magnitudes(coefficients: np.ndarray, n: int) -> np.ndarray:
    """Compute the magnitude of signals at n samples of their period.

    Parameters
    ----------
    coefficients
        Fourier coefficients of neighbouring frequencies, complex128 of shape (frequencies, signals). Which the first
        frequency is does not matter: a shift in frequency leaves the magnitude as it is.
    n
        Number of samples, at least as many as frequencies.

    Returns
    -------
    np.ndarray
        float64 of shape (n, signals): ``|sum_m coefficients[m] exp(2 pi i m j / n)|`` for each sample j, to about
        1e-14 of the largest.
    """
    m, signals = coefficients.shape
    if m == 0:
        return np.zeros((n, signals))
    first, step = -(m // 2), n // (OVERSAMPLING * m)  # from minus to plus m / 2, where the kernel passes most
    if step < 2:
        return np.abs(_waves(coefficients, first, 1, n, 0, n))
    smoothed = coefficients / _response((first + np.arange(m)) * (step / n))[:, None]
    n_steps = -(-n // step)
    grid = _waves(smoothed, first, step, n, -BEFORE, n_steps + WIDTH - 1).view(np.float64)
    around = sliding_window_view(grid, WIDTH, axis=0).transpose(0, 2, 1)  # (step, steps around it, real and imaginary)
    found, weights = np.empty((n_steps, step, signals)), _weights(step)
    at_once = max(1, CACHED // (step * 2 * signals))
    for g in range(0, n_steps, at_once):
        values = weights @ around[g : g + at_once]
        np.abs(values.view(np.complex128), out=found[g : g + at_once])
    return found.reshape(-1, signals)[:n]


def lowest_frequencies(samples: np.ndarray, highest: int) -> np.ndarray:
    """Compute the lowest Fourier coefficients of signals.

    Parameters
    ----------
    samples
        float64 of shape (n, signals).
    highest
        The last frequency, at most ``n // 2``.

    Returns
    -------
    np.ndarray
        complex128 of shape (highest + 1, signals): the first coefficients of ``rfft(samples, axis=0)``.
    """
    n, signals = samples.shape
    step = n // (OVERSAMPLING * (2 * highest + 1))
    if step < 2:
        return rfft(samples, axis=0)[: highest + 1]
    # The transpose of the interpolation: what each sample adds to the steps around its own, one sum for each of them.
    weights, whole = np.ascontiguousarray(_weights(step).T), n // step
    n_steps = -(-n // step)
    added = np.empty((n_steps, WIDTH, signals))
    np.matmul(weights, samples[: whole * step].reshape(whole, step, signals), out=added[:whole])
    if whole < n_steps:
        added[whole] = weights[:, : n - whole * step] @ samples[whole * step :]
    grid = np.zeros((n_steps + WIDTH - 1, signals))
    for k in range(WIDTH):
        grid[k : k + n_steps] += added[:, k]
    found = _waves(grid, -BEFORE, step, n, 0, highest + 1).conj()
    return found / _response(np.arange(highest + 1) * (step / n))[:, None]


def _weights(step: int) -> np.ndarray:
    """Return the kernel at each sample of a step around the ``WIDTH`` steps next to it, shape (step, WIDTH)."""
    away = (np.arange(step)[:, None] / step - np.arange(-BEFORE, WIDTH - BEFORE)) / (WIDTH / 2)
    return np.i0(BETA * np.sqrt(np.maximum(1 - away**2, 0))) / np.i0(BETA)


def _response(frequencies: np.ndarray) -> np.ndarray:
    """Return the kernel's Fourier transform; frequencies in cycles per step, up to a quarter."""
    root = np.sqrt(BETA**2 - (np.pi * WIDTH * frequencies) ** 2)
    return WIDTH * np.sinh(root) / (root * np.i0(BETA))


def _waves(x: np.ndarray, first: int, step: int, n: int, start: int, count: int) -> np.ndarray:
    """Sum waves, ``sum_m x[m] exp(2 pi i (first + m) p step / n)`` for ``count`` numbers p from ``start`` on.

    Notes
    -----
    Bluestein's chirp: because ``2 m p = m^2 + p^2 - (p - m)^2``, the sum is a convolution with ``exp(-pi i k^2 step /
    n)``. Whole numbers are reduced before they are divided, so that no digits are lost.
    """
    rows, signals = x.shape
    m, p = first + np.arange(rows), start + np.arange(count)

    def chirp(k: np.ndarray) -> np.ndarray:
        return np.exp((1j * np.pi / n) * (k * k * step % (2 * n)))

    length = next_fast_len(rows + count - 1)  # what a longer convolution would need wraps onto rows that are dropped
    kernel = fft(chirp(np.arange(p[0] - m[-1], p[-1] - m[0] + 1)).conj(), length)
    padded = np.zeros((length, signals), dtype=np.complex128)
    np.multiply(x, chirp(m)[:, None], out=padded[:rows])
    spectrum = fft(padded, axis=0, overwrite_x=True)
    spectrum *= kernel[:, None]
    summed = ifft(spectrum, axis=0, overwrite_x=True)[rows - 1 : rows - 1 + count]
    summed *= chirp(p)[:, None]
    return summed
