"""Inter-trial correlation: how well one presentation of the test stimuli predicts another.

A draw takes a pair of distinct presentations of each stimulus, puts the stimuli one after another, and correlates both
sides (Ahmed et al. 2025). The mean over many draws is the *normaliser* of a unit: a model that predicted all that
repeats would reach about its square root with single presentations, so ``rho = r / sqrt(normaliser)``. With one side
shifted in time the same draws show what remains without a common stimulus.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from distributed_trf.arrays import Array, block_rows, blocks, namespace, take_rows
from distributed_trf.errors import ConfigError
from distributed_trf.reliability.pairs import ROUNDING, Pairs, PairTables

Null = Literal["half", "random", "first"]
SHORTEST, LONGEST = 0.2, 0.8
"""Range of random shifts, as parts of the whole length."""
LARGEST_SPREAD = 0.25
"""Variance of the variance of a side over draws, by its squared mean: about one over the spikes of a side. Up to it
``expected_r`` was within 0.02 of the mean over draws with 11 repeats, within 0.05 with 2 or 3, of 10 000 units."""


def inter_trial_r(tables: PairTables, pairs: Pairs, stimuli: np.ndarray | None = None) -> Array:
    """Correlate the two sides of each draw.

    Parameters
    ----------
    tables
        Of the test stimuli.
    pairs
        From ``draw_pairs``.
    stimuli
        Which stimulus each column of ``pairs`` is of, shape (S,); a stimulus may occur several times. By
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
    values = []
    for draws in blocks(len(pairs), block_rows(3 * tables.n_units, tables.counts)):
        drawn, moved = pairs[draws], shift[draws, np.newaxis]
        first, second = (_rows(tables, side, drawn.order) for side in (drawn.first, drawn.second))
        second = np.take_along_axis(second, (np.arange(n) - moved) % n, axis=1)
        values.append(tables.spread(drawn, stimuli).r(_cross(tables.counts, first, second)))
    return xp.concat(values)


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

    With ``c`` the covariance of both sides of a draw and ``v``, ``w`` their variances, the Taylor series of
    ``r = c / sqrt(v w)`` has the mean ``E c / E v (1 + (3/4 var v + 1/4 cov(v, w)) / (E v)^2) - cov(c, v) / (E v)^2``
    up to its second order. Stimuli s are drawn independently, so that all of it follows from their presentations i:
    ``E c = sum_s mean_{i != j} sum_t y_i y_j - (M^2 + sum_s k_s) / n`` and
    ``E v = sum_s mean_i sum_t y_i^2 - (M^2 + sum_s d_s) / n``, where ``M`` adds up the mean sums of counts of all
    stimuli, and ``d_s`` and ``k_s = -d_s / (R_s - 1)`` are the variance of the sums of counts and their covariance
    between distinct presentations; in the second order the square of the sum of counts is taken as linear around ``M``.

    Returns
    -------
    array of shape (U,)
        0 where a unit never varies; NaN where ``var v > LARGEST_SPREAD (E v)^2``, so that the series says too little:
        there sides have few spikes, and some none.
    """
    xp, units = namespace(tables.counts), tables.n_units
    n = float(tables.bins.sum())
    stimuli = []
    for table, product, repeats in zip(tables.sums, tables.products, tables.repeats.tolist(), strict=True):
        sums, squares = xp.astype(table[:, :units], xp.float64), xp.astype(table[:, units:], xp.float64)
        stimuli.append((sums, squares, xp.reshape(xp.astype(product, xp.float64), (repeats, repeats, units))))
    mean = sum(xp.mean(sums, axis=0) for sums, _, _ in stimuli)
    c, v, power, of_v, of_sides, of_both = (xp.zeros_like(mean) for _ in range(6))
    for sums, squares, products in stimuli:
        others = sums.shape[0] - 1
        distinct = (xp.sum(products, axis=1) - squares) / others  # of each presentation with the others
        variance = xp.var(sums, axis=0)
        c = c + n * xp.mean(distinct, axis=0) + variance / others
        power = power + n * xp.mean(squares, axis=0)
        v = v - variance
        side = n * squares - 2 * mean * sums
        side = side - xp.mean(side, axis=0)
        rest = (xp.sum(sums, axis=0) - sums) / others
        of_v = of_v + xp.mean(side**2, axis=0)
        of_sides = of_sides - xp.mean(side**2, axis=0) / others
        of_both = of_both + xp.mean(side * (n * distinct - mean * (sums + rest)), axis=0)
    c, v = c - mean**2, v + power - mean**2
    varies = v > ROUNDING * power
    v = xp.where(varies, v, xp.ones_like(v))
    r = (c - of_both / v + c * (0.75 * of_v + 0.25 * of_sides) / v**2) / v
    r = xp.where(of_v <= LARGEST_SPREAD * v**2, r, xp.nan * v)
    return xp.where(varies, r, xp.zeros_like(v))


def _rows(tables: PairTables, repeat: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rows of ``tables.counts`` that each draw puts one after another, shape (draws, bins)."""
    bins = tables.bins[order]
    starts = np.cumsum(tables.repeats * tables.bins) - tables.repeats * tables.bins
    begin = starts[order] + np.take_along_axis(repeat, order, axis=1) * bins
    first_bin = np.cumsum(bins, axis=1) - bins  # where each stimulus begins in the concatenation
    # Ascend by one from bin to bin, and jump where the next stimulus begins.
    step = np.ones((len(order), int(tables.bins.sum())), dtype=np.int32)
    step[:, 0] = begin[:, 0]
    np.put_along_axis(step, first_bin[:, 1:], begin[:, 1:] - (begin[:, :-1] + bins[:, :-1] - 1), axis=1)
    return np.cumsum(step, axis=1, dtype=np.int32)


def _cross(counts: Array, first: np.ndarray, second: np.ndarray) -> Array:
    """``sum(a b)`` over rows of ``counts`` given for each draw, shape (draws, bins) to (draws, U); float64."""
    xp, (draws, n), units = namespace(counts), first.shape, counts.shape[1]
    values = []
    for block in blocks(draws, block_rows(n * units, counts)):
        product = take_rows(counts, first[block].ravel())
        product *= take_rows(counts, second[block].ravel())
        values.append(xp.sum(xp.reshape(product, (-1, n, units)), axis=1))
    return xp.astype(xp.concat(values), xp.float64)
