"""What the best possible prediction could reach when the firing rates behind the counts are known."""

from __future__ import annotations

from distributed_trf.arrays import Array
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
