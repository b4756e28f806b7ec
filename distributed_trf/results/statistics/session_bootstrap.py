"""How far numbers would move if other sessions had been recorded: whole sessions drawn with replacement.

Units of one session share an animal, a day and a place, so they are no independent samples; sessions come nearer to
that.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=8)  # every layer of a network is drawn for the same sessions
def draw_sessions(n_sessions: int, n_boot: int, seed: int) -> np.ndarray:
    """Draw as many sessions as there are, with replacement.

    Returns
    -------
    np.ndarray of shape (n_boot, n_sessions)
        How often each session was drawn; not to be written to.
    """
    rng = np.random.default_rng([seed, n_sessions])
    drawn = rng.multinomial(n_sessions, np.full(n_sessions, 1 / n_sessions), size=n_boot)
    drawn.flags.writeable = False
    return drawn


def drawn_medians(values: np.ndarray, session: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Compute the median over the units of each draw of sessions.

    Parameters
    ----------
    values
        Of each unit, without NaN, shape (n,).
    session
        Which session each unit is of, 0 to n_sessions - 1, shape (n,).
    drawn
        How often each session was drawn, shape (n_boot, n_sessions).

    Returns
    -------
    np.ndarray of shape (n_boot,)
        NaN for a draw without units.

    Notes
    -----
    Values are sorted once. How many units of each session are among the k smallest is tabulated, so that a draw needs
    the logarithm of n steps to find its median.
    """
    order = np.argsort(values)
    smallest = np.zeros((values.size + 1, drawn.shape[1]), dtype=np.float32)  # whole numbers, and quicker to multiply
    smallest[np.arange(1, values.size + 1), session[order]] = 1
    smallest = smallest.cumsum(axis=0)
    weights = drawn.astype(np.float32)
    total = weights @ smallest[-1]
    ranks = np.stack([(total - 1) // 2, total // 2])
    low, high = np.zeros(ranks.shape, dtype=np.int64), np.full(ranks.shape, values.size)
    while (low < high).any():
        middle = (low + high) // 2
        enough = np.einsum("bs,kbs->kb", weights, smallest[middle]) > ranks
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return np.where(total > 0, values[order][np.maximum(low - 1, 0)].mean(axis=0), np.nan)


def interval(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """Return the percentile interval of drawn numbers, NaN left out; NaN where all are."""
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
