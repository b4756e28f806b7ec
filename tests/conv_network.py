"""A small convolutional network with layers of 200 and 100 frames per second, as a family of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.table import NetworkTable

SFREQ, STRIDE = 16_000, 80
CONV_NETWORK = {
    "name": "conv_network",
    "family": "conv_network",
    "sfreq": SFREQ,
    "parameters": 4 * 81 + 6 * 9,
    "gflop_per_second": 0.001,
    "layers": [
        {"id": 0, "name": "fast", "type": "conv", "width": 4, "rate": 200, "time_last": True},
        {"id": 1, "name": "slow", "type": "conv", "width": 6, "rate": 100, "time_last": True},
    ],
}
CONV_TABLE = NetworkTable.model_validate(CONV_NETWORK)


class ConvNetwork(nn.Module):
    """Two convolutions that never look past a sound's end."""

    def __init__(self):
        super().__init__()
        self.fast = nn.Conv1d(1, 4, STRIDE, STRIDE)
        self.slow = nn.Conv1d(4, 6, 2, 2)

    def forward(self, x):
        return self.slow(torch.relu(self.fast(x)))


class ConvFamily(TorchFamily):
    """Builds it; ``limit`` sounds at most fit the memory that it pretends to have."""

    def __init__(self, limit=10**9, error=None):
        self.limit, self.error = limit, error
        self.heard: list[int] = []

    def n_frames(self, table, layer, n_samples):
        return n_samples // STRIDE // (1 + layer.id)

    def new(self, table):
        return ConvNetwork()

    def load(self, table, settings):
        raise NotImplementedError

    def run(self, model, sounds, device, dtype):
        batch = np.zeros((len(sounds), 1, max(s.shape[0] for s in sounds)))
        for k, sound in enumerate(sounds):
            batch[k, 0, : sound.shape[0]] = sound
        x = torch.from_numpy(batch).to(device=device, dtype=dtype)
        if len(sounds) > self.limit:
            model.fast(x)  # a layer is heard before memory runs out
            raise self.error
        self.heard.append(len(sounds))
        model(x)
