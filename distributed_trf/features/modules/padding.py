"""Sounds of different lengths in one batch."""

from __future__ import annotations

import torch


def without_padding(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Set what lies beyond each sound's own frames to zero, as it is beyond the end of a sound that is heard alone.

    Parameters
    ----------
    x
        Shape (sound, ..., frame).
    lengths
        Frames of each sound, shape (sound,).
    """
    beyond = torch.arange(x.shape[-1], device=x.device) >= lengths.to(x.device)[:, None]
    return x.masked_fill(beyond.view(beyond.shape[0], *[1] * (x.ndim - 2), beyond.shape[1]), 0)
