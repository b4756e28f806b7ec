"""Scoring every penalty over folds, and choosing.

Bounds and scores in single precision tell which penalties could win, so that few are scored in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

import numpy as np
from array_api_compat import device as device_of
from array_api_compat import is_numpy_array

from distributed_trf.arrays import blocks, namespace, to_numpy_together, wait_for
from distributed_trf.cores import cores_for, side_by_side
from distributed_trf.timing import timed
from distributed_trf.trf.distinct_penalties import Distinct, Scores
from distributed_trf.trf.fold_scores import Scored, Validation
from distributed_trf.trf.moment_validation import MomentValidation
from distributed_trf.trf.screens import Exact, Screen, SinglePrecision, UnitDiagonal
from distributed_trf.trf.solvers import Diagonal


def candidates(groups: Sequence[Sequence[Screen]]) -> list[np.ndarray]:
    """Return which penalties could have the largest gain over all folds, for each group host bools of shape (A, U).

    One penalty of each unit is scored first, which tells much of the others; what cannot reach it is never scored. What
    to score next is decided on the host, for all groups at once: a GPU is waited for three times.
    """
    # Of each unit and penalty: sum_k upper_k >= sum_k gain_k >= sum_k low_k over folds k. One penalty is scored first,
    # the one that looks best. Any whose upper bound is below that score cannot win, and its forms are never computed.
    xp = namespace(groups[0][0].base)
    guess = to_numpy_together([xp.argmax(sum(s.guess for s in screens), axis=0) for screens in groups])
    looks = [[s.look(best) for s in screens] for screens, best in zip(groups, guess, strict=True)]
    summed = [tuple(sum(part) for part in zip(*of_group, strict=True)) for of_group in looks]
    # also where it is not a number
    seen = to_numpy_together([~(upper < gain - error) for gain, error, upper in summed])
    could_win = []
    for screens, best, (gain, error, _), reached in zip(groups, guess, summed, seen, strict=True):
        first = np.arange(reached.shape[0])[:, None] == best[None, :]
        wanted = reached & ~first
        parts = [s.gains(wanted) for s in screens]
        more, more_error = (sum(values) for values in zip(*parts, strict=True))
        # Those scored lie in [low, high]; who cannot reach the highest low cannot win. The winner is always among the
        # rest, with all that could tie with it, so that the choice is that of scoring every penalty in full.
        scored, known = (xp.asarray(mask, device=device_of(gain)) for mask in (first, wanted))
        low = xp.where(known, more - more_error, xp.where(scored, gain - error, -xp.inf))
        high = xp.where(known, more + more_error, xp.where(scored, gain + error, -xp.inf))
        could_win.append((scored | known) & ~(high < xp.max(low, axis=0)))
    return to_numpy_together(could_win)


@timed("search")
def search(
    folds: Iterator[Sequence[Scored]], alphas: Sequence[float], *, screen: bool, unit_block: int
) -> list[Scores]:
    """Score penalties over folds for each group of units and choose.

    Parameters
    ----------
    folds
        Validations of each fold, one for each group of units.
    alphas
        Penalties, ascending; those that cannot differ are scored once (see ``distinct_penalties``).
    screen
        Score in double precision only penalties that could be the best, as given by ``candidates``: the same choice for
        less work, but no scores of the others. Folds solved by eigenvectors are then all held in memory.
    unit_block
        Units scored together.

    Notes
    -----
    Chosen by what differs between penalties: in 1 - 1e-16 and 1 - 2e-16 rounding would choose, and on another machine
    otherwise.
    """
    scores = _screened(folds, alphas, unit_block) if screen else _scored(folds, alphas, unit_block)
    wait_for(scores[-1].best)
    return scores


def _scored(folds: Iterator[Sequence[Scored]], alphas: Sequence[float], unit_block: int) -> list[Scores]:
    """Score every penalty, fold after fold, of which one at a time is in memory."""
    totals: list[Scores] = []
    n_folds = 0
    for validations in folds:
        n_folds += 1
        if not totals:
            totals = [Scores.of(v, alphas, Distinct.of(v, alphas), unit_block) for v in validations]
            continue
        for g, v in enumerate(validations):
            distinct = totals[g].distinct | Distinct.of(v, alphas)
            totals[g] = totals[g].apart(distinct) + Scores.of(v, alphas, distinct, unit_block)
    return [total / n_folds for total in totals]


def _screened(folds: Iterator[Sequence[Scored]], alphas: Sequence[float], unit_block: int) -> list[Scores]:
    """Score what could win: blocks of units side by side, or on a GPU all units at once."""
    of_folds = [_kept(validations, alphas, unit_block) for validations in folds]
    groups = [_Group(kept, alphas, unit_block) for kept in zip(*of_folds, strict=True)]
    base = groups[0].folds[0].base
    cores = cores_for(base)
    if is_numpy_array(base):
        widest = max(group.folds[0].base.shape[0] for group in groups)
        size = min(unit_block, -(-widest // cores))
        pieces = [[(group, units)] for group in groups for units in blocks(group.folds[0].base.shape[0], size)]
    else:
        pieces = [[(group, slice(None)) for group in groups]]
    found = side_by_side(_choose, pieces, cores)
    parts: dict[_Group, list[Scores]] = {group: [] for group in groups}
    for piece, of_piece in zip(pieces, found, strict=True):
        for (group, _), scores in zip(piece, of_piece, strict=True):
            parts[group].append(scores)
    return [Scores.joined(parts[group]) for group in groups]


def _choose(piece: Sequence[tuple[_Group, slice]]) -> list[Scores]:
    """Score what could win of some units of some groups."""
    screens = [group.screens(units) for group, units in piece]
    wins = candidates(screens)
    return [g.scores(units, s, could) for (g, units), s, could in zip(piece, screens, wins, strict=True)]


MOMENTS = (Validation, MomentValidation)
"""Folds whose held-out X'X is known."""
Kept = tuple[Scored | Exact, UnitDiagonal | None, Distinct]
"""A fold, its held-out X'X for single precision, and which penalties differ in it."""


