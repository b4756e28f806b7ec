"""Scoring every penalty over folds, and choosing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, namespace, wait_for
from distributed_trf.timing import timed
from distributed_trf.trf.screening import Screen, candidates, screen_of
from distributed_trf.trf.validation import Validation, gains


@dataclass(frozen=True)
class Scores:
    """Held-out scores of one group of units, mean over folds."""

    gain: Array
    """Shape (A, U); NaN where screening ruled a penalty out."""
    base: Array
    """Shape (U,); ``R^2 = base + gain``."""
    best: Array
    """Index of each unit's penalty, the smaller of equals, shape (U,)."""


@timed("search")
def search(
    folds: Iterator[Sequence[Validation]], alphas: Sequence[float], *, screen: bool, unit_block: int
) -> list[Scores]:
    """Score penalties over folds for each group of units and choose.

    Parameters
    ----------
    folds
        Validations of each fold, one for each group of units.
    alphas
        Penalties, ascending.
    screen
        Score in double precision only penalties that could be the best, as told by ``candidates``: the same choice for
        less work, but no scores of the others. Folds solved by eigenvectors are then all held in memory.
    unit_block
        Units scored together.

    Notes
    -----
    Chosen by what differs between penalties: in 1 - 1e-16 and 1 - 2e-16 rounding would choose, and on another machine
    otherwise.
    """
    if screen:
        screens = [[screen_of(v, alphas, unit_block) for v in validations] for validations in folds]
        groups = list(zip(*screens, strict=True))
        scores = [_screened(group, wins) for group, wins in zip(groups, candidates(groups), strict=True)]
    else:
        scored = ([(gains(v, alphas, unit_block), v.base) for v in validations] for validations in folds)
        totals, n_folds = next(scored), 1
        for found in scored:
            totals = [(gain + g, base + b) for (gain, base), (g, b) in zip(totals, found, strict=True)]
            n_folds += 1
        scores = [_choose(gain, base, n_folds) for gain, base in totals]
    wait_for(scores[-1].best)
    return scores


def _screened(folds: Sequence[Screen], could_win: np.ndarray) -> Scores:
    """Choose for one group of units among those that could win."""
    gain = sum(fold.exact(could_win) for fold in folds)
    xp = namespace(gain)
    gain = xp.where(xp.asarray(could_win, device=device_of(gain)), gain, -xp.inf)
    return _choose(gain, sum(fold.base for fold in folds), len(folds))


def _choose(gain: Array, base: Array, n_folds: int) -> Scores:
    """Choose by sums over folds; a gain of minus infinity was ruled out."""
    xp = namespace(gain)
    best = xp.argmax(gain, axis=0)
    return Scores(xp.where(xp.isfinite(gain), gain, xp.nan) / n_folds, base / n_folds, best)
