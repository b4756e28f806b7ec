"""A cochleagram and the network that hears it, as one."""

from __future__ import annotations

import torch
from torch import nn

from distributed_trf.features.modules.cochcnn9 import CochCNN9
from distributed_trf.features.modules.cochleagram import Cochleagram, dense_filters, low_pass_taps
from distributed_trf.features.modules.cochresnet50 import CochResNet50

NETWORKS: dict[str, type[nn.Module]] = {"cnn9": CochCNN9, "resnet50": CochResNet50}


class CochlearNetwork(nn.Module):
    """A network of Tuckute et al. (2023), its parts named as in the published checkpoints.

    Parameters
    ----------
    name
        One of ``NETWORKS``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model = nn.Sequential(Cochleagram(), NETWORKS[name]())

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Take windows of shape (window, 1, 40000) at 20 kHz; what goes beyond [-1, 1] is clipped."""
        dtype = next(self.parameters()).dtype
        return self.model[1](self.model[0](sound.clamp(-1, 1)).to(dtype))


def published_constants() -> dict[str, torch.Tensor]:
    """Return what a published checkpoint holds beside weights: filters of the cochleagram, scale of the input."""
    filters = torch.from_numpy(dense_filters())
    taps = torch.from_numpy(low_pass_taps()).float()[None, None]
    front = "model.0.full_rep.rep."
    return {
        "preproc.new_mean": torch.zeros(1, 1, 1),
        "preproc.new_std": torch.ones(1, 1, 1),
        front + "downsampling_op.downsample_filter": taps,
        front + "Cochleagram.downsampling.downsample_filter": taps,
        front + "Cochleagram.compute_subbands.coch_filters": torch.stack([filters, torch.zeros_like(filters)], dim=-1),
    }
