"""Draws with replacement: which stimuli and repeats a bootstrap uses, and how often."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.parameters import number, whole

ROUNDING = 1e-9
"""Part of a wanted duration by which rounding may miss it without another stimulus being drawn."""


def draw_generator(seed: int, *key: str | float | None) -> np.random.Generator:
    """Make the random generator of one draw, independent of those of all other keys.

    Parameters
    ----------
    seed
        The one seed of an analysis, which its results record.
    key
        What the draw is for, such as ``("training", 40, 7)``: the analysis, its percentage, the number of the draw.
        Whole numbers are the same written as ``40`` and ``40.0``.

    Raises
    ------
    ConfigError
        If the seed is not an integer of 0 or more.

    Notes
    -----
    Nothing is drawn from a common stream, so draw k is the same in whatever order, on whatever worker and beside
    however many others it is made.

    Examples
    --------
    >>> float(draw_generator(0, "training", 40, 7).random()) == float(draw_generator(0, "training", 40.0, 7).random())
    True
    """
    seed = whole("seed", seed, 0)
    # Hashed, because a spawn key is a row of words in which (1, 23) and (12, 3) of longer words could look alike.
    text = json.dumps([part if part is None or isinstance(part, str) else float(part) for part in key])
    words = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), dtype="<u4")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(words.tolist())))


def draw_stimuli(durations: Sequence[float] | np.ndarray, percent: float, rng: np.random.Generator) -> np.ndarray:
    """Draw stimuli with replacement until they last as long as a percentage of all.

    Parameters
    ----------
    durations
        Of each stimulus, shape (S,), in any unit: seconds or bins.
    percent
        Of their total duration; above 0, at most 100.
    rng
        From ``draw_generator``.

    Returns
    -------
    np.ndarray of int, shape (S,)
        How often each stimulus was drawn. The last one drawn overshoots, and 100 % is a draw as well, not every
        stimulus once: the rule of Ahmed et al. (2025).

    Raises
    ------
    ConfigError
        If the percentage cannot be used.
    DataError
        If there are no durations or one is not positive.

    Examples
    --------
    >>> draw_stimuli([2.0, 1.0, 3.0], 100, draw_generator(0, "example")).tolist()
    [2, 2, 0]
    """
    lengths = np.asarray(durations, dtype=np.float64)
    if lengths.ndim != 1 or lengths.size == 0:
        raise DataError(f"durations have shape {lengths.shape}; expected one for each of at least one stimulus")
    for i in np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0))):
        raise DataError(f"durations[{i}] is {lengths[i]:g}; every stimulus must last longer than nothing")
    if not 0 < number("percent_duration", percent, "per cent") <= 100:
        raise ConfigError(f"percent_duration={percent!r} must be above 0 and at most 100")
    wanted = percent * lengths.sum() / 100 * (1 - ROUNDING)
    counts, seconds = np.zeros(lengths.size, dtype=np.int64), 0.0
    while seconds < wanted:
        drawn = rng.integers(lengths.size)
        counts[drawn] += 1
        seconds += lengths[drawn]
    return counts


def draw_repeats(n_available: int, n_repeats: int, rng: np.random.Generator) -> np.ndarray:
    """Draw repeats with replacement.

    Parameters
    ----------
    n_available
        Repeats that were recorded, R.
    n_repeats
        Repeats to draw; may be more than were recorded.
    rng
        From ``draw_generator``.

    Returns
    -------
    np.ndarray of int, shape (R,)
        How often each repeat was drawn.

    Raises
    ------
    ConfigError, DataError
        If ``n_repeats`` is, or there are, less than 1.
    """
    n_repeats = whole("n_repeats", n_repeats, 1)
    if n_available < 1:
        raise DataError(f"there are {n_available} repeats to draw from; record at least 1")
    return np.bincount(rng.integers(n_available, size=n_repeats), minlength=n_available)


def draw_tests(
    durations: Sequence[float] | np.ndarray,
    n_available: int,
    *,
    percent_duration: float | None,
    n_repeats: int | None,
    draws: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw test stimuli and repeats many times; a drawn repeat is the same one for all stimuli.

    Parameters
    ----------
    durations
        Of each test stimulus, shape (S,).
    n_available
        Repeats of each that were recorded, R.
    percent_duration
        Of the stimuli's total duration to draw; None takes every stimulus once.
    n_repeats
        Repeats to draw; None takes every repeat once.
    draws
        How many draws to make, numbered from 0.
    seed
        Together with the percentage, the number of repeats and the number of the draw it decides what is drawn.

    Returns
    -------
    stimulus_counts, repeat_counts
        How often each was drawn, of shapes (draws, S) and (draws, R).

    Raises
    ------
    ConfigError, DataError
        As in ``draw_stimuli`` and ``draw_repeats``, or if ``draws`` is less than 1.
    """
    if draws < 1:
        raise ConfigError(f"draws={draws} must be 1 or more")
    stimuli = np.ones((draws, len(durations)), dtype=np.int64)
    repeats = np.ones((draws, n_available), dtype=np.int64)
    for k in range(draws):
        rng = draw_generator(seed, "test", percent_duration, n_repeats, k)
        if percent_duration is not None:
            stimuli[k] = draw_stimuli(durations, percent_duration, rng)
        if n_repeats is not None:
            repeats[k] = draw_repeats(n_available, n_repeats, rng)
    return stimuli, repeats
