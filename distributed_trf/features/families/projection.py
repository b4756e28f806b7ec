"""Random projections of a network's own spectrogram: its widths without its architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.features.device import to_model
from distributed_trf.features.families.torch_family import check_device
from distributed_trf.features.family import STEP, Keep, Sound, Work
from distributed_trf.features.spectrograms.family import Transform
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.torch_internals import plain_float32
from distributed_trf.features.weights.controls import apply_control

if TYPE_CHECKING:
    from torch import nn

KERNEL = 3
"""Frames that a convolution takes, one of zeros at each end of the sound."""


@dataclass(frozen=True)
class Projection:
    """A stack of random layers, one for each layer of a network's table, on the network's input spectrogram.

    The control of Ahmed et al. (2025): layer k has the width of layer k of the table, in its order, and takes the
    output of layer k - 1; it is ``Linear``, or ``Conv1d`` of three frames, of which the second takes every other frame.
    With GELU, its output is the layer's features and the next layer's input. Weights are torch's own initial ones.

    Parameters
    ----------
    table
        The network's table.
    spectrogram
        Its input.
    libraries
        Those that the spectrogram depends on, and torch.
    kind
        ``projection_linear`` or ``projection_conv``, either followed by ``_gelu`` or not.
    """

    table: NetworkTable
    spectrogram: Transform
    libraries: tuple[str, ...]
    kind: str
    extra: str = "models"

    @property
    def is_convolution(self) -> bool:
        """Whether its layers are convolutions along time."""
        return "conv" in self.kind

    def _stride(self, layer: Layer) -> int:
        """Spectrogram frames per frame of a layer: two from the second convolution on."""
        return 2 if self.is_convolution and layer.id != self.table.layers[0].id else 1

    def frame_rate(self, layer: Layer) -> float:
        """Return the spectrogram's frames per second, or half as many."""
        return self.spectrogram.rate / self._stride(layer)

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return the spectrogram's frames, or every other one."""
        return -(-self.spectrogram.count(n_samples) // self._stride(layer))

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count the products of the stack; memory is one layer of all sounds, and one spectrogram."""
        widths, taps = self._widths(), KERNEL if self.is_convolution else 1
        weights = [taps * before * width for before, width in pairwise(widths)]
        frames = [sum(self.n_frames(table, layer, n) for n in n_samples) for layer in table.layers]
        products = sum(n * size for n, size in zip(frames, weights, strict=True))
        widest = max(n * layer.width for n, layer in zip(frames, table.layers, strict=True))
        parameters = sum(weights) + sum(widths[1:])  # and a bias for each feature
        activations = self.spectrogram.bytes_per_sample * max(n_samples) + 4 * STEP * widest
        return Work(2.0 * products, 4 * parameters, activations)

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> ProjectionNetwork:
        """Draw the weights on the CPU, and copy them to a device.

        Raises
        ------
        MissingExtraError
            If torch is not installed.
        DeviceError
            If a GPU is requested and there is none.
        """
        check_device(device)
        import torch

        stack = self._new()
        with plain_float32():
            changed = apply_control(stack, weights)
        return ProjectionNetwork(self, stack.to(device=device, dtype=getattr(torch, dtype)), changed)

    def _widths(self) -> list[int]:
        return [self.spectrogram.bands, *(layer.width for layer in self.table.layers)]

    def _new(self) -> nn.ModuleList:
        from torch import nn

        stack = nn.ModuleList()
        for k, (before, width) in enumerate(pairwise(self._widths())):
            layer: nn.Module = nn.Linear(before, width)
            if self.is_convolution:
                layer = nn.Conv1d(before, width, KERNEL, stride=2 if k == 1 else 1, padding=KERNEL // 2)
            stack.append(nn.Sequential(layer, nn.GELU()) if self.kind.endswith("_gelu") else layer)
        return stack


class ProjectionNetwork:
    """A built stack of random layers.

    Parameters
    ----------
    projection
        Its description.
    stack
        Its layers, in the table's order, on the device.
    changed
        How many parameters were drawn.
    """

    def __init__(self, projection: Projection, stack: nn.ModuleList, changed: int) -> None:
        self.projection, self.stack, self.changed = projection, stack, changed
        self.parts, self.notes = 1, ()
        self.table = projection.table
        self.n_bytes = sum(p.numel() * p.element_size() for p in stack.parameters())

    def __call__(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        """Pass sounds, each at its own length, layer by layer up to the last requested one."""
        import torch

        wanted = {layer.id for layer in layers}
        last = max(k for k, layer in enumerate(self.projection.table.layers) if layer.id in wanted)
        first = next(self.stack.parameters())
        with torch.inference_mode(), plain_float32():
            spectrograms = [torch.from_numpy(self.projection.spectrogram.compute(sound.samples)) for sound in sounds]
            rows = [spectrogram.shape[0] for spectrogram in spectrograms]
            given = to_model(torch.cat(spectrograms), str(first.device), first.dtype).split(rows)
            frames = [one.T if self.projection.is_convolution else one for one in given]
            for layer, module in zip(self.projection.table.layers[: last + 1], self.stack, strict=False):
                frames = [module(one) for one in frames]
                if layer.id in wanted:
                    outputs = [one.T if self.projection.is_convolution else one for one in frames]
                    keep(layer, range(len(sounds)), outputs)
