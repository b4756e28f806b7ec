"""Small networks of 100 frames per second that see different pieces of a sound."""

from __future__ import annotations

import torch
from torch import nn

from distributed_trf.features.table import NetworkTable

SFREQ, HOP, KERNEL, WIDTH = 8_000, 80, 160, 4


class PastNetwork(nn.Module):
    """A convolution over 20 ms that ends with its frame, and after it what ``kind`` says.

    ``causal``: a second convolution over three frames, the last of which is its own. ``centred``: the same, the middle
    one is its own. ``recurrent``: an LSTM; ``both``: one in both directions. ``counting``: the number of its frame is
    added to each. ``normalised``: all is over the standard deviation of the sound. ``padded``: the sound is
    mirrored at its ends first, which takes 100 samples.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first = nn.Conv1d(1, WIDTH, KERNEL, HOP)
        after = {
            "recurrent": lambda: nn.LSTM(WIDTH, WIDTH, batch_first=True),
            "both": lambda: nn.LSTM(WIDTH, WIDTH // 2, batch_first=True, bidirectional=True),
        }
        self.second = after.get(kind, lambda: nn.Conv1d(WIDTH, WIDTH, 3))()
        self.last = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "normalised":
            x = x / x.std(1, keepdim=True)
        if self.kind == "padded":
            x = nn.functional.pad(x[:, None], (100, 100), mode="reflect")[:, 0, 100:-100]
        x = torch.tanh(10 * self.first(x[:, None]))
        if isinstance(self.second, nn.LSTM):
            return self.last(self.second(x.transpose(1, 2))[0])
        x = self.second(nn.functional.pad(x, (1, 1) if self.kind == "centred" else (2, 0))).transpose(1, 2)
        return self.last(x + 0.1 * torch.arange(x.shape[1])[:, None] if self.kind == "counting" else x)


def past_table(kind: str) -> NetworkTable:
    frames = {"rate": 100, "width": WIDTH, "hop": HOP, "offset": HOP - KERNEL}
    return NetworkTable.model_validate(
        {
            "name": kind,
            "family": "module",
            "sfreq": SFREQ,
            "config": {"module": "tests.features.past_networks:PastNetwork", "kwargs": {"kind": kind}},
            "layers": [
                {"id": 0, "name": "first", "type": "conv", "time_last": True, "receptive_field": 20, **frames},
                {"id": 1, "name": "last", "type": "rnn", **frames},
            ],
        }
    )
