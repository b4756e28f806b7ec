"""Spectrograms as networks of one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import Weights
from distributed_trf.features.family import Keep, Work
from distributed_trf.features.resample import resample_frames
from distributed_trf.features.spectrograms.transform import Transform
from distributed_trf.features.table import Layer, NetworkTable


@dataclass(frozen=True)
class Spectrogram:
    """A spectrogram; it runs on the CPU whatever the device."""

    transform: Transform
    n_bytes: int = 0
    changed: int | None = None
    parts: int = 1

    @property
    def libraries(self) -> tuple[str, ...]:
        """What its numbers depend on beside this package."""
        return self.transform.libraries

    @property
    def extra(self) -> str:
        """The extra of this package that brings the libraries."""
        return self.transform.extra

    def frame_rate(self, layer: Layer) -> float:
        """Return the table's frames per second."""
        return layer.rate

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return how many frames a sound has."""
        return self.transform.count(n_samples)

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count by the table; memory is that of the longest sound: they are heard one by one."""
        flops = 1e9 * (table.gflop_per_second or 0) * sum(n_samples) / table.sfreq
        return Work(flops, 0, self.transform.bytes_per_sample * max(n_samples))

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> Spectrogram:
        """Return itself: there is nothing to build."""
        return self

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer], keep: Keep) -> None:
        """Compute the spectrogram of each sound, its bands resampled to the table's number by the Fourier method."""
        for k, sound in enumerate(sounds):
            bands = self.transform.compute(sound)
            for layer in layers:
                keep(layer, [k], [resample_frames(bands.T, layer.width).T])
