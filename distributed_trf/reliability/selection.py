"""Which units respond to the sounds, by the rules of Ahmed et al. (2025) and with corrections for many units."""

from __future__ import annotations

import numpy as np
import scipy

from distributed_trf.arrays import Array, blocks

UNITS_AT_ONCE = 8
"""Units whose draws are ranked together: ranking takes about ten times the memory of what is ranked."""


def highly_tuned(normaliser: Array, null_mean: Array, null_std: Array, delta: float = 0.5) -> Array:
    """Tell which units repeat themselves well beyond chance.

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
    tested = ~np.isnan(p)
    if tested.any():
        adjusted[tested] = scipy.stats.false_discovery_control(p[tested])
    return adjusted
