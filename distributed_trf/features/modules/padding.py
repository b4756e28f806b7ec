"""Sounds of different lengths in one batch."""

from __future__ import annotations

import torch

from distributed_trf.features.device import to_model


def lengths_on(device: torch.device | str, *lengths: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    """Bring lengths, each of shape (sound,) on the CPU, to a device at once; None for those that are all the same."""
    there = to_model(torch.stack(lengths), str(device))
    return tuple(None if bool((n == n[0]).all()) else copy for n, copy in zip(lengths, there, strict=True))


def without_padding(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Set what lies beyond each sound's own frames to zero, as it is beyond the end of a sound that is heard alone.

    Parameters
    ----------
    x
        Shape (sound, ..., frame).
    lengths
        Frames of each sound, shape (sound,), where ``x`` is; None if no sound is padded.
    """
    if lengths is None:
        return x
    beyond = torch.arange(x.shape[-1], device=lengths.device) >= lengths[:, None]
    return x.masked_fill(beyond.view(beyond.shape[0], *[1] * (x.ndim - 2), beyond.shape[1]), 0)


def valid_frames(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """Return which frames are a sound's own, shape (sound, longest), where the lengths are."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]
