"""Inter-trial correlation: how well one presentation of the test stimuli predicts another.

A draw takes a pair of distinct presentations of each stimulus, puts the stimuli one after another, and correlates both
sides (Ahmed et al. 2025). The mean over many draws is the *normaliser* of a unit: a model that predicted all that
repeats would reach about its square root with single presentations, so ``rho = r / sqrt(normaliser)``. With one side
shifted in time the same draws tell what remains without a common stimulus.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from distributed_trf.arrays import Array, block_rows, blocks, namespace, take_rows
from distributed_trf.errors import ConfigError
from distributed_trf.reliability.pairs import Pairs, PairTables

Null = Literal["half", "random", "first"]
SHORTEST, LONGEST = 0.2, 0.8
"""Range of random shifts, as parts of the whole length."""


def inter_trial_r(tables: PairTables, pairs: Pairs, stimuli: np.ndarray | None = None) -> Array:
    """Correlate the two sides of each draw.

    Parameters
    ----------
    tables
        Of the test stimuli.
    pairs
        From ``draw_pairs``.
    stimuli
        Which stimulus each column of ``pairs`` stands for, shape (S,); a stimulus may stand there several times. By
        default all in order.

    Returns
    -------
    array of shape (draws, U)
        Pearson's r; 0 where a side never varies, such as a presentation without a spike.
    """
    stimuli = np.arange(tables.bins.size) if stimuli is None else stimuli
    xp = namespace(tables.counts)
    size = block_rows(3 * tables.n_units, tables.counts)
    return xp.concat(
        [
            tables.spread(pairs[draws], stimuli).r(tables.cross(pairs[draws], stimuli))
            for draws in blocks(len(pairs), size)
        ]
    )


def shifted_r(tables: PairTables, pairs: Pairs, shift: np.ndarray) -> Array:
    """Correlate the first side of each draw with the second side, shifted circularly.

    Parameters
    ----------
    tables
        Of the test stimuli.
    pairs
        From ``draw_pairs``: stimuli are concatenated in the order of each draw.
    shift
        Bins by which the second side is moved later, shape (draws,); see ``null_shifts``.

    Returns
    -------
    array of shape (draws, U)
        As ``inter_trial_r``.
    """
    stimuli = np.arange(tables.bins.size)
    xp, n = namespace(tables.counts), int(tables.bins.sum())
    found = []
    for draws in blocks(len(pairs), block_rows(3 * tables.n_units, tables.counts)):
        drawn, moved = pairs[draws], shift[draws, np.newaxis]
        first, second = (_rows(tables, side, drawn.order) for side in (drawn.first, drawn.second))
        second = np.take_along_axis(second, (np.arange(n) - moved) % n, axis=1)
        found.append(tables.spread(drawn, stimuli).r(_cross(tables.counts, first, second)))
    return xp.concat(found)


def null_shifts(null: Null, bins: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Choose how far the second side of each draw is shifted.

    Parameters
    ----------
    null
        ``half`` of the concatenation (as released with Ahmed et al. 2025), a ``random`` 20 to 80 percent of it, or half
        of the ``first`` test stimulus (behind the counts that the paper prints).
    bins
        Of each stimulus, shape (S,).
    draws
        Number of shifts.
    rng
        Source of random ones.

    Returns
    -------
    np.ndarray of int, shape (draws,)
        Bins.

    Raises
    ------
    ConfigError
        If there is no such null.
    """
    n = int(bins.sum())
    if null == "random":
        return rng.integers(round(SHORTEST * n), round(LONGEST * n) + 1, size=draws)
    if null not in ("half", "first"):
        raise ConfigError(f"null={null!r} must be 'half', 'random' or 'first'")
    return np.full(draws, (n if null == "half" else int(bins[0])) // 2)


def expected_r(tables: PairTables) -> Array:
    """Return what the mean over draws approaches, without drawing.

    The expectation of the covariance over pairings divided by that of the variance, both exact: for stimuli s with
    presentations i, ``c = sum_s mean_{i != j} sum_t y_i y_j - (M^2 + sum_s k_s) / n`` and
    ``v = sum_s mean_i sum_t y_i^2 - (M^2 + sum_s d_s) / n``, where ``M`` adds up the mean sums of counts of all
    stimuli, and ``d_s`` and ``k_s = -d_s / (R_s - 1)`` are the variance of the sums of counts and their covariance
    between distinct presentations. The mean of the ratio differs from it by terms of the order of one over the bins.

    Returns
    -------
    array of shape (U,)
        0 where a unit never varies.
    """
    xp, units = namespace(tables.counts), tables.n_units
    zeros = xp.zeros_like(xp.astype(tables.counts[0, :], xp.float64))
    cross, power, mean, same, distinct = zeros, zeros, zeros, zeros, zeros
    for table, product, repeats in zip(tables.sums, tables.products, tables.repeats.tolist(), strict=True):
        sums, squares = xp.astype(table[:, :units], xp.float64), xp.astype(table[:, units:], xp.float64)
        total = xp.sum(squares, axis=0)
        cross = cross + (xp.sum(xp.astype(product, xp.float64), axis=0) - total) / (repeats * (repeats - 1))
        power = power + total / repeats
        mean = mean + xp.mean(sums, axis=0)
        variance = xp.var(sums, axis=0)
        same = same + variance
        distinct = distinct - variance / (repeats - 1)
    n = float(tables.bins.sum())
    covariance = cross - (mean**2 + distinct) / n
    spread = power - (mean**2 + same) / n
    varies = spread > 0
    return xp.where(varies, covariance / xp.where(varies, spread, xp.ones_like(spread)), zeros)


def _rows(tables: PairTables, repeat: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rows of ``tables.counts`` that each draw puts one after another, shape (draws, bins)."""
    bins = tables.bins[order]
    starts = np.cumsum(tables.repeats * tables.bins) - tables.repeats * tables.bins
    begin = starts[order] + np.take_along_axis(repeat, order, axis=1) * bins
    place = np.cumsum(bins, axis=1) - bins  # where each stimulus begins in the concatenation
    # Ascend by one from bin to bin, and jump where the next stimulus begins.
    step = np.ones((len(order), int(tables.bins.sum())), dtype=np.int32)
    step[:, 0] = begin[:, 0]
    np.put_along_axis(step, place[:, 1:], begin[:, 1:] - (begin[:, :-1] + bins[:, :-1] - 1), axis=1)
    return np.cumsum(step, axis=1, dtype=np.int32)


def _cross(counts: Array, first: np.ndarray, second: np.ndarray) -> Array:
    """``sum(a b)`` over rows of ``counts`` given for each draw, shape (draws, bins) to (draws, U); float64."""
    xp, (draws, n), units = namespace(counts), first.shape, counts.shape[1]
    found = []
    for block in blocks(draws, block_rows(n * units, counts)):
        product = take_rows(counts, first[block].ravel())
        product *= take_rows(counts, second[block].ravel())
        found.append(xp.sum(xp.reshape(product, (-1, n, units)), axis=1))
    return xp.astype(xp.concat(found), xp.float64)
