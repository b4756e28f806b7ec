"""How the normaliser depends on how much was recorded: fewer seconds, fewer repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import ConfigError
from distributed_trf.reliability.inter_trial import inter_trial_r
from distributed_trf.reliability.pairs import Pairs, PairTables
from distributed_trf.trf.draws import draw_generator, draw_stimuli


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
        What else tells these draws from others, such as the session.

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
    xp, found = namespace(tables.counts), []
    for draw in range(draws):
        rng = draw_generator(seed, "normaliser", *key, percent_duration, n_repeats, draw)
        times = draw_stimuli(tables.bins, percent_duration, rng)
        stimuli = np.repeat(np.arange(times.size), times)
        pairs = _draw_among(_draw_repeats(available, n_repeats, rng), (pairings, stimuli.size), rng)
        found.append(xp.mean(inter_trial_r(tables, pairs, stimuli), axis=0))
    drawn = xp.stack(found)
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
