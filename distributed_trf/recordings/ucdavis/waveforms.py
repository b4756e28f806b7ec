"""The sounds of the UC Davis recordings: samples without a header, int16 from low to high byte, one channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from distributed_trf.errors import RecordingError

SFREQ = 48_000
"""Samples per second."""
SAMPLE = np.dtype("<i2")
FULL_SCALE = 32_768
"""Value of a stored sample that would count as 1."""


def duration(path: Path) -> float:
    """Return the seconds that a sound lasts, from the size of its file.

    Raises
    ------
    RecordingError
        If the file is missing, empty or ends within a sample.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: there is no such file. Copy it again from the published recordings")
    size = path.stat().st_size
    if not size or size % SAMPLE.itemsize:
        raise RecordingError(
            f"{path}: has {size} bytes; expected at least one sample and {SAMPLE.itemsize} bytes for each. "
            "Copy it again"
        )
    return size / (SAMPLE.itemsize * SFREQ)


def read_waveform(path: Path) -> np.ndarray:
    """Return a sound as float32 in [-1, 1), shape (n_samples,).

    Raises
    ------
    RecordingError
        As ``duration`` does.
    """
    duration(path)
    return np.fromfile(path, dtype=SAMPLE).astype(np.float32) / np.float32(FULL_SCALE)
