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

from collections.abc import Iterator
from math import prod

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view

from distributed_trf.arrays import blocks

WIDTH = 16
"""Steps that the kernel spans; its error is ``exp(-2.2 WIDTH)``, so that this many reach double precision."""
BEFORE = WIDTH // 2 - 1
"""Steps that a sample needs before its own; as many, and one more, come after."""
OVERSAMPLING = 2
"""Steps for each frequency."""
BETA = np.pi * WIDTH * (1 - 1 / (2 * OVERSAMPLING))
CACHED = 1 << 16
"""Numbers that are interpolated at once, so that they are still in the cache when their magnitude is taken."""
AT_ONCE = 64
"""Signals whose lowest frequencies are computed at once, so that they stay in the cache."""
FAST = prod((2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53))
"""One transform takes the least time of few samples whose number has none but these prime factors."""
BLOCK = 48
"""Samples that are added up at once."""
LEAST_SIZE = 1 << 15
"""Samples of all signals from which on this pays, on average over numbers of samples. Resampled to fewer frames, one
takes 2 to 16 ns, and 0.3 ms come on top; by a transform of all samples it takes 4 to 35 ns."""


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
        return np.abs(_Waves(first, m, 0, n, 1, n)(coefficients))
    n_steps = -(-n // step)
    smoothed = coefficients / _response((first + np.arange(m)) * (step / n))[:, None]
    grid = np.ascontiguousarray(_Waves(first, m, -BEFORE, n_steps + WIDTH - 1, step, n)(smoothed)).view(np.float64)
    around = sliding_window_view(grid, WIDTH, axis=0).transpose(0, 2, 1)  # (step, steps around it, real and imaginary)
    found, weights = np.empty((n_steps, step, signals)), _weights(step)
    at_once = max(1, CACHED // (step * 2 * signals))
    for g in range(0, n_steps, at_once):
        values = weights @ around[g : g + at_once]
        np.abs(values.view(np.complex128), out=found[g : g + at_once])
    return found.reshape(-1, signals)[:n]


def lowest_frequencies(samples: np.ndarray, highest: int) -> np.ndarray:
    """Compute the lowest Fourier coefficients of signals, in float64.

    Parameters
    ----------
    samples
        float64 or float32 of shape (n, signals), laid out in any order.
    highest
        The last frequency, at most ``n // 2``.

    Returns
    -------
    np.ndarray
        complex128 of shape (highest + 1, signals): the first coefficients of ``rfft(samples, axis=0)``.
    """
    n, signals = samples.shape
    step = n // (OVERSAMPLING * (2 * highest + 1))
    if samples.size < LEAST_SIZE or (step < 2 and pow(FAST, 64, n) == 0):
        return scipy.fft.rfft(samples.astype(np.float64, copy=False), axis=0)[: highest + 1]
    if step < 2:
        return _sums(samples, _Waves(0, n, -highest, 2 * highest + 1, -1, n))
    waves = _Waves(-BEFORE, -(-n // step) + WIDTH - 1, -highest, 2 * highest + 1, -step, n)
    found = _sums(samples, waves, _block_weights(step))
    return found / _response(np.arange(highest + 1) * (step / n))[:, None]


def _sums(samples: np.ndarray, waves: _Waves, weights: np.ndarray | None = None) -> np.ndarray:
    """Sum waves of samples, or of their sums on steps; some signals at a time."""
    found: list[np.ndarray] = []
    for some in blocks(samples.shape[1], AT_ONCE):
        block = samples[:, some].astype(np.float64, copy=False)
        found += _of_pairs(waves, block if weights is None else _on_steps(block, weights)[: waves.rows])
    return np.concatenate(found, axis=1)


def _of_pairs(waves: _Waves, x: np.ndarray) -> Iterator[np.ndarray]:
    """Sum waves of real signals, of two at once: z = x + i y has X[k] = (Z[k] + Z*[-k]) / 2, and Y[k] likewise."""
    rows, signals = x.shape
    half = -(-signals // 2)
    z = np.zeros((rows, half), dtype=np.complex128)
    z.real, z.imag[:, : signals - half] = x[:, :half], x[:, half:]
    summed = waves(z)
    highest = summed.shape[0] // 2
    positive, negative = summed[highest:], summed[highest::-1].conj()
    yield (positive + negative) / 2
    yield ((positive - negative) / 2j)[:, : signals - half]


def _on_steps(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Add up what all samples are for the steps around their own: the transpose of interpolation.

    Parameters
    ----------
    samples
        Shape (n, signals).
    weights
        Of the samples of a block of some steps, for the steps that it reaches (see ``_block_weights``).

    Returns
    -------
    np.ndarray
        Shape (steps, signals); those past the last that a sample reaches are zero.
    """
    (n, signals), (reached, length) = samples.shape, weights.shape
    steps = reached - WIDTH
    whole, rest = divmod(n, length)
    parts = np.empty((whole + (rest > 0), reached // steps, steps, signals))
    of_blocks = parts.reshape(parts.shape[0], reached, signals)
    np.matmul(weights, samples[: whole * length].reshape(whole, length, signals), out=of_blocks[:whole])
    if rest:
        np.matmul(weights[:, :rest], samples[whole * length :], out=of_blocks[whole])
    grid = np.zeros((parts.shape[0] + parts.shape[1] - 1, steps, signals))
    for k in range(parts.shape[1]):
        grid[k : k + parts.shape[0]] += parts[:, k]
    return grid.reshape(-1, signals)


def _block_weights(step: int) -> np.ndarray:
    """Return the kernel at each sample of some steps around the steps that they reach, shape (steps + WIDTH, samples).

    Small products take long for what they do, and so does adding up many. So a block is as many steps, 1, 2, 4, 8 or
    16, as have up to ``BLOCK`` samples.
    """
    steps = min(WIDTH, 1 << max(BLOCK // step, 1).bit_length() - 1)
    weights, around = np.zeros((steps + WIDTH, steps, step)), _weights(step).T
    for k in range(steps):
        weights[k : k + WIDTH, k] = around
    return weights.reshape(steps + WIDTH, steps * step)


def _weights(step: int) -> np.ndarray:
    """Return the kernel at each sample of a step around the ``WIDTH`` steps next to it, shape (step, WIDTH)."""
    away = (np.arange(step)[:, None] / step - np.arange(-BEFORE, WIDTH - BEFORE)) / (WIDTH / 2)
    return np.i0(BETA * np.sqrt(np.maximum(1 - away**2, 0))) / np.i0(BETA)


def _response(frequencies: np.ndarray) -> np.ndarray:
    """Return the kernel's Fourier transform; frequencies in cycles per step, up to a quarter."""
    root = np.sqrt(BETA**2 - (np.pi * WIDTH * frequencies) ** 2)
    return WIDTH * np.sinh(root) / (root * np.i0(BETA))


class _Waves:
    """Sums of waves, ``sum_m x[m] exp(2 pi i m p step / n)`` for ``rows`` numbers m and ``count`` numbers p.

    Parameters
    ----------
    first, rows
        The first number m, and how many there are.
    start, count
        The same of p.
    step, n
        Whole numbers.

    Notes
    -----
    Bluestein's chirp: because ``2 m p = m^2 + p^2 - (p - m)^2``, the sum is a convolution with ``exp(-pi i k^2 step /
    n)``. Whole numbers are reduced before they are divided, so that no digits are lost.
    """

    def __init__(self, first: int, rows: int, start: int, count: int, step: int, n: int) -> None:
        def chirp(k: np.ndarray) -> np.ndarray:
            return np.exp((1j * np.pi / n) * (k * k * step % (2 * n)))

        self.rows = rows
        self._length = scipy.fft.next_fast_len(rows + count - 1)  # what wraps around falls on rows that are dropped
        self._before, self._after = chirp(first + np.arange(rows)), chirp(start + np.arange(count))
        between = chirp(np.arange(start - first - rows + 1, start + count - first))
        self._kernel = scipy.fft.fft(between.conj(), self._length)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Take shape (rows, signals) and give (count, signals)."""
        rows, count = self._before.shape[0], self._after.shape[0]
        padded = np.zeros((x.shape[1], self._length), dtype=np.complex128)
        np.multiply(x.T, self._before, out=padded[:, :rows])
        spectrum = scipy.fft.fft(padded, overwrite_x=True)
        spectrum *= self._kernel
        summed = scipy.fft.ifft(spectrum, overwrite_x=True)[:, rows - 1 : rows - 1 + count]
        summed *= self._after
        return summed.T
