"""Spectrograms as networks of one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import Weights
from distributed_trf.features.family import Keep, Work
from distributed_trf.features.resample import resample_frames
from distributed_trf.features.table import Layer, NetworkTable


@dataclass(frozen=True)
class Spectrogram:
    """A spectrogram; it runs on the CPU whatever the device, and takes each sound at its own length."""

    compute: Callable[[np.ndarray], np.ndarray]
    """A sound at the table's rate, float64 of shape (n_samples,), to real values of shape (frames, bands)."""
    count: Callable[[int], int]
    """Frames of a sound of that many samples; raises FeatureError where it cannot be heard."""
    libraries: tuple[str, ...] = ("scipy",)
    bytes_per_sample: int = 64
    """Peak memory while it is computed."""
    n_bytes: int = 0
    changed: int | None = None
    parts: int = 1

    def frame_rate(self, layer: Layer) -> float:
        """Return the table's frames per second."""
        return layer.rate

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return how many frames a sound has."""
        return self.count(n_samples)

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count by the table; memory is that of the longest sound, and what is kept of all."""
        kept = sum(8 * self.count(n) * layer.width for n in n_samples for layer in table.layers)
        flops = 1e9 * (table.gflop_per_second or 0) * sum(n_samples) / table.sfreq
        return Work(flops, self.bytes_per_sample * max(n_samples) + kept)

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> Spectrogram:
        """Return itself: there is nothing to build."""
        return self

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer], keep: Keep) -> None:
        """Compute the spectrogram of each sound, its bands resampled to the table's number by the Fourier method."""
        for k, sound in enumerate(sounds):
            bands = self.compute(sound)
            for layer in layers:
                keep(layer, k, resample_frames(bands.T, layer.width).T)
