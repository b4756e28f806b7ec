"""Poisson firing: what the best possible prediction could reach if the rates are known, and what chance gives.

Chance is the inter-trial correlation of a unit that fires at random, whatever sound is presented.
"""

from __future__ import annotations

import numpy as np

from distributed_trf.arrays import Array, block_rows, blocks
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import mean_over_repeats


def known_rate_ceiling(rate: Array, counts: Array) -> Array:
    """Correlate the known expected counts with each repeat's counts, then average over repeats.

    No predictor of the stimulus knows more than the rate itself, so this is the correlation of the perfect prediction
    on the very repeats that a model is tested on. Only simulated recordings have it.

    Parameters
    ----------
    rate
        Expected counts, shape (T, U).
    counts
        Shape (R, T, U).

    Returns
    -------
    array of shape (U,)
        As ``mean_over_repeats``: 0 in a repeat without a spike, NaN for a unit whose rate or counts never vary.
    """
    return mean_over_repeats(counts, rate)


PUBLISHED_RATE = 50.0
"""Spikes per second that Ahmed et al. (2025) use."""


def poisson_r(
    n_bins: int, bin_width: float, draws: int, rng: np.random.Generator, *, rate: float = PUBLISHED_RATE
) -> np.ndarray:
    """Correlate the counts of pairs of trains that share nothing.

    Either train has ``int(rate * duration)`` spikes at independent, uniform times, so that its counts are those of a
    Poisson process given their number. The published code once took the 90th or 95th percentile as threshold.

    Parameters
    ----------
    n_bins
        Bins of all test stimuli together.
    bin_width
        Milliseconds.
    draws
        Number of pairs.
    rng
        Source of the spikes.
    rate
        Spikes per second.

    Returns
    -------
    np.ndarray of shape (draws,)

    Raises
    ------
    DataError
        If the trains would have no spike, or one bin only.
    """
    n_spikes = int(rate * n_bins * bin_width / 1000)
    if n_spikes < 1 or n_bins < 2:
        raise DataError(f"{n_spikes} spikes in {n_bins} bins cannot correlate; expected at least 1 spike and 2 bins")
    evenly = np.full(n_bins, 1 / n_bins)
    correlations = []
    for block in blocks(draws, block_rows(n_bins, evenly)):
        a, b = (rng.multinomial(n_spikes, evenly, size=block.stop - block.start) - n_spikes / n_bins for _ in range(2))
        norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
        correlations.append(np.where(norm > 0, (a * b).sum(axis=1) / np.where(norm > 0, norm, 1), 0))
    return np.concatenate(correlations)
