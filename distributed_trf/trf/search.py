"""Scoring every penalty over folds, and choosing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.screening import gains_where, screened_gains
from distributed_trf.trf.solvers import Diagonal
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
        Score in single precision first, and again in double precision every penalty that could be the best: the same
        choice for less work, but no scores of the others. All folds are then held in memory.
    unit_block
        Units scored together.

    Notes
    -----
    Chosen by what differs between penalties: in 1 - 1e-16 and 1 - 2e-16 rounding would choose, and on another machine
    otherwise.
    """
    kept: list[Sequence[Validation]] = []
    totals: list[tuple[Array, Array, Array]] = []
    n_folds = 0
    for validations in folds:
        found = [(*_scored(v, alphas, screen=screen, unit_block=unit_block), v.base) for v in validations]
        totals = [_add(total, new) for total, new in zip(totals, found, strict=True)] if totals else found
        n_folds += 1
        if screen:
            kept.append(validations)
    scores = []
    for g, (gain, error, base) in enumerate(totals):
        xp = namespace(gain)
        if kept:
            could_win = ~(gain + error < xp.max(gain - error, axis=0))  # also one that is not a number
            again = [gains_where(fold[g], alphas, could_win, unit_block) for fold in kept]
            gain = xp.where(could_win, sum(again[1:], start=again[0]), -xp.inf)
        best = xp.argmax(gain, axis=0)
        gain = xp.where(xp.isfinite(gain), gain, xp.nan) / n_folds
        scores.append(Scores(gain, base / n_folds, best))
    return scores


def _add(a: tuple[Array, Array, Array], b: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _scored(v: Validation, alphas: Sequence[float], *, screen: bool, unit_block: int) -> tuple[Array, Array]:
    """Gains and their errors; only a diagonal solver is quick enough for screening to pay."""
    if screen and isinstance(v.solver, Diagonal):
        return screened_gains(v, v.solver.values, alphas, unit_block)
    gain = gains(v, alphas, unit_block)
    return gain, namespace(gain).zeros_like(gain)
