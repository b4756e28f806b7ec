"""The time bins of a stimulus, on which its responses are counted and its features are put.

A stimulus of ``dur`` seconds has ``n = floor((dur + 1e-6 + bw / 2) / bw)`` bins of ``bw`` seconds, so a partial last
bin counts when it is at least half a bin long; the silence of the lead-in has bins by the same rule. At 1000 ms a
stimulus is one bin, which holds all its spikes and the sum of its features. Both rules are from Ahmed et al. (2025).
"""

from __future__ import annotations

import numpy as np

from distributed_trf.features.resample import to_bins
from distributed_trf.recordings.trials import ROUNDING

WHOLE_STIMULUS = 1000.0
"""Bin width in milliseconds at which every stimulus is one bin."""


def n_bins(duration: float, bin_width: float) -> int:
    """Return how many bins of ``bin_width`` milliseconds a span of ``duration`` seconds has."""
    width = bin_width / 1000
    return int(np.floor((duration + ROUNDING + width / 2) / width))


def stimulus_bins(duration: float, bin_width: float) -> int:
    """Return how many bins a stimulus of ``duration`` seconds has."""
    return 1 if bin_width == WHOLE_STIMULUS else n_bins(duration, bin_width)


def lead_in_bins(lead_in: float, bin_width: float) -> int:
    """Return how many bins ``lead_in`` seconds of silence before a stimulus have."""
    return 0 if bin_width == WHOLE_STIMULUS else n_bins(lead_in, bin_width)


def features_on_bins(frames: np.ndarray, rows: int, bin_width: float) -> np.ndarray:
    """Put a layer's frames of a stimulus, lead-in included, on the bins of both.

    Parameters
    ----------
    frames
        At the layer's own rate, shape (n_frames, n_features).
    rows
        Bins of the lead-in and the stimulus.
    bin_width
        Milliseconds.

    Returns
    -------
    np.ndarray
        float64, shape (rows, n_features).
    """
    if bin_width == WHOLE_STIMULUS:
        return np.asarray(frames, dtype=np.float64).sum(axis=0)[np.newaxis]
    return to_bins(frames, rows)
