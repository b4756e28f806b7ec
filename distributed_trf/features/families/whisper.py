"""Whisper's encoder through transformers: every layer in one pass, no text is generated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.family import Work, block_values
from distributed_trf.features.spectrograms.family import Transform
from distributed_trf.features.spectrograms.mel_of_networks import (
    N_MELS,
    WHISPER_SFREQ,
    check_whisper_length,
    whisper_feature_extractor,
    whisper_spectrogram,
)
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.source import weights_folder
from distributed_trf.features.weights.transformers_model import trained_model, untrained_model

if TYPE_CHECKING:
    import torch

_HEADS = ("proj_out",)

FRAME = 0.02
"""Seconds per frame of the encoder; its first convolution has two frames in that time."""


class Whisper(TorchFamily):
    """Networks of the architecture of Radford et al. (2022)."""

    libraries = ("torch", "transformers", "scipy")

    def spectrogram(self, table: NetworkTable) -> Transform:
        """Return Whisper's spectrogram, of 128 bands from large-v3 on and of 80 before."""
        return whisper_spectrogram(table.config.get("num_mel_bins", N_MELS))

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Keep ``int((seconds + 0.01) / 0.02)`` frames at 50 Hz, twice that at 100 Hz (Ahmed et al. 2025)."""
        check_whisper_length(n_samples)
        return int((n_samples / WHISPER_SFREQ + FRAME / 2) / FRAME) * round(layer.rate * FRAME)

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count the encoder's products over its 30-s window, and the values of one of its blocks."""
        n_sounds, c = len(n_samples), table.config
        d, ffn, depth, frames = c["d_model"], c["encoder_ffn_dim"], c["encoder_layers"], c["max_source_positions"]
        convolutions = 2.0 * 3 * (2 * frames * c["num_mel_bins"] * d + frames * d * d)
        blocks = depth * (2.0 * frames * (4 * d * d + 2 * d * ffn) + 4.0 * frames * frames * d)
        weights = c["vocab_size"] * d + 2 * depth * (8 * d * d + 2 * d * ffn)
        return Work(n_sounds * (convolutions + blocks), 4 * weights, 4 * self.step_values(table, n_samples))

    def step_values(self, table: NetworkTable, n_samples: Sequence[int]) -> int:
        """Count the values of a block of the encoder, and the spectrogram, which stays in memory."""
        c = table.config
        values = block_values(c["d_model"], c["encoder_ffn_dim"]) + 2 * c["num_mel_bins"]
        return len(n_samples) * c["max_source_positions"] * values

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make a Whisper of the table's configuration."""
        return untrained_model("WhisperModel", table.config, table.name)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load trained weights from a folder or the hub."""
        return trained_model("WhisperModel", weights_folder(table, settings), table.config, table.name, _HEADS)

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> None:
        """Pass a batch. Whisper pads every sound to 30 s, so a batch gives the same frames as each sound alone.

        The spectrogram, which takes a CPU longer than the network takes a GPU, is computed on the device as well.
        """
        config: Any = model.config
        mel = whisper_feature_extractor(config.num_mel_bins)(
            list(sounds), sampling_rate=WHISPER_SFREQ, return_tensors="pt", device=device
        ).input_features
        model.get_submodule("encoder")(to_model(mel, device, dtype))
