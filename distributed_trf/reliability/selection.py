"""Distributions of the inter-trial correlation of pairs, as they are and shifted; units selected by them.

A presentation without a spike counts as r = 0, for a model and for a pair. A model is compared with one repeat at a
time: with spikes in k of R repeats, its mean r is ``k / R`` of the mean over the k. A pair has two distinct
presentations, so that both have spikes in ``k (k - 1)`` of ``R (R - 1)`` pairs, fewer than ``(k / R)^2``:
unweighted, ``r / sqrt(normaliser)`` would come out above 1 for a perfect model, by a tenth where 4 of 11 repeats have
spikes. Draws are weighted so that silence costs both the same. A signal or values that are never zero throughout a
presentation have the weight 1: there is no more to it than the correlation.

Units that respond to the sounds are selected by the rules of Ahmed et al. (2025), with corrections for many units.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from distributed_trf.arrays import Array, blocks, namespace, to_numpy
from distributed_trf.reliability.inter_trial import Null, inter_trial_r, null_shifts, shifted_r
from distributed_trf.reliability.pairs import ROUNDING, PairTables, draw_pairs
from distributed_trf.trf.resampling import draw_generator


def inter_trial_distributions(
    tables: PairTables, *, draws: int, null_shift: Null, seed: int, key: Sequence[str | float] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of presentations, and correlate them as they are and with the second side shifted.

    Parameters
    ----------
    tables
        Of the test stimuli; which units they hold does not change what is drawn.
    draws
        Number of pairings.
    null_shift
        How far the null shifts responses, see ``null_shifts``.
    seed, key
        Decide what is drawn; ``key`` distinguishes sessions.

    Returns
    -------
    true, shifted
        Pearson's r of each draw and unit times ``silence_weight``, of shape (draws, U) each. Their means are the
        normaliser and ``null_mean``.

    Raises
    ------
    DataError
        If a stimulus was presented only once.
    """
    pairs = draw_pairs(tables.repeats, draws, draw_generator(seed, "pairs", *key))
    shift = null_shifts(null_shift, tables.bins, draws, draw_generator(seed, "null shifts", *key))
    weight = silence_weight(tables)
    return to_numpy(inter_trial_r(tables, pairs) * weight), to_numpy(shifted_r(tables, pairs, shift) * weight)


def silent_repeats(tables: PairTables) -> Array:
    """Return the fraction of repeats without a spike in any stimulus, of as many as all stimuli have, shape (U,)."""
    silent, repeats = tables.silences, int(tables.repeats.min())
    xp = namespace(tables.counts)
    throughout = xp.all(xp.stack([of_stimulus[:repeats, :] for of_stimulus in silent]), axis=0)
    return xp.mean(xp.astype(throughout, xp.float64), axis=0)


def silence_weight(tables: PairTables) -> Array:
    """Return what the r of draws are multiplied with, so that silence costs them as much as it costs a model's r.

    ``(1 - s)^2 / (1 - 2 prod_i s_i + prod_i s_i (R_i s_i - 1) / (R_i - 1))`` with s the ``silent_repeats`` and s_i the
    fraction of the R_i presentations of stimulus i that are silent; the denominator is the part of all draws that have
    spikes on both sides.

    Returns
    -------
    array of shape (U,)
        1 for a unit with a spike in every presentation, and where no draw has spikes on both sides.
    """
    xp, one, both = namespace(tables.counts), 1.0, 1.0
    for of_stimulus in tables.silences:
        repeats = of_stimulus.shape[0]
        fraction = xp.mean(xp.astype(of_stimulus, xp.float64), axis=0)
        one, both = one * fraction, both * fraction * (repeats * fraction - 1) / (repeats - 1)
    spikes_in_both = 1 - 2 * one + both
    measured = spikes_in_both > ROUNDING
    weight = (1 - silent_repeats(tables)) ** 2 / xp.where(measured, spikes_in_both, xp.ones_like(spikes_in_both))
    return xp.where(measured, weight, xp.ones_like(weight))


UNITS_AT_ONCE = 8
"""Units whose draws are ranked together: ranking takes about ten times the memory of what is ranked."""


def highly_tuned(normaliser: Array, null_mean: Array, null_std: Array, delta: float = 0.5) -> Array:
    """Return which units repeat themselves well beyond chance.

    ``normaliser > 0`` and ``normaliser > null_mean + delta * null_std`` (Ahmed et al. 2025; delta is 1.0 in their
    figures S8 to S10). The standard deviation is that of single draws of the null distribution, not of its mean.

    Parameters
    ----------
    normaliser, null_mean, null_std
        Of the same shape.
    delta
        Standard deviations.

    Returns
    -------
    array of bool
        False where a value is NaN.
    """
    return (normaliser > 0) & (normaliser > null_mean + delta * null_std)


def draws_above_null_p(true: np.ndarray, null: np.ndarray) -> np.ndarray:
    """P-value of the published test: one-sided Mann-Whitney U between the draws and the draws of the null.

    Draws are pairings of the few presentations that were recorded, so they are no independent samples, and p shrinks
    with the number of draws whatever the unit: on units that nothing drives a quarter has p < 0.05 with 1500 draws, and
    more with more. It is here because it was published; ``shift_test`` is the one that holds its level.

    Parameters
    ----------
    true, null
        Shape (draws, U).

    Returns
    -------
    np.ndarray of shape (U,)
        1 where all draws are equal.
    """
    p = np.ones(true.shape[1])
    differ = np.flatnonzero((np.ptp(true, axis=0) > 0) | (np.ptp(null, axis=0) > 0) | (true[0] != null[0]))
    for block in blocks(differ.size, UNITS_AT_ONCE):
        sides = [np.ascontiguousarray(side[:, differ[block]].T) for side in (true, null)]
        p[differ[block]] = scipy.stats.mannwhitneyu(*sides, alternative="greater", method="asymptotic", axis=1).pvalue
    return p


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p-values so that comparing them with alpha keeps the chance of any false positive below alpha (Holm 1979).

    NaN stays NaN and does not count as a test.
    """
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    steps = p[order] * np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjust p-values so that comparing them with alpha keeps the false discovery rate below it (1995).

    NaN stays NaN and does not count as a test.
    """
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])[::-1]]
    steps = p[order] * (order.size / np.arange(order.size, 0, -1))  # of the largest first: p m / rank
    adjusted[order] = np.minimum.accumulate(steps)
    return adjusted
