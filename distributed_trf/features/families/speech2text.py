"""Speech2Text's encoder through transformers: every layer in one pass, no text is generated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.family import block_values
from distributed_trf.features.spectrograms.family import Transform
from distributed_trf.features.spectrograms.mel_of_networks import (
    MEL_SPEECH2TEXT,
    mel_speech2text,
    mel_speech2text_frames,
)
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.source import weights_folder
from distributed_trf.features.weights.transformers_model import trained_model, untrained_model

if TYPE_CHECKING:
    import torch

_HEADS = ("lm_head",)

_CONVOLUTION = re.compile(r"encoder\.conv\.conv_layers\.(\d+)$")


class Speech2Text(TorchFamily):
    """Networks of the architecture of Wang et al. (2020).

    The spectrograms of a batch are padded to the longest of them. The output of a convolution's gated linear unit for
    the padding is set to the zeros that a single sound has there, and the rest of the network is masked, so
    that padding changes nothing.
    """

    libraries = ("torch", "transformers", "scipy")

    def spectrogram(self, table: NetworkTable) -> Transform:
        """Return Speech2Text's spectrogram."""
        return MEL_SPEECH2TEXT

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Halve the spectrogram's frames, rounding up, for each convolution up to the layer."""
        frames = mel_speech2text_frames(n_samples)
        found = _CONVOLUTION.match(layer.name)
        for _ in range(int(found[1]) + 1 if found else table.config["num_conv_layers"]):
            frames = _halved(frames)
        return frames

    def step_values(self, table: NetworkTable, n_samples: Sequence[int]) -> int:
        """Count the values of a block of the encoder, with the frames of the longest sound for every sound."""
        frames = self.n_frames(table, table.layers[-1], max(n_samples))
        return len(n_samples) * frames * block_values(table.config["d_model"], table.config["encoder_ffn_dim"])

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the network of the table's configuration."""
        return untrained_model("Speech2TextModel", table.config, table.name)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load trained weights from a folder or the hub."""
        return trained_model("Speech2TextModel", weights_folder(table, settings), table.config, table.name, _HEADS)

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> None:
        """Pass a batch through the encoder."""
        import torch

        from distributed_trf.features.modules.padded_convolutions import lengths_on, valid_frames

        mels = [torch.from_numpy(mel_speech2text(sound)) for sound in sounds]
        batch = to_model(torch.nn.utils.rnn.pad_sequence(mels, batch_first=True), device, dtype)
        lengths = [mel.shape[0] for mel in mels]
        encoder: Any = model.get_submodule("encoder")
        if min(lengths) == max(lengths):
            encoder(batch)
            return
        frames = [torch.tensor(lengths)]
        for _ in encoder.conv.conv_layers[1:]:
            frames.append(_halved(frames[-1]))
        input_lengths, *output_lengths = lengths_on(device, *frames)
        with ExitStack() as hooks:
            for convolution, n in zip(encoder.conv.conv_layers[1:], output_lengths, strict=True):
                hooks.callback(convolution.register_forward_pre_hook(_zero_beyond(n)).remove)
            assert input_lengths is not None  # they are not all the same
            encoder(batch, attention_mask=valid_frames(input_lengths, max(lengths)).long())


def _halved(frames: Any) -> Any:
    return (frames - 1) // 2 + 1


def _zero_beyond(frames: torch.Tensor | None) -> Any:
    """Return a hook that sets a module's input to zero past each sound's own frames."""
    from distributed_trf.features.modules.padded_convolutions import without_padding

    return lambda _module, inputs: without_padding(inputs[0], frames)
