"""The time bins of a stimulus, on which its responses are counted and its features are put.

A stimulus of ``dur`` seconds has ``n = floor((dur + 1e-6 + bw / 2) / bw)`` bins of ``bw`` seconds, so a partial last
bin counts when it is at least half a bin long; the silence of the lead-in has bins by the same rule. At 1000 ms a
stimulus is one bin, which holds all its spikes and the sum of its frames. Both rules are from Ahmed et al. (2025).
"""

from __future__ import annotations

import numpy as np

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


def rows(duration: float, lead_in: float, bin_width: float) -> int:
    """Return how many bins a stimulus and the silence before it have together."""
    return lead_in_bins(lead_in, bin_width) + stimulus_bins(duration, bin_width)
