"""Spectrograms: the inputs of networks, and networks of one layer in their own right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.features.family import Keep, Sound, Work
from distributed_trf.features.resample import resample_frames
from distributed_trf.features.table import Layer, NetworkTable


@dataclass(frozen=True)
class Transform:
    """A transform from a sound to a spectrogram, on the CPU, at the sound's own length."""

    compute: Callable[[np.ndarray], np.ndarray]
    """A sound, float64 of shape (n_samples,), to real values of shape (frames, bands)."""
    count: Callable[[int], int]
    """Frames of a sound of that many samples; raises FeatureError for an unsuitable length."""
    bands: int
    rate: float
    """Frames per second."""
    libraries: tuple[str, ...] = ("scipy",)
    """Libraries that its numbers depend on, besides this package."""
    extra: str = "models"
    """The extra of this package that brings the libraries."""
    resampled: Callable[[np.ndarray, int], np.ndarray] | None = None
    """A sound and a smaller number of frames to the spectrogram at these, where not all frames have to be made."""
    bytes_per_sample: int = 64
    """Peak memory while it is computed and its bands are resampled; with ``resampled``, at fewer frames."""


@dataclass(frozen=True)
class Spectrogram:
    """A spectrogram; it runs on the CPU whatever the device."""

    transform: Transform
    table: None = None
    n_bytes: int = 0
    changed: int | None = None
    parts: int = 1
    notes: tuple[str, ...] = ()

    @property
    def libraries(self) -> tuple[str, ...]:
        """Libraries that its numbers depend on, besides this package."""
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
        """Count by the table; memory is that of the longest sound, because sounds are taken one by one."""
        flops = 1e9 * (table.gflop_per_second or 0) * sum(n_samples) / table.sfreq
        return Work(flops, 0, self.transform.bytes_per_sample * max(n_samples))

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> Spectrogram:
        """Return itself: there is nothing to build."""
        return self

    def __call__(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        """Compute the spectrogram of each sound, its bands resampled to the table's number by the Fourier method."""
        for k, sound in enumerate(sounds):
            for layer in layers:
                keep(layer, [k], [resample_frames(self._bands(sound, layer).T, layer.width).T])

    def _bands(self, sound: Sound, layer: Layer) -> np.ndarray:
        """Compute all bands, at the frames that are kept of the sound where that is less work."""
        all_frames = self.transform.count(sound.samples.shape[0])
        kept = sound.kept.get(layer.id, all_frames)
        if self.transform.resampled is None or kept >= all_frames:
            return self.transform.compute(sound.samples)
        return self.transform.resampled(sound.samples, kept)
