"""The sounds of the generic layout: mono wav files of one sampling rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.wav import WavFile, open_wav

HIGHEST_PEAK = 16.0
"""Largest float sample that is taken for one of a waveform of full scale 1: 24 dB above it, or in pascal 115 dB."""


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
    """Read lengths and the one sampling rate of a set of sounds; no samples.

    Raises
    ------
    RecordingError
        If a file is damaged, empty or not mono, or two differ in their sampling rate.
    """
    headers: dict[Path, SoundHeader] = {}
    for path in paths:
        wav = _open(path)
        headers[path] = SoundHeader(wav.n_frames, float(wav.sfreq))
        first, header = next(iter(headers.items()))
        if wav.sfreq != header.sfreq:
            raise RecordingError(
                f"{path}: has {wav.sfreq} samples per second, but {first} has {header.sfreq:g}; expected one sampling "
                "rate for all sounds of a stimulus set. Resample one of them"
            )
    return tuple(headers.values())


def read_sound(path: Path) -> np.ndarray:
    """Read one sound as float64 of shape (n_samples,).

    Integers are scaled by their type to [-1, 1); floating-point samples are taken as they are.

    Raises
    ------
    RecordingError
        If the file is damaged, empty or not mono, or a sample is not finite, or one of floats on the scale of integers.
    """
    samples = _open(path).read()
    if samples.dtype.kind == "u":
        return (samples.astype(np.float64) - 128) / 128  # wav files of 8 bits, the only unsigned ones
    if samples.dtype.kind == "i":
        return np.asarray(samples / 2.0 ** (8 * samples.dtype.itemsize - 1))
    bad = np.count_nonzero(~np.isfinite(samples))
    if bad:
        raise RecordingError(
            f"{path}: {bad} of its {samples.size} samples are not finite; expected a waveform. Write the file again"
        )
    peak = float(np.abs(samples).max())
    if peak > HIGHEST_PEAK:
        bits = next((n for n in (8, 16, 24, 32) if peak <= 2 ** (n - 1)), 32)
        raise RecordingError(
            f"{path}: its samples are floats of up to {peak:g}; expected [-1, 1], as other files have, and none above "
            f"{HIGHEST_PEAK:g}. If they were integers of {bits} bits, divide them by {2 ** (bits - 1)}, or save them "
            "as integers"
        )
    return np.array(samples, dtype=np.float64)


def _open(path: Path) -> WavFile:
    """Read the header of a sound."""
    wav = open_wav(path)
    if wav.n_channels != 1:
        raise RecordingError(f"{path}: has {wav.n_channels} channels; expected a mono sound. Mix it down to one")
    if not wav.n_frames or wav.sfreq < 1:
        raise RecordingError(
            f"{path}: has {wav.n_frames} samples at {wav.sfreq} per second; expected a sound. Write the file again"
        )
    return wav
