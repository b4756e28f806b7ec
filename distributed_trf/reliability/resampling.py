"""Resampling of presentations: the normaliser for fewer seconds or repeats, and a test whether sounds drive a unit.

The test holds its level on units that no sound drives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.arrays import Array, block_rows, blocks, namespace, take_rows
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.reliability.inter_trial import inter_trial_r
from distributed_trf.reliability.pairs import Pairs, PairTables
from distributed_trf.trf.correlation import unit_length
from distributed_trf.trf.resampling import draw_generator, draw_stimuli


def bootstrap_normaliser(
    tables: PairTables,
    *,
    percent_duration: float,
    n_repeats: int,
    draws: int,
    pairings: int,
    seed: int,
    key: Sequence[str | float] = (),
) -> Array:
    """Compute the normaliser from drawn stimuli and repeats, many times (Ahmed et al. 2025).

    Each draw takes test stimuli with replacement until they last ``percent_duration`` of all, and repeats with
    replacement until at least two differ; its normaliser is the mean over random pairings of distinct repeats among
    those drawn.

    Parameters
    ----------
    tables
        Of the test stimuli.
    percent_duration
        Above 0, at most 100.
    n_repeats
        Repeats to draw, from 2 to as many as every stimulus has.
    draws, pairings
        Number of draws, and of pairings in each.
    seed
        Together with the percentage, the number of repeats, ``key`` and the number of the draw it decides what is
        drawn.
    key
        What else distinguishes these draws from others, such as the session.

    Returns
    -------
    array of shape (draws, U)
        A pairing of which a side does not vary, such as one without a spike, counts as 0, unweighted (see
        ``silence_weight``): repeats are drawn several times. NaN for a unit that never varies at all.

    Raises
    ------
    ConfigError
        If the percentage or the number of repeats cannot be used.
    """
    available = int(tables.repeats.min())
    if not 2 <= n_repeats <= available:
        raise ConfigError(f"n_repeats={n_repeats} must be 2 to {available}, the repeats that all test stimuli have")
    xp, means = namespace(tables.counts), []
    for draw in range(draws):
        rng = draw_generator(seed, "normaliser", *key, percent_duration, n_repeats, draw)
        times = draw_stimuli(tables.bins, percent_duration, rng)
        stimuli = np.repeat(np.arange(times.size), times)
        pairs = _draw_among(_draw_repeats(available, n_repeats, rng), (pairings, stimuli.size), rng)
        means.append(xp.mean(inter_trial_r(tables, pairs, stimuli), axis=0))
    drawn = xp.stack(means)
    return xp.where(tables.vary(), drawn, xp.nan * drawn)


def _draw_repeats(available: int, n_repeats: int, rng: np.random.Generator) -> np.ndarray:
    """Draw repeats with replacement, again until two differ."""
    while True:
        drawn = rng.integers(available, size=n_repeats)
        if np.unique(drawn).size > 1:
            return drawn


def _draw_among(repeats: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> Pairs:
    """Draw pairs among repeats of which some may be the same one, again until both sides differ."""
    first, second = (repeats[rng.integers(repeats.size, size=shape)] for _ in range(2))
    same = first == second
    while same.any():
        for side in (first, second):
            side[same] = repeats[rng.integers(repeats.size, size=np.count_nonzero(same))]
        same = first == second
    return Pairs(first, second, order=np.broadcast_to(np.arange(shape[1]), shape))


ROUNDING = 1e-12
"""Difference within which two correlations are ties."""


@dataclass(frozen=True)
class ShiftTest:
    """Outcome of ``shift_test``."""

    r: Array
    """Mean correlation over all pairs of repeats, 0 where a unit does not vary in one of them, shape (U,)."""
    p: Array
    """One-sided p-value, shape (U,)."""


def shift_test(repeated: Array, shifts: int, rng: np.random.Generator) -> ShiftTest:
    """Compare the mean inter-trial correlation with that of repeats that are shifted against one another.

    A repeat is one presentation of each test stimulus, concatenated. Where nothing is locked to the sounds, moving each
    repeat circularly by a random number of bins of its own changes nothing in distribution, whatever the rate and, but
    for the seams, the autocorrelation of a unit. So ``p = (b + 1) / (K + 1)``, where ``b`` of ``K`` shifted copies
    reach the correlation found (Davison & Hinkley 1997, section 4.2).

    Parameters
    ----------
    repeated
        Responses, shape (R, T, U).
    shifts
        Number of shifted copies, K.
    rng
        Source of the shifts.

    Returns
    -------
    ShiftTest
        NaN for a unit that varies in no repeat. One that varies in a single repeat has r = 0 and p = 1.

    Raises
    ------
    DataError
        If there are fewer than two repeats.
    """
    repeats, n, units = repeated.shape
    if repeats < 2:
        raise DataError(f"there is {repeats} repeat of all test stimuli; the test for tuning needs at least 2")
    xp = namespace(repeated)
    scores = xp.stack([unit_length(repeated[repeat, :, :]) for repeat in range(repeats)])
    used = xp.sum(scores**2, axis=(0, 1))  # the number of repeats in which a unit varies

    def mean_r(total: Array) -> Array:
        """Mean r over pairs from the sum over repeats, (..., T, U) to (..., U): ``|sum z|^2 = used + sum r``."""
        return (xp.sum(total**2, axis=-2) - used) / (repeats * (repeats - 1))

    r = mean_r(xp.sum(scores, axis=0))
    table = xp.reshape(scores, (repeats * n, units))
    moves = rng.integers(n, size=(shifts, repeats, 1))
    start = n * np.arange(repeats)[:, np.newaxis]
    reached = xp.zeros_like(r)
    for block in blocks(shifts, block_rows(repeats * n * units, table)):
        rows = start + (np.arange(n) - moves[block]) % n  # (block, repeats, bins)
        shifted = xp.reshape(take_rows(table, rows.ravel()), (-1, repeats, n, units))
        shifted_r = mean_r(xp.sum(shifted, axis=1))
        reached += xp.sum(xp.astype(shifted_r >= r - ROUNDING, r.dtype), axis=0)
    varying, nothing = used > 0.5, xp.nan * xp.ones_like(r)
    return ShiftTest(xp.where(varying, r, nothing), xp.where(varying, (reached + 1) / (shifts + 1), nothing))
