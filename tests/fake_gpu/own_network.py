"""A network of a user's own, which needs no library beside torch."""

import torch


class Net(torch.nn.Module):
    """Two convolutions."""

    def __init__(self):
        super().__init__()
        self.fast = torch.nn.Conv1d(1, 4, 80, 80)
        self.slow = torch.nn.Conv1d(4, 6, 2, 2)

    def forward(self, x):
        return self.slow(torch.relu(self.fast(x[:, None])))


TABLE = {
    "name": "own",
    "family": "module",
    "sfreq": 16000,
    "config": {"module": "tests.fake_gpu.own_network:Net"},
    "layers": [
        {"id": 0, "name": "fast", "type": "conv", "width": 4, "rate": 200, "time_last": True},
        {"id": 1, "name": "slow", "type": "conv", "width": 6, "rate": 100, "time_last": True},
    ],
}
