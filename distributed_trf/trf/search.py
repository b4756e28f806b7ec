"""Scoring every penalty over folds, and choosing.

Bounds and scores in single precision tell which penalties could win, so that few are scored in double precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Protocol

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, blocks, namespace, scatter, take_columns, to_numpy_together, wait_for
from distributed_trf.timing import timed
from distributed_trf.trf.distinct_penalties import Distinct, Scores
from distributed_trf.trf.fold_scores import (
    Scored,
    Validation,
    form_of,
    forms_where,
    linear_parts,
    n_unshared,
)
from distributed_trf.trf.solvers import Diagonal

SINGLE = 2.0**-24
"""Unit roundoff of float32."""
SLACK = 1e-12
"""Relative to the size of its terms, what rounding could do to a sum in double precision."""


class Screen(Protocol):
    """One fold and one group of units: what is known of the gains before, and after, forms are computed."""

    upper: Array
    """No gain is larger, shape (A, U)."""
    guess: Array
    """About as large as the gain, shape (A, U)."""
    base: Array
    """R^2 of predicting the training mean, shape (U,)."""

    def gains(self, wanted: np.ndarray) -> tuple[Array, Array]:
        """Return gains where wanted, host bools of (A, U), and how far off they may be; elsewhere they mean nothing."""

    def exact(self, wanted: np.ndarray) -> Array:
        """Return gains in double precision where wanted, (A, U); elsewhere they mean nothing."""


def screen_of(v: Scored, alphas: Sequence[float], unit_block: int) -> Screen:
    """Screen a fold; only a diagonal solver is quick enough for anything but its gains themselves to pay."""
    if isinstance(v, Validation) and isinstance(v.solver, Diagonal):
        return SinglePrecision(v, v.solver, alphas, unit_block)
    return Exact(v.gains(alphas, unit_block), v.base)


def candidates(groups: Sequence[Sequence[Screen]]) -> list[np.ndarray]:
    """Return which penalties could have the largest gain over all folds, for each group host bools of shape (A, U).

    One penalty of each unit is scored first; what cannot reach it is never scored. What to score next is decided on the
    host, for all groups at once: a GPU is waited for three times.
    """
    xp = namespace(groups[0][0].upper)
    # Of each unit and penalty: sum_k upper_k >= sum_k gain_k >= sum_k low_k over folds k. One penalty is scored first,
    # the one that looks best. Any whose upper bound is below that score cannot win, and its forms are never computed.
    upper: list[Array] = [sum(s.upper for s in screens) for screens in groups]
    guess = to_numpy_together([xp.argmax(sum(s.guess for s in screens), axis=0) for screens in groups])
    first = [np.arange(u.shape[0])[:, None] == best[None, :] for u, best in zip(upper, guess, strict=True)]
    bounds = [_bounds(screens, wanted) for screens, wanted in zip(groups, first, strict=True)]
    # also where it is not a number
    seen = to_numpy_together([~(u < xp.max(low, axis=0)) for u, (low, _) in zip(upper, bounds, strict=True)])
    seen = [reached | wanted for reached, wanted in zip(seen, first, strict=True)]
    could_win = []
    for screens, (low, high), reached, wanted in zip(groups, bounds, seen, first, strict=True):
        scored, more = (xp.asarray(a, device=device_of(low)) for a in (wanted, reached & ~wanted))
        more_low, more_high = _bounds(screens, reached & ~wanted)
        low, high = xp.where(scored, low, more_low), xp.where(scored, high, more_high)
        # Those scored again lie in [low, high]; who cannot reach the highest low cannot win. The winner is always among
        # the rest, with all that could tie with it, so that the choice is that of scoring every penalty in double
        # precision.
        could_win.append((scored | more) & ~(high < xp.max(low, axis=0)))
    return to_numpy_together(could_win)


def _bounds(screens: Sequence[Screen], wanted: np.ndarray) -> tuple[Array, Array]:
    """Between what the sum of gains over folds lies where wanted; minus infinity elsewhere."""
    parts = [s.gains(wanted) for s in screens]
    gain, error = (sum(values) for values in zip(*parts, strict=True))
    xp = namespace(gain)
    mask = xp.asarray(wanted, device=device_of(gain))
    return xp.where(mask, gain - error, -xp.inf), xp.where(mask, gain + error, -xp.inf)


class Exact:
    """A fold whose gains are all known, so that nothing else of it is kept."""

    def __init__(self, gain: Array, base: Array) -> None:
        self.upper = self.guess = self._gain = gain
        self.base = base

    def gains(self, wanted: np.ndarray) -> tuple[Array, Array]:
        """Return the gains, and no error."""
        return self._gain, namespace(self._gain).zeros_like(self._gain)

    def exact(self, wanted: np.ndarray) -> Array:
        """Return the gains."""
        return self._gain


class SinglePrecision:
    """A fold with eigenvalues as its solver: quadratic forms in single precision, with a bound of the error.

    Notes
    -----
    With ``l = 2 w'X'y`` over held-out rows and H their X'X, ``gain = l - w'Hw``. By Cauchy and Schwarz
    ``w'Hw >= (l / 2)^2 / y'y``, which bounds the gain without a form.

    The error of a form over k coordinates is taken as ``8 sqrt(2 k) u |w|'|H||w|``, the probabilistic bound of Higham &
    Mary (2019, SIAM J Sci Comput 41) with a chance below 1e-13 per form to be exceeded, and
    ``|w|'|H||w| <= rho sum H_ii w_i^2`` with rho the largest row sum of ``|H|`` scaled to a unit diagonal.
    """

    def __init__(self, v: Validation, solver: Diagonal, alphas: Sequence[float], unit_block: int) -> None:
        xp = namespace(v.target)
        self._v, self._solver, self._alphas, self._unit_block = v, solver, alphas, unit_block
        self.base = v.base
        # H with a unit diagonal, and w over the root of what the diagonal alone adds to its form: no element is larger
        # than 1, whatever the sizes of features, responses and penalties.
        diagonal = xp.linalg.diagonal(v.quadratic)
        root = xp.sqrt(xp.maximum(diagonal, xp.zeros_like(diagonal)))
        over_root = xp.where(root > 0, 1 / xp.where(root > 0, root, xp.ones_like(root)), xp.zeros_like(root))
        quadratic, projected = v.quadratic * (over_root[:, None] * over_root[None, :]), root[:, None] * v.projected
        # In the solver's coordinates the weights at penalty a are w_i = b_i / (values_i + n alpha_a), b = ``projected``
        # (k, U). With S = diag(sqrt(H_ii)) the form is (S w)' (S^-1 H S^-1) (S w): the same number, H with ones on its
        # diagonal (k, k).
        inverse = solver.inverses([v.n * alpha for alpha in alphas])
        rho = xp.max(xp.sum(xp.abs(quadratic), axis=1))
        # sum_i H_ii w_i^2 = |S w|^2 for all penalties and units as one product, (A, k) @ (k, U).
        diagonal_terms = [inverse.T**2 @ projected[:, b] ** 2 for b in blocks(v.base.shape[0], unit_block)]
        of_diagonal = xp.concat(diagonal_terms, axis=1)
        # |Sw|' |S^-1 H S^-1| |Sw| <= rho |Sw|^2: the largest row sum of a symmetric matrix bounds its eigenvalues.
        self._error = 8 * (2 * quadratic.shape[0]) ** 0.5 * SINGLE * rho * of_diagonal
        size, sizes = xp.max(inverse, axis=0), xp.max(xp.abs(projected), axis=0)
        size, sizes = (xp.where(a > 0, a, xp.ones_like(a)) for a in (size, sizes))
        # Each factor is brought to at most 1 before it goes to single precision, whose range ends at 1e38: w over |S w|
        # has a form of at most rho, and ``of_diagonal`` brings the size back afterwards, in double precision.
        inverse, projected = inverse / size[None, :], projected / sizes[None, :]
        norm = xp.sqrt(of_diagonal) / size[:, None] / sizes[None, :]
        shrink = xp.where(norm > 0, 1 / xp.where(norm > 0, norm, xp.ones_like(norm)), xp.zeros_like(norm))
        self._quadratic, self._projected, self._inverse, self._shrink = (
            xp.astype(a, xp.float32) for a in (quadratic, projected, inverse, shrink)
        )
        self._removed = None if v.removed is None else xp.astype(over_root[:, None] * v.removed, xp.float32)
        self._of_diagonal = of_diagonal
        self._linear = linear_parts(v, solver, alphas, unit_block)
        absolute = replace(v, projected=xp.abs(v.projected), target=xp.abs(v.target))
        self._rounding = SLACK * linear_parts(absolute, solver, alphas, unit_block)
        rest = xp.where(v.base < 1, 1 - v.base, xp.ones_like(v.base))  # none is left where y is the training mean
        # Cauchy & Schwarz over held-out rows, with y about the training mean: (w'X'y)^2 <= (w'X'X w)(y'y), so that
        #   gain = l - w'Hw <= l - (l / 2)^2 / y'y,   and y'y = 1 - base, since units are scaled to a power of 1.
        self.upper = self._linear - self._linear**2 / (4 * rest) + self._rounding
        # As if H were diagonal: inexact, but mostly largest at the right penalty, and only the order of work hangs on
        # it.
        self.guess = self._linear - of_diagonal

    def gains(self, wanted: np.ndarray) -> tuple[Array, Array]:
        """Return gains and their errors; where one product serves many penalties they are in double precision."""
        single, forms = n_unshared(self._v, self._alphas), []
        xp, n_units = namespace(self.base), wanted.shape[1]
        a, u = np.nonzero(wanted[:single, :])
        shrink, of_diagonal = (xp.reshape(t, (1, -1)) for t in (self._shrink, self._of_diagonal))
        for pairs in blocks(len(a), self._unit_block):
            pair = a[pairs] * n_units + u[pairs]
            w = take_columns(self._projected, u[pairs]) * take_columns(self._inverse, a[pairs])
            form = form_of(self._quadratic, w * take_columns(shrink, pair), self._removed)
            forms.append(form * take_columns(of_diagonal, pair)[0, :])
        form = scatter(xp.concat([self.base[:0], *forms]), wanted[:single, :].reshape(-1))
        shared = forms_where(self._v, self._solver, self._alphas[single:], wanted[single:, :], self._unit_block)
        error = xp.concat([self._error[:single, :], self._rounding[single:, :]])
        return self._linear - xp.concat([xp.reshape(form, (single, n_units)), shared]), error

    def exact(self, wanted: np.ndarray) -> Array:
        """Return gains in double precision where wanted; elsewhere they mean nothing."""
        return self._linear - forms_where(self._v, self._solver, self._alphas, wanted, self._unit_block)


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
    """Score what could win."""
    groups = list(zip(*([_kept(v, alphas, unit_block) for v in validations] for validations in folds), strict=True))
    told_apart, screens = [], []
    for folds_of_group in groups:
        distinct = reduce(or_, [d for _, d in folds_of_group])
        kept = [alphas[a] for a in distinct.first]
        told_apart.append(distinct)
        screens.append([v if isinstance(v, Exact) else screen_of(v, kept, unit_block) for v, _ in folds_of_group])
    scores = []
    for group, distinct, of_group, wins in zip(groups, told_apart, screens, candidates(screens), strict=True):
        gain = sum(fold.exact(wins) for fold in of_group)
        xp = namespace(gain)
        rows = xp.where(xp.asarray(wins, device=device_of(gain)), gain, -xp.inf)
        terms = None
        if distinct.copies < len(alphas):
            parts = [v.terms(alphas[distinct.copies], unit_block) for v, _ in group if not isinstance(v, Exact)]
            terms = sum(linear for linear, _ in parts), sum(form for _, form in parts)
        base = sum(fold.base for fold in of_group)
        scores.append(Scores(alphas, distinct, rows, terms, base) / len(of_group))
    return scores


def _kept(v: Scored, alphas: Sequence[float], unit_block: int) -> tuple[Scored | Exact, Distinct]:
    """What is kept of a fold, and which penalties differ in it."""
    if isinstance(v.solver, Diagonal):
        return v, Distinct.of(v, alphas)
    return Exact(v.gains(alphas, unit_block), v.base), Distinct.all_of(len(alphas))
