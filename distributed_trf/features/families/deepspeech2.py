"""Deep Speech 2: convolutions and recurrent layers on a log spectrogram."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import Settings, validate
from distributed_trf.errors import ConfigError
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.spectrograms.family import Transform
from distributed_trf.features.spectrograms.mel_of_networks import (
    MEL_DEEPSPEECH2,
    N_BANDS,
    mel_deepspeech2,
    mel_deepspeech2_frames,
)
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    import torch


class DeepSpeech2Settings(Settings):
    """Size of the network; the published one by default."""

    channels: Annotated[int, Field(ge=1)] = 32
    """Channels of each convolution."""
    hidden: Annotated[int, Field(ge=1)] = 1024
    """Units of a recurrent layer in each direction."""
    layers: Annotated[int, Field(ge=1)] = 5
    """Number of recurrent layers."""
    letters: Annotated[int, Field(ge=1)] = 29
    """Number of letters that the readout scores."""


class DeepSpeech2(TorchFamily):
    """Networks of the architecture of Amodei et al. (2016), bidirectional, as deepspeech.pytorch V3.0 has it."""

    def spectrogram(self, table: NetworkTable) -> Transform:
        """Return Deep Speech 2's spectrogram."""
        return MEL_DEEPSPEECH2

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return one frame for every two of the spectrogram, the first included."""
        if not re.fullmatch(r"conv\.seq_module\.\d+|rnns\.\d+\.rnn", layer.name):
            raise ConfigError(
                f"network {table.name}: layer {layer.id} is called {layer.name!r}; deepspeech2 gives "
                "conv.seq_module.N and rnns.N.rnn"
            )
        return (mel_deepspeech2_frames(n_samples) + 1) // 2

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make a Deep Speech 2 of the table's size."""
        from distributed_trf.features.modules.padded_convolutions import DeepSpeech2Network

        c = validate(table.config, DeepSpeech2Settings, source=f"network {table.name}: config")
        return DeepSpeech2Network(N_BANDS, c.channels, c.hidden, c.layers, c.letters)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load trained weights from a file."""
        return load_checkpoint(self.new(table), table, settings)

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> Any:
        """Pass a batch; each sound is normalised by itself, and every layer computes each sound at its own length.

        The longest sound comes first: otherwise a recurrent layer would sort them itself and wait for the device.
        """
        import torch

        order = _longest_first([sound.shape[0] for sound in sounds])
        spectrograms = [torch.from_numpy(mel_deepspeech2(sounds[k])) for k in order]
        lengths = torch.tensor([spectrogram.shape[0] for spectrogram in spectrograms])
        batch = torch.zeros(len(sounds), 1, N_BANDS, int(lengths.max()), dtype=dtype)
        for k, spectrogram in enumerate(spectrograms):
            batch[k, 0, :, : lengths[k]] = spectrogram.T
        scores, frames = model(to_model(batch, device), lengths)
        back = np.argsort(order).tolist()
        return scores[back], frames[back]

    def frames(self, table: NetworkTable, layer: Layer, output: Any, n_samples: Sequence[int]) -> list[torch.Tensor]:
        """Unpack the output of a recurrent layer: both directions side by side, before they are summed."""
        from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

        if isinstance(output, PackedSequence):
            output, _ = pad_packed_sequence(output, batch_first=True)
        order = _longest_first(n_samples)
        pieces = super().frames(table, layer, output, [n_samples[k] for k in order])
        return [pieces[position] for position in np.argsort(order)]


def _longest_first(n_samples: Sequence[int]) -> list[int]:
    return sorted(range(len(n_samples)), key=lambda k: -n_samples[k])
