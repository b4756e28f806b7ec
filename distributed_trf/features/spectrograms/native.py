"""The spectrogram that a network hears, at its own bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class NativeSpectrogram:
    """What a network makes of a sound before its first layer: the input of random projections.

    It is taken of each sound at its own length, even where the network pads it.
    """

    compute: Callable[[np.ndarray], np.ndarray]
    """A sound at the network's rate, float64 of shape (n_samples,), to real values of shape (frames, bands)."""
    count: Callable[[int], int]
    """Frames of a sound of that many samples; raises FeatureError where it cannot be heard."""
    bands: int
    rate: float
    """Frames per second."""
    bytes_per_sample: int = 64
    """Peak memory while it is computed."""
