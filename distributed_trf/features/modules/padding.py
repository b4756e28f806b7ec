"""Sounds of different lengths in one batch."""

from __future__ import annotations

import torch

from distributed_trf.features.device import to_model


def lengths_on(device: torch.device | str, *lengths: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    """Copy lengths, each of shape (sound,) on the CPU, to a device at once; None for lengths that are all the same."""
    copies = to_model(torch.stack(lengths), str(device))
    return tuple(None if bool((n == n[0]).all()) else copy for n, copy in zip(lengths, copies, strict=True))


def without_padding(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Set everything beyond each sound's own frames to zero, as it is beyond the end of a sound that is passed alone.

    Parameters
    ----------
    x
        Shape (sound, ..., frame).
    lengths
        Frames of each sound, shape (sound,), on the device of ``x``; None if no sound is padded.
    """
    if lengths is None:
        return x
    beyond = torch.arange(x.shape[-1], device=lengths.device) >= lengths[:, None]
    return x.masked_fill(beyond.view(beyond.shape[0], *[1] * (x.ndim - 2), beyond.shape[1]), 0)


def valid_frames(lengths: torch.Tensor, longest: int) -> torch.Tensor:
    """Return a mask of each sound's own frames, shape (sound, longest), on the device of the lengths."""
    return torch.arange(longest, device=lengths.device) < lengths[:, None]
