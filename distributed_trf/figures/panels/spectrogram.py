"""The spectrogram of a sound, above what was recorded while it played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW, OVERLAP = 0.008, 0.75
"""Seconds of a spectrum of the sound, and the part it shares with the next."""
DYNAMIC_RANGE = 60.0
"""Decibels below the loudest point at which the spectrogram is white."""


def draw_spectrogram(axis: Axes, sound: np.ndarray, sfreq: float) -> None:
    """Draw power in decibels over seconds and kilohertz; any sampling rate will do."""
    length = min(round(WINDOW * sfreq), sound.size)
    frequency, time, power = scipy.signal.spectrogram(sound, sfreq, nperseg=length, noverlap=int(OVERLAP * length))
    floor = max(power.max(), np.finfo(float).tiny) * 10 ** (-DYNAMIC_RANGE / 10)
    level = 10 * np.log10(np.maximum(power, floor))
    axis.pcolormesh(time, frequency / 1000, level, cmap="gray_r", shading="nearest", rasterized=True)
    axis.set_ylabel("frequency (kHz)")
