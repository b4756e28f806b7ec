"""Sounds in wav files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from distributed_trf.errors import RecordingError

HARMLESS = r"Chunk \(non-data\) not understood|Incomplete chunk ID"
"""What scipy warns of when a recorder added notes of its own to a file; the sound is complete."""


@dataclass(frozen=True)
class SoundHeader:
    """What the header of a wav file says."""

    n_samples: int
    sfreq: float
    """Samples per second."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.n_samples / self.sfreq


def read_headers(paths: Iterable[Path]) -> tuple[SoundHeader, ...]:
    """Read lengths and the one sampling rate of a set of sounds; no samples, but those of 24 bits.

    Raises
    ------
    RecordingError
        If a file is damaged, empty or not mono, or two differ in their sampling rate.
    """
    headers: dict[Path, SoundHeader] = {}
    for path in paths:
        sfreq, samples = _open(path)
        headers[path] = SoundHeader(samples.shape[0], float(sfreq))
        first, header = next(iter(headers.items()))
        if sfreq != header.sfreq:
            raise RecordingError(
                f"{path}: has {sfreq} samples per second, but {first} has {header.sfreq:g}; expected one sampling rate "
                "for all sounds of a stimulus set. Resample one of them"
            )
    return tuple(headers.values())


def read_sound(path: Path) -> np.ndarray:
    """Read one sound as float64 of shape (n_samples,).

    Integers are scaled by their type to [-1, 1); floating-point samples are taken as they are.

    Raises
    ------
    RecordingError
        If the file is damaged, empty or not mono, or a sample is not finite.
    """
    samples = _open(path)[1]
    if samples.dtype.kind == "u":
        return (samples.astype(np.float64) - 128) / 128  # wav files of 8 bits, the only unsigned ones
    if samples.dtype.kind == "i":
        return samples / 2.0 ** (8 * samples.dtype.itemsize - 1)
    bad = np.count_nonzero(~np.isfinite(samples))
    if bad:
        raise RecordingError(
            f"{path}: {bad} of its {samples.size} samples are not finite; expected a waveform. Write the file again"
        )
    return np.array(samples, dtype=np.float64)


def _open(path: Path) -> tuple[int, np.ndarray]:
    """Sampling rate and samples, these mapped into memory where the file's type allows that."""
    try:
        try:
            sfreq, samples = _read(path, mmap=True)
        except ValueError:  # 24 bits, or a file cut short, which the next line tells apart
            sfreq, samples = _read(path, mmap=False)
    except Exception as error:  # scipy raises whatever the damaged bytes lead it into
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RecordingError(
            f"{path}: its {path.stat().st_size} bytes are no complete wav file of plain samples "
            f"({type(error).__name__}: {error}). Copy it again, or save it as PCM or float"
        ) from error
    if samples.ndim != 1:
        raise RecordingError(f"{path}: has {samples.shape[1]} channels; expected a mono sound. Mix it down to one")
    if not samples.size or sfreq < 1:
        raise RecordingError(
            f"{path}: has {samples.size} samples at {sfreq} per second; expected a sound. Write the file again"
        )
    return sfreq, samples


def _read(path: Path, *, mmap: bool) -> tuple[int, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", wavfile.WavFileWarning)  # such as a file that ends before its samples do
        warnings.filterwarnings("ignore", HARMLESS, wavfile.WavFileWarning)
        return wavfile.read(path, mmap=mmap)
