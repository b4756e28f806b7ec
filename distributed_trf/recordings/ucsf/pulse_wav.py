"""A wav file of many sounds one after another, with a pulse in its second channel where each begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.wav import open_wav

MARK_SPACING = 0.02
"""Seconds within which a pulse that follows another belongs to it. The first sound has three pulses 10 ms apart."""
SILENCE_LASTS = 0.1
"""Seconds; the first silence as long as that ends a sound."""
FULL_SCALE = 30_000
"""Value of a stored sample that counts as 1."""
LOUD = 30
"""Least absolute value of a stored sample that is not silent: 1e-3 of ``FULL_SCALE``."""
BLOCK = 2**22
"""Frames that are looked at together, 16 MiB of the file."""


def open_pulse_wav(path: Path) -> tuple[np.ndarray, float]:
    """Map a wav file into memory; nothing but its header is read.

    Returns
    -------
    samples, rate
        int16 of shape (n_frames, 2), sound and pulses; and frames per second.

    Raises
    ------
    RecordingError
        If the file is missing or cut short, or not a stereo wav file of 16 bits.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: there is no such file. Copy it again from the published recordings")
    wav = open_wav(path)
    samples = wav.read()
    if wav.n_channels != 2 or samples.dtype != np.int16 or wav.sfreq <= 0:
        raise RecordingError(
            f"{path}: {wav.n_channels} channels of {samples.dtype} at {wav.sfreq} Hz; expected 2 channels, sound and "
            "pulses, of int16. Copy it again"
        )
    return samples, float(wav.sfreq)


def pulse_starts(pulses: np.ndarray, rate: float) -> np.ndarray:
    """Return the frames at which sounds begin, ascending, shape (n_sounds,).

    Parameters
    ----------
    pulses
        The pulse channel, 0 outside pulses, shape (n_frames,).
    rate
        Frames per second.
    """
    found, before = [], False
    for first in range(0, pulses.size, BLOCK):
        high = pulses[first : first + BLOCK] != 0
        rises = high & ~np.concatenate([[before], high[:-1]])
        found.append(first + np.flatnonzero(rises))
        before = bool(high[-1])
    starts = np.concatenate([np.empty(0, dtype=np.int64), *found])
    follows = np.diff(starts, prepend=-np.inf) < MARK_SPACING * rate
    return starts[~follows]


def sound_length(samples: np.ndarray, rate: float) -> int:
    """Return after how many samples a sound, int16 of shape (n_samples,), falls silent; all if it never does."""
    loud = np.flatnonzero((samples >= LOUD) | (samples <= -LOUD))
    silence_starts = np.concatenate([[0], loud + 1])
    silence_ends = np.concatenate([loud, [samples.size]])
    long = np.flatnonzero(silence_ends - silence_starts >= round(SILENCE_LASTS * rate))
    return int(silence_starts[long[0]]) if long.size else samples.size
