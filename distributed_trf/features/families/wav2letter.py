"""Wav2Letter: convolutions on raw sound."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import Settings, validate
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    import torch

KERNELS = (31, 3, 3, 3, 3, 3, 3, 3, 7, 7, 7, 7, 31, 1, 1)
STRIDES = (20, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)


class Wav2LetterSettings(Settings):
    """Widths of the network; the published ones by default."""

    width: Annotated[int, Field(ge=1)] = 250
    """Width of blocks 1 to 12."""
    top_width: Annotated[int, Field(ge=1)] = 2000
    """Width of blocks 13 and 14."""
    letters: Annotated[int, Field(ge=1)] = 29
    """Width of block 15, which scores the letters."""


class Wav2Letter(TorchFamily):
    """Networks of the architecture of Collobert et al. (2016) on raw sound, as changed by Ahmed et al. (2025)."""

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return one frame per stride of all blocks up to the layer, the first at the sound's first sample."""
        _check_length(n_samples)
        block = re.fullmatch(r"conv(\d+)(\..+)?", layer.name)
        if block is None or not 1 <= int(block[1]) <= len(STRIDES):
            raise ConfigError(
                f"network {table.name}: layer {layer.id} is called {layer.name!r}; wav2letter has conv1 to "
                f"conv{len(STRIDES)}"
            )
        return -(-n_samples // prod(STRIDES[: int(block[1])]))

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make a Wav2Letter of the table's widths."""
        from distributed_trf.features.modules.padded_convolutions import Wav2LetterNetwork

        c = validate(table.config, Wav2LetterSettings, source=f"network {table.name}: config")
        return Wav2LetterNetwork([c.width] * 12 + [c.top_width] * 2 + [c.letters], KERNELS, STRIDES)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load trained weights from a file."""
        return load_checkpoint(self.new(table), table, settings)

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> Any:
        """Pass a batch; the network keeps the padding after shorter sounds at zero."""
        import torch

        lengths = torch.tensor([sound.shape[0] for sound in sounds])
        _check_length(int(lengths.min()))
        batch = torch.zeros(len(sounds), int(lengths.max()), dtype=dtype)
        for row, sound in zip(batch, sounds, strict=True):
            row[: sound.shape[0]] = torch.from_numpy(sound)
        return model(to_model(batch, device), lengths)


def _check_length(n_samples: int) -> None:
    if n_samples < KERNELS[0]:
        raise FeatureError(
            f"a sound of {n_samples} samples is too short for wav2letter, whose first convolution takes {KERNELS[0]}; "
            "leave the stimulus or the network out of the study"
        )
