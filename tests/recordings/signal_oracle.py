"""A bin of a signal from its definition."""

from __future__ import annotations

import numpy as np
from scipy.special import i0

from distributed_trf.recordings.signal_binning import BETA, HALF


def one_bin(x: np.ndarray, rate: float, centre: float, width: float) -> np.ndarray:
    """Weighted mean of all samples (time, channel) around one time; in seconds from the first sample."""
    d = ((np.arange(len(x)) + 0.5) / rate - centre) / width
    near = np.abs(d) < HALF
    h = np.sinc(d[near]) * i0(BETA * np.sqrt(1 - (d[near] / HALF) ** 2)) / i0(BETA)
    return (h[:, np.newaxis] * x[near]).sum(axis=0) / h.sum()
