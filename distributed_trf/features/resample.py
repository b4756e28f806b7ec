"""Changing the number of samples along time by the Fourier method, as the published analysis does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

import numpy as np
import scipy
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, namespace, take_rows
from distributed_trf.errors import DataError
from distributed_trf.features.few_waves import lowest_frequencies
from distributed_trf.features.fourier_matrices import matrices, matrix_bytes

KEPT_RATE = 100.0
"""Frames per second that suffice for bins of ``FINEST_BIN`` or more."""
FINEST_BIN = 1000 / KEPT_RATE
"""Milliseconds."""
MATRIX_BYTES = 64 << 20
"""Size of the largest matrix; longer sounds are resampled by transforms."""


def check_sound(sound: np.ndarray, what: str) -> None:
    """Check that a sound is one channel of finite samples.

    Raises
    ------
    DataError
        If it is not; the message begins with ``what``.
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
    """Resample a sound to a network's sampling rate.

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
    which is one period, so its two ends meet. Resampling to an odd number of frames first does not change the result at
    any smaller number: with an odd number there is no frequency of which only half is kept.

    Raises
    ------
    DataError
        If ``n`` is below 1, or there is no frame.
    """
    xp, old = namespace(frames), frames.shape[0]
    if frames.dtype == xp.float64:
        return to_bins(frames, n)
    _check_numbers(old, n)
    return frames if n == old else frames_of_spectrum(xp.fft.rfft(frames, axis=0), old, n)


def to_bins(frames: Array, n_bins: int) -> Array:
    """Resample frames onto bins in float64 (see ``resample_frames``)."""
    xp, old = namespace(frames), frames.shape[0]
    _check_numbers(old, n_bins)
    if frames.dtype != xp.float32 or n_bins == old or _is_product(frames, n_bins) or not _on_host(frames):
        frames = xp.astype(frames, xp.float64, copy=False)  # others in blocks, as they are transformed
    if n_bins == old:
        return frames
    if _is_product(frames, n_bins):
        return matrices([old], [n_bins], frames)[0, :, :] @ frames
    if not _on_host(frames):
        return frames_of_spectrum(xp.fft.rfft(frames, axis=0), old, n_bins)
    lowest = lowest_frequencies(np.asarray(frames), min(n_bins, old) // 2)
    return xp.asarray(frames_of_spectrum(lowest, old, n_bins))


def each_to_bins(frames: Array, sizes: Sequence[int], *n_bins: Sequence[int]) -> list[Array]:
    """Resample concatenated sounds, each like ``to_bins``; on a device many at once.

    Parameters
    ----------
    frames
        Shape (sum of ``sizes``, n_features).
    sizes
        Number of frames of each sound.
    n_bins
        Number of bins of each sound; if several are given, the sounds are resampled to each in turn.

    Returns
    -------
    list of array
        For each sound float64 of shape (its last number of bins, n_features); on a device a view of a larger array.

    Raises
    ------
    DataError
        If a number of bins is below 1, or a sound has no frame.
    """
    _check_numbers(min(sizes), min(min(numbers) for numbers in n_bins))
    xp, found, start = namespace(frames), [], 0
    for sounds in _groups(sizes, n_bins, frames):
        old, steps = sizes[sounds], [numbers[sounds] for numbers in n_bins]
        part = frames[start : start + sum(old), :]
        start += sum(old)
        if len(old) == 1:
            for (n,) in steps:
                part = to_bins(part, n)
            found.append(part)
            continue
        x = xp.astype(_padded(part, old), xp.float64)
        for before, after in pairwise([old, *steps]):
            x = matrices(before, after, x) @ x
        found += [x[k, :n, :] for k, n in enumerate(steps[-1])]
    return found


def _check_numbers(n_frames: int, n_bins: int) -> None:
    if n_bins < 1:
        raise DataError(f"cannot resample to {n_bins} bins; the stimulus is shorter than half a bin")
    if n_frames < 1:
        raise DataError("the layer has no frame to resample; the stimulus is too short for it. Leave the stimulus out")


def _on_host(frames: Array) -> bool:
    return str(device_of(frames)) == "cpu"


def _is_product(frames: Array, n: int) -> bool:
    """Choose between a matrix and two transforms by shape alone, so that results do not depend on earlier calls.

    Notes
    -----
    On a CPU with ``F`` features, nanoseconds by measurement: ``N M (27 / 3 + 0.036 F)`` for the product, its matrix
    used three times, and ``5.5 F max(N, M)`` for transforms (see ``few_waves``); the product thus where
    ``min(N, M) (1 + 250 / F) < 150``.
    On a device transforms make a plan for each number of frames and several launches for each sound.
    """
    old, width = frames.shape
    if matrix_bytes([old], [n]) > MATRIX_BYTES:
        return False
    return not _on_host(frames) or min(old, n) * (1 + 250 / width) < 150


def _groups(sizes: Sequence[int], n_bins: Sequence[Sequence[int]], frames: Array) -> Iterator[slice]:
    """Cut sounds into groups that are resampled at once; on a CPU each alone, since padding would only cost time."""
    start, numbers = 0, [sizes, *n_bins]
    for stop in range(1, len(sizes) + 1):
        group = [counts[start : stop + 1] for counts in numbers]
        largest = max(matrix_bytes(a, b) for a, b in pairwise(group))
        if stop == len(sizes) or _on_host(frames) or largest > MATRIX_BYTES:
            yield slice(start, stop)
            start = stop


def _padded(frames: Array, sizes: Sequence[int]) -> Array:
    """Stack sounds, shape (sounds, most frames, n_features); shorter ones are padded with arbitrary frames."""
    last = np.cumsum(sizes)
    position = np.minimum((last - sizes)[:, None] + np.arange(max(sizes)), last[:, None] - 1)
    return namespace(frames).reshape(take_rows(frames, position.ravel()), (*position.shape, frames.shape[1]))


def frames_of_spectrum(spectrum: Array, n_frames: int, n: int) -> Array:
    """Resample frames that are given by their Fourier coefficients (see ``resample_frames``).

    Parameters
    ----------
    spectrum
        Of ``rfft`` along the first axis, shape (frequencies, n_features): all, or the first ``n // 2 + 1``.
    n_frames, n
        Number of frames before and after.
    """
    xp, shared = namespace(spectrum), min(n, n_frames)
    found = xp.zeros((n // 2 + 1, spectrum.shape[1]), dtype=spectrum.dtype, device=device_of(spectrum))
    found[: shared // 2 + 1] = spectrum[: shared // 2 + 1]
    if shared % 2 == 0:  # the highest frequency folds onto itself on the shorter side only
        found[shared // 2] *= 2.0 if n < n_frames else 0.5
    return xp.fft.irfft(found, n=n, axis=0) * (n / n_frames)


def kept_frames(rate: float, n_frames: int, seconds: float) -> int:
    """Return the number of frames that suffices for bins of ``FINEST_BIN`` or more.

    Parameters
    ----------
    rate
        Frames per second of the network's output.
    n_frames
        Frames of the network's output for a sound.
    seconds
        Length of the sound, leading silence included.

    Returns
    -------
    int
        The smallest odd number of at least ``KEPT_RATE * seconds + 1``, or ``n_frames`` if that is smaller or the rate
        is at most ``KEPT_RATE``. Sound and silence are each rounded to bins, which adds up to one bin to their total.
    """
    enough = ceil(KEPT_RATE * seconds + 1)
    return min(enough + (enough + 1) % 2, n_frames) if rate > KEPT_RATE else n_frames
