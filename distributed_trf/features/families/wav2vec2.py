"""wav2vec 2.0 through transformers: every layer in one pass over sounds of any lengths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.source import weights_folder
from distributed_trf.features.weights.transformers_internals import transformers_class
from distributed_trf.features.weights.transformers_model import trained_model, untrained_model

if TYPE_CHECKING:
    import torch

_HEADS = ("lm_head", "quantizer", "project_hid", "project_q", "projector", "classifier", "layer_weights")
"""Modules for recognition, pre-training and classification."""

_CONVOLUTION = re.compile(r"feature_extractor\.conv_layers\.(\d+)\.")


class Wav2Vec2(TorchFamily):
    """Networks of the architecture of Baevski et al. (2020).

    The sounds of a batch are padded to the longest of them. The statistics of the first layer's norm are taken over
    each sound's own frames, and the rest of the network is masked, so that padding changes nothing.
    """

    libraries = ("torch", "transformers", "scipy")

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Count the frames after the unpadded convolutions: ``(n - kernel) // stride + 1`` for each up to the layer.

        Raises
        ------
        FeatureError
            If the sound is shorter than the receptive field of one frame of the last convolution.
        """
        steps = list(zip(table.config["conv_kernel"], table.config["conv_stride"], strict=True))
        shortest = 1
        for kernel, stride in reversed(steps):
            shortest = (shortest - 1) * stride + kernel
        if n_samples < shortest:
            raise FeatureError(
                f"{table.name} takes no sound below {shortest} samples ({1000 * shortest / table.sfreq:g} ms, leading "
                f"silence included); this one has {n_samples}. Leave the stimulus or the network out of the study"
            )
        found = _CONVOLUTION.match(layer.name)
        for kernel, stride in steps[: int(found[1]) + 1 if found else None]:
            n_samples = (n_samples - kernel) // stride + 1
        return n_samples

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the network of the table's configuration."""
        return untrained_model("Wav2Vec2Model", table.config, table.name)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load trained weights from a folder or the hub."""
        return trained_model("Wav2Vec2Model", weights_folder(table, settings), table.config, table.name, _HEADS)

    def prepare(self, model: torch.nn.Module, settings: dict[str, Any]) -> torch.nn.Module:
        """Make the extractor: the published normalisation, with the published settings unless ``settings`` differ."""
        model.extractor = transformers_class("Wav2Vec2FeatureExtractor")(**settings)
        return model

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> None:
        """Pass a batch; if normalised, each sound has mean 0 and variance 1 over its whole length."""
        import torch

        extractor: Any = model.extractor
        waves = [torch.from_numpy(extractor(s, sampling_rate=extractor.sampling_rate).input_values[0]) for s in sounds]
        batch = to_model(torch.nn.utils.rnn.pad_sequence(waves, batch_first=True), device, dtype)
        lengths = [wave.shape[0] for wave in waves]
        if min(lengths) == max(lengths):
            model(batch)
            return
        first: Any = model.get_submodule("feature_extractor.conv_layers.0")
        frames = [(n - first.conv.kernel_size[0]) // first.conv.stride[0] + 1 for n in lengths]
        valid = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        handle = first.layer_norm.register_forward_hook(_normalise_alone(frames), prepend=True)
        try:
            model(batch, attention_mask=to_model(valid, device).long())
        finally:
            handle.remove()


def _normalise_alone(frames: Sequence[int]) -> Any:
    """Return a hook that normalises each sound over its own frames, before any other hook sees the output."""

    def redo(norm: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        (x,) = inputs
        for k, n in enumerate(frames):
            output[k, :, :n] = norm.forward(x[k : k + 1, :, :n])[0]
        return output

    return redo
