"""A spectrogram with its own bands: what a network hears, or one that is heard as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Transform:
    """From a sound to a spectrogram, on the CPU; each sound is taken at its own length."""

    compute: Callable[[np.ndarray], np.ndarray]
    """A sound, float64 of shape (n_samples,), to real values of shape (frames, bands)."""
    count: Callable[[int], int]
    """Frames of a sound of that many samples; raises FeatureError where it cannot be heard."""
    bands: int
    rate: float
    """Frames per second."""
    libraries: tuple[str, ...] = ("scipy",)
    """What its numbers depend on beside this package."""
    extra: str = "models"
    """The extra of this package that brings the libraries."""
    bytes_per_sample: int = 64
    """Peak memory while it is computed and brought to other bands."""
