"""The Fourier method of resampling as matrices, shared by all layers and features of sounds of one length."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, like, namespace

CACHE_BYTES = 256 << 20
"""Matrices that a process keeps, on all devices together."""

_KEPT: OrderedDict[tuple[tuple[int, ...], tuple[int, ...], str, str], Array] = OrderedDict()
"""By numbers of frames and bins, library and device; the least recently used come first."""
_LOCK = Lock()


def matrix_bytes(old: Sequence[int], new: Sequence[int]) -> int:
    """Return the size in bytes of the array that ``matrices`` returns."""
    return 8 * len(old) * max(old) * max(new)


def matrices(old: Sequence[int], new: Sequence[int], reference: Array) -> Array:
    """Return the matrices that resample sounds from ``old`` to ``new`` frames.

    Parameters
    ----------
    old, new
        Numbers of frames of each sound, at least 1.
    reference
        An array of the requested library and device.

    Returns
    -------
    array
        float64 of shape (sounds, most new frames, most old frames); zeros fill the rest where a sound has
        fewer. The array is shared and must not be written to.

    Notes
    -----
    With ``N`` frames before and ``M`` after, ``S`` the smaller, ``t = m / M - n / N`` and ``s(k) = sin(pi k t)``,
    frame ``n`` has in frame ``m`` the weight ``D(t) / N`` of Dirichlet's kernel, the sum of all ``exp(2 pi i k t)`` of
    ``|k| <= S / 2``::

        S odd           D = s(S) / s(1)                           S                at t = 0
        S even, M < N   D = cos(pi S t) + s(S) cos(pi t) / s(1)   S + 1            both k = -S/2 and S/2
        S even, M > N   D = s(S) cos(pi t) / s(1)                 S                half of either

    as ``scipy.signal.resample`` has it. ``S t`` is a whole number beside ``-M n / N`` (going down) or ``N m / M``
    (up), so its sine is one factor of the row times one of the column. ``t = (m N - n M) / (M N)``, and all multiples
    of it, are reduced to values near zero as whole numbers before they are divided: nothing is lost where sines are
    small.
    """
    xp, device = namespace(reference), device_of(reference)
    key = (tuple(old), tuple(new), xp.__name__, str(device))
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
    made = _make(key[0], key[1], reference)
    with _LOCK:
        _KEPT[key] = made
        while sum(matrix_bytes(*kept[:2]) for kept in _KEPT) > CACHE_BYTES:
            _KEPT.popitem(last=False)
    return made


def _make(old: Sequence[int], new: Sequence[int], reference: Array) -> Array:
    """Compute rows, columns and their factors on the host, and everything as large as the matrices on the device."""
    xp, sounds = namespace(reference), len(old)
    rows, columns = np.zeros((2, sounds, max(new))), np.zeros((3, sounds, max(old)))
    rows[0], columns[0] = 0.25, 0.5  # for a frame that a sound lacks, t must not be zero
    for k, (n, m) in enumerate(zip(old, new, strict=True)):
        rows[:, k, :m], columns[:, k, :n] = _factors(n, m)
    even = np.minimum(old, new) % 2 == 0
    period = np.multiply(old, new)
    top = (np.minimum(old, new) + (even & np.less(new, old))) / np.asarray(old)
    parts = [
        *rows[:, :, :, None],
        *columns[:, :, None, :],
        *np.stack([period, np.pi / period, top, even])[:, :, None, None],
    ]
    packed, unpacked, start = like(np.concatenate([part.ravel() for part in parts]), reference), [], 0  # in one copy
    for part in parts:
        unpacked.append(xp.reshape(packed[start : start + part.size], part.shape))
        start += part.size
    m_n, row, n_m, sine, cosine, periods, scale, tops, evens = unpacked

    turned = m_n - n_m
    turns = xp.round(turned / periods)
    turned -= turns * periods  # |t| <= 1/2, exactly
    upper = None
    if even.any():
        upper = xp.cos(turned * scale)
    if not even.all():
        odd = 1 - 2 * turns * turns
        upper = odd if upper is None else xp.where(evens > 0, upper, odd)
    origin = turned == 0
    below = xp.where(origin, tops, xp.sin(turned * scale))  # anything but zero
    return xp.where(origin, tops, row * (sine * upper / below + cosine))


def _factors(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return of each row ``m N`` and its factor; of each column ``n M``, the sine's factor and what is added to it."""
    after, before = np.arange(m), np.arange(n)
    signs_after, signs_before = 1.0 - 2 * (after % 2), 1.0 - 2 * (before % 2)
    zero = np.zeros(n)
    if m < n:
        sine, cosine = _half_turns(before * m, n)
        row, column, added = signs_after, -sine / n, cosine / n if m % 2 == 0 else zero
    else:
        row, column, added = _half_turns(after * n, m)[0], signs_before / n, zero
    return np.stack([after * float(n), row]), np.stack([before * float(m), column, added])


def _half_turns(k: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of ``pi k / period``, accurate next to each whole number of half turns."""
    turns = (2 * k + period) // (2 * period)
    angle, sign = np.pi * (k - turns * period) / period, 1.0 - 2 * (turns % 2)
    return sign * np.sin(angle), sign * np.cos(angle)
