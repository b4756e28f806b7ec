"""The cochleagram that is the input of the cochlear networks."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from distributed_trf.features.spectrograms.cochleagram import N_FILTERS, cochlear_filters

SFREQ = 20_000
WINDOW = 2 * SFREQ
"""Samples of a sound that it takes; filters are applied in frequency, so the two ends of a window meet."""
STRIDE = 100
"""Samples from one frame to the next, at 200 Hz."""
N_TAPS = 1001
N_FRAMES = (WINDOW - N_TAPS) // STRIDE + 1
COMPRESSION, OFFSET = 0.3, 1e-8
GROUP = 16
"""Filters that are applied at once: enough to fill a GPU, few enough for their outputs to stay in a CPU's cache."""


class Cochleagram(nn.Module):
    """Windows of sound to the cochleagram that Tuckute et al. (2023) call ``cochleagram_1``.

    The magnitudes of 211 half-cosine filters on the ERB scale (50-10000 Hz; McDermott and Simoncelli 2011) without
    their negative frequencies, which is half the Hilbert envelope; low-pass filtered and sampled at 200 Hz; offset by
    1e-8 and raised to the power 0.3. Frame k is centred on 25 + 5 k ms. It has no weights, and computes in float32
    whatever the dtype of its network: a sound has a wider range than half precision.
    """

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Take windows of shape (window, 1, 40000) to float32 of shape (window, 1, 211, 390)."""
        taps, groups = _low_pass_blocks(sound.device), _filter_groups(sound.device)
        # In float64, so that a quiet band next to a loud one keeps its precision.
        spectra = torch.fft.rfft(sound.double()).to(torch.complex64)
        return torch.stack([torch.cat([_frames(x[0], group, taps) for group in groups])[None] for x in spectra])


class _Filters(NamedTuple):
    """The gains of some filters that are not zero."""

    n: int
    gains: torch.Tensor
    frequencies: torch.Tensor
    """The frequency of the sound that each applies to."""
    positions: torch.Tensor
    """Positions of the products in (filter, frequency), flattened."""


def _frames(spectrum: torch.Tensor, filters: _Filters, taps: torch.Tensor) -> torch.Tensor:
    passed = torch.zeros(filters.n * WINDOW, dtype=spectrum.dtype, device=spectrum.device)
    passed[filters.positions] = spectrum[filters.frequencies] * filters.gains
    subbands = torch.fft.ifft(passed.view(filters.n, WINDOW))
    envelopes = subbands.real.square().addcmul_(subbands.imag, subbands.imag).clamp_(min=1e-16).sqrt_()
    # A frame is a sum over 1001 taps, done in blocks of the stride: the products of all blocks first, then their sums.
    products = (taps @ envelopes.view(-1, STRIDE).T).view(taps.shape[0], filters.n, WINDOW // STRIDE)
    low = torch.zeros((filters.n, N_FRAMES), device=spectrum.device)
    for k, product in enumerate(products):
        low += product[:, k : k + N_FRAMES]
    return low.clamp_(min=0).add_(OFFSET).pow_(COMPRESSION)


def dense_filters() -> np.ndarray:
    """Return the gain of every filter at every frequency of a window, float32 of shape (211, 20001)."""
    dense = np.zeros((N_FILTERS, WINDOW // 2 + 1), dtype=np.float32)
    for row, (first, gains) in zip(dense, _filters(), strict=True):
        row[first : first + gains.shape[0]] = gains
    return dense


def _filters() -> list[tuple[int, np.ndarray]]:
    return list(cochlear_filters(WINDOW, SFREQ, 50, 10_000))


def low_pass_taps() -> np.ndarray:
    """Return the low-pass filter of the envelopes, shape (1001,): a sinc, half a sample off its Kaiser window."""
    times = np.arange(N_TAPS) - N_TAPS / 2
    return np.sinc(times / STRIDE) / STRIDE * np.kaiser(N_TAPS, 5)


@cache
def _low_pass_blocks(device: torch.device) -> torch.Tensor:
    """Return the taps, zeros after them, of shape (block, stride)."""
    n_blocks = -(-N_TAPS // STRIDE)
    taps = np.pad(low_pass_taps(), (0, n_blocks * STRIDE - N_TAPS)).astype(np.float32)
    return torch.from_numpy(taps.reshape(n_blocks, STRIDE)).to(device)


@cache
def _filter_groups(device: torch.device) -> list[_Filters]:
    """Return the filters in groups."""
    filters = _filters()
    return [_group(filters[k : k + GROUP], device) for k in range(0, len(filters), GROUP)]


def _group(filters: list[tuple[int, np.ndarray]], device: torch.device) -> _Filters:
    frequencies = [first + np.arange(gains.shape[0]) for first, gains in filters]
    positions = [k * WINDOW + passed for k, passed in enumerate(frequencies)]
    gains = np.concatenate([gains for _, gains in filters]).astype(np.float32)
    flat = (torch.from_numpy(x).to(device) for x in (gains, np.concatenate(frequencies), np.concatenate(positions)))
    return _Filters(len(filters), *flat)