def _kept(validations: Sequence[Scored], alphas: Sequence[float], unit_block: int) -> list[Kept]:
    """Keep a fold; only a diagonal solver is quick enough for anything but its gains themselves to pay."""
    kept: list[Kept] = []
    scaled: dict[int, UnitDiagonal] = {}
    others = [v for v in validations if not isinstance(v.solver, Diagonal)]
    cores = cores_for(validations[0].base)
    gains = iter(side_by_side(lambda v: v.gains(alphas, unit_block), others, cores))
    for v in validations:
        if not isinstance(v.solver, Diagonal):
            kept.append((Exact(next(gains), v.base, None), None, Distinct.all_of(len(alphas))))
            continue
        if isinstance(v, MOMENTS) and id(v.quadratic) not in scaled:  # of groups that share coordinates once
            scaled[id(v.quadratic)] = UnitDiagonal.of(v.quadratic)
        kept.append((v, scaled[id(v.quadratic)] if isinstance(v, MOMENTS) else None, Distinct.of(v, alphas)))
    return kept


class _Group:
    """One group of units over all folds."""

    def __init__(self, kept: Sequence[Kept], alphas: Sequence[float], unit_block: int) -> None:
        self._alphas, self._unit_block = alphas, unit_block
        self._distinct = reduce(or_, [distinct for _, _, distinct in kept])
        self._first = [alphas[a] for a in self._distinct.first]
        self.folds = [v if isinstance(v, (*MOMENTS, Exact)) else self._exact(v) for v, _, _ in kept]
        self._scaled = [h for _, h, _ in kept]

    def _exact(self, v: Scored) -> Exact:
        copies = self._distinct.copies
        terms = None if copies == len(self._alphas) else v.terms(self._alphas[copies], self._unit_block)
        return Exact(v.gains(self._first, self._unit_block), v.base, terms)

    def screens(self, units: slice) -> list[Screen]:
        """What is known of some units' gains."""
        screens: list[Screen] = []
        for fold, scaled in zip(self.folds, self._scaled, strict=True):
            some = fold.of_units(units)
            if isinstance(some, Exact):
                screens.append(some)
            else:
                assert scaled is not None  # for the type checker: every Validation that is kept has one
                screens.append(SinglePrecision(some, self._first, self._unit_block, scaled))
        return screens

    def scores(self, units: slice, screens: Sequence[Screen], wins: np.ndarray) -> Scores:
        """Score what could win of some units, host bools of shape (A, U)."""
        gain = sum(fold.exact(wins) for fold in screens)
        xp, copies = namespace(gain), self._distinct.copies
        rows = xp.where(xp.asarray(wins, device=device_of(gain)), gain, -xp.inf)
        terms = None
        if copies < len(self._alphas):
            parts = [fold.terms(self._alphas[copies], self._unit_block) for fold in screens]
            terms = sum(linear for linear, _ in parts), sum(form for _, form in parts)
        base = sum(fold.base for fold in screens)
        return Scores(self._alphas, self._distinct, rows, terms, base) / len(screens)
