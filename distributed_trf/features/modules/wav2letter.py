"""Wav2Letter on raw sound, its parameters named as in the published checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import nn

from distributed_trf.features.modules.padding import lengths_on, without_padding

CEILING = 20.0
"""Of every block's output; the floor is 0."""


class Block(nn.Module):
    """A convolution, batch normalisation and a clamp. Its frame k is centred at k strides."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.batch_norm = nn.BatchNorm1d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take (sound, feature, frame) and give as much at the next rate."""
        return self.batch_norm(self.conv(x)).clamp_(0, CEILING)


class Wav2LetterNetwork(nn.Module):
    """The stack of blocks ``conv1``, ``conv2``, ... of Collobert et al. (2016), as Ahmed et al. (2025) changed it.

    Dropout, which acts in training only and has no parameters, is left out.

    Parameters
    ----------
    widths, kernels, strides
        Of every block, the last of which scores the letters. Kernels are odd.
    """

    def __init__(self, widths: Sequence[int], kernels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        shapes = zip((1, *widths[:-1]), widths, kernels, strides, strict=True)
        for k, shape in enumerate(shapes, start=1):
            self.add_module(f"conv{k}", Block(*shape))

    def forward(self, sounds: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score the letters at every frame.

        Parameters
        ----------
        sounds
            Shape (sound, sample), zero beyond the end of each; amplitudes matter, nothing normalises them.
        lengths
            Samples of each sound, shape (sound,), on the CPU.

        Returns
        -------
        scores, lengths
            Shape (sound, frame, letter), zero beyond the end of each sound, and frames of each.
        """
        x = sounds[:, None]
        frames = list(accumulate(self.strides, lambda n, stride: -(-n // stride), initial=lengths))[1:]
        device_frames = lengths_on(x.device, *frames)
        for block, n in zip(self.children(), device_frames, strict=True):
            x = without_padding(block(x), n)
        return x.transpose(1, 2), frames[-1]
