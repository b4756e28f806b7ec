"""Spectrograms as networks of one layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.config.study import NetworkSettings, Weights
from distributed_trf.features.mel import MEL_RATE, check_whisper_length, mel_whisper
from distributed_trf.features.table import Layer, NetworkTable


class MelWhisper:
    """Whisper's log-mel spectrogram."""

    libraries: tuple[str, ...] = ("transformers", "scipy")

    def n_frames(self, layer: Layer, n_samples: int) -> int:
        """One frame per whole hop of 10 ms."""
        check_whisper_length(n_samples)
        return int(n_samples // (16_000 / MEL_RATE))

    def work(self, table: NetworkTable, n_sounds: int) -> tuple[float, int]:
        """Count next to nothing: a few small Fourier transforms."""
        return 0.0, n_sounds * (8 << 20)

    def build(self, table: NetworkTable, settings: NetworkSettings, weights: Weights, device: str) -> MelWhisper:
        """Return itself: there is nothing to build."""
        return self

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer]) -> dict[int, list[np.ndarray]]:
        """Compute the spectrogram of each sound at its own length."""
        return {layer.id: mel_whisper(sounds) for layer in layers}
