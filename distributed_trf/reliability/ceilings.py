"""Ceilings: the correlation that a model can reach with a unit, from its repeats or where its rates are known.

By the standard estimates from repeats, and for Poisson firing at known rates; also what a unit reaches by chance that
fires at random, whatever sound is presented. The estimates from repeats take no distribution: they hold of counts,
signals and values alike, where noise is independent between repeats. Only ``known_rate_ceiling`` (through simulated
rates) and ``poisson_r`` are of spikes. Responses have shape (R, T, U): R repeats of all test stimuli, concatenated to T
bins. Variances are over bins, divided by T.
"""

from __future__ import annotations

import numpy as np

from distributed_trf.arrays import Array, block_rows, blocks, like, namespace
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import mean_over_repeats, pearson


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


def signal_power(repeated: Array) -> Array:
    """Estimate the variance of the part of the response that repeats.

    ``SP = (R var(mean over repeats) - mean over repeats of var) / (R - 1)`` (Sahani & Linden 2003, NIPS 15:125).

    Parameters
    ----------
    repeated
        Shape (R, T, U).

    Returns
    -------
    array of shape (U,)
        In the unit of the responses squared. Unbiased, so that it is below zero for about half of all units that
        nothing drives.

    Raises
    ------
    DataError
        If there are fewer than two repeats.
    """
    xp, y = namespace(repeated), _checked(repeated)
    repeats = y.shape[0]
    return (repeats * xp.var(xp.mean(y, axis=0), axis=0) - _total_power(y)) / (repeats - 1)


def single_repeat_ceiling(repeated: Array) -> Array:
    """Correlation that a perfect model would have with single repeats: ``sqrt(SP / TP)``.

    ``TP`` is the mean variance of a repeat (Sahani & Linden 2003), silent ones among them. This is what
    ``sqrt(normaliser)`` estimates too, and the scale of ``r``, which is the mean over repeats; but where repeats have
    few spikes both are lower, as r is the mean of ratios, and 0 in a repeat without a spike.

    Returns
    -------
    array of shape (U,)
        NaN where no signal power is found.
    """
    return _root_of_ratio(signal_power(repeated), _total_power(_checked(repeated)))


def ccmax(repeated: Array) -> Array:
    """Correlation that a perfect model would have with the mean over repeats: ``sqrt(SP / var(mean over repeats))``.

    ``CCmax`` of Schoppe et al. (2016, Front Comput Neurosci 10:10), whose ``CCnorm`` is the correlation with the mean
    over repeats divided by it.

    Returns
    -------
    array of shape (U,)
        NaN where no signal power is found.
    """
    xp = namespace(repeated)
    return _root_of_ratio(signal_power(repeated), xp.var(xp.mean(_checked(repeated), axis=0), axis=0))


def split_half_ceiling(repeated: Array, splits: int, rng: np.random.Generator) -> Array:
    """Correlation that a perfect model would have with the mean over repeats, from halves of the repeats.

    The means of two disjoint random halves of h repeats each are correlated, r averaged over splits (0 where a half
    does not vary, such as one without a spike), and corrected to all R repeats: ``r_R = k r / (1 + (k - 1) r)`` with
    ``k = R / h`` (Spearman 1910; Brown 1910). The ceiling is ``sqrt(r_R)``.

    Parameters
    ----------
    repeated
        Shape (R, T, U).
    splits
        Number of random splits.
    rng
        Source of the splits.

    Returns
    -------
    array of shape (U,)
        NaN where the halves do not correlate above zero.
    """
    xp, y = namespace(repeated), _checked(repeated)
    repeats = y.shape[0]
    half = repeats // 2
    order = np.argsort(rng.random((splits, repeats)), axis=1)
    halves = []
    for part in (order[:, :half], order[:, half : 2 * half]):
        chosen = np.zeros((splits, repeats))
        np.put_along_axis(chosen, part, 1.0, axis=1)
        mean = xp.reshape(like(chosen, y) @ xp.reshape(y, (repeats, -1)), (splits, *y.shape[1:]))
        halves.append(xp.reshape(xp.permute_dims(mean, (1, 0, 2)), (y.shape[1], -1)))  # (T, splits x U)
    r = xp.reshape(pearson(*halves), (splits, y.shape[2]))
    defined = ~xp.isnan(r)
    mean = xp.mean(xp.where(defined, r, xp.zeros_like(r)), axis=0)
    longer = repeats / half
    positive = mean > 0
    return _root_of_ratio(longer * mean, xp.where(positive, 1 + (longer - 1) * mean, xp.zeros_like(mean)))


def _checked(repeated: Array) -> Array:
    if repeated.ndim != 3 or repeated.shape[0] < 2:
        raise DataError(
            f"repeated responses have shape {tuple(repeated.shape)}; expected (repeats, bins, units), 2 repeats or more"
        )
    return namespace(repeated).astype(repeated, namespace(repeated).float64)


def _total_power(y: Array) -> Array:
    """Variance of a repeat over bins, mean over repeats, shape (U,)."""
    xp = namespace(y)
    return xp.mean(xp.var(y, axis=1), axis=0)


def _root_of_ratio(part: Array, whole: Array) -> Array:
    xp = namespace(part)
    defined = (part > 0) & (whole > 0)
    one = xp.ones_like(part)
    return xp.where(defined, xp.sqrt(xp.where(defined, part, one) / xp.where(defined, whole, one)), xp.nan * one)
