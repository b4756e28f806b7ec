"""Which penalties have scores that differ in float64: each of those is scored once, and the others follow.

With M the scaled Gram matrix of m training rows, its eigenvalues v_i and b = X'Y in their coordinates, weights at the
penalty alpha are ``w_i = b_i / (v_i + m alpha)``.

- A shift ``m alpha <= eps max(v)`` is lost beside the rounding of M and counts as that rounding: all such penalties
  have the same weights, to the last bit (``Diagonal.distinct``).
- From ``m alpha >= 2 max(v) / eps`` on, ``v_i + m alpha`` rounds to ``m alpha``: weights ``w = b / (m alpha)`` are
  scaled copies of one another. With l = 2 w'X'y and f = w'X'X w over held-out rows, summed over folds at the first of
  them, the gain at any other is ``l r - f r^2`` with ``r = first / alpha``: two numbers of a unit serve them all.

In between every penalty has scores of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from distributed_trf.arrays import Array, like, namespace, take_rows
from distributed_trf.trf.fold_scores import Scored
from distributed_trf.trf.solvers import Diagonal


@dataclass(frozen=True)
class Distinct:
    """Penalties, ascending, as intervals of equals and a tail of scaled copies."""

    first: tuple[int, ...] = (0,)
    """First of each interval of equals before the copies, ascending."""
    copies: int = 1
    """The first of those whose weights are scaled copies; the number of penalties if there are none."""

    @classmethod
    def of(cls, v: Scored, alphas: Sequence[float]) -> Distinct:
        """Look at one fold."""
        shifts, xp = [v.n * alpha for alpha in alphas], namespace(v.base)
        # v + c rounds to c in floating point where v <= c eps / 2; at the largest v this holds for all eigenvalues.
        limit = 2 * v.solver.largest / float(xp.finfo(v.dtype).eps)
        copies = max(sum(shift < limit for shift in shifts), 1)
        first = v.solver.distinct(shifts)[0].tolist() if isinstance(v.solver, Diagonal) else range(len(alphas))
        return cls(tuple(a for a in first if a < copies), copies)

    @classmethod
    def all_of(cls, n: int) -> Distinct:
        """Tell all penalties apart."""
        return cls(tuple(range(n)), n)

    def __or__(self, other: Distinct) -> Distinct:
        """Tell apart what differs in one of two folds."""
        # Penalties that are copies in one fold alone have, in the other, scores that no other's follow from.
        either = {*self.first, *other.first, *range(*sorted((self.copies, other.copies)))}
        return Distinct(tuple(sorted(either)), max(self.copies, other.copies))


@dataclass(frozen=True)
class Scores:
    """Held-out scores of one group of units: sums, or means, over folds."""

    alphas: Sequence[float] = field(repr=False)
    distinct: Distinct
    rows: Array
    """Gain of the first penalty of each interval of equals; minus infinity where screening ruled it out, (D, U)."""
    terms: tuple[Array, Array] | None
    """l and f of the first copy, of shape (U,) each; None if there are no copies."""
    base: Array
    """Shape (U,); ``R^2 = base + gain``."""

    @classmethod
    def of(cls, v: Scored, alphas: Sequence[float], distinct: Distinct, unit_block: int) -> Scores:
        """Score one fold."""
        rows = v.gains([alphas[a] for a in distinct.first], unit_block)
        copies = distinct.copies
        terms = None if copies == len(alphas) else v.terms(alphas[copies], unit_block)
        return cls(alphas, distinct, rows, terms, v.base)

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Put units side by side, of which the same penalties are told apart."""
        first, xp = parts[0], namespace(parts[0].base)
        terms = [part.terms for part in parts if part.terms is not None]
        return cls(
            first.alphas,
            first.distinct,
            xp.concat([part.rows for part in parts], axis=1),
            (xp.concat([linear for linear, _ in terms]), xp.concat([form for _, form in terms])) if terms else None,
            xp.concat([part.base for part in parts]),
        )

    def __add__(self, other: Scores) -> Scores:
        """Add a fold in which the same penalties are told apart."""
        terms = None
        if self.terms is not None and other.terms is not None:
            terms = self.terms[0] + other.terms[0], self.terms[1] + other.terms[1]
        return Scores(self.alphas, self.distinct, self.rows + other.rows, terms, self.base + other.base)

    def __truediv__(self, n: int) -> Scores:
        terms = None if self.terms is None else (self.terms[0] / n, self.terms[1] / n)
        return Scores(self.alphas, self.distinct, self.rows / n, terms, self.base / n)

    def apart(self, distinct: Distinct) -> Scores:
        """Tell more penalties apart."""
        if distinct == self.distinct:
            return self
        rows = self._of_equals(distinct.first, distinct.copies)
        terms = None
        if distinct.copies < len(self.alphas) and self.terms is not None:
            # The tail begins later now: weights shrink by r, so that l, linear in them, does so once and f twice.
            r = self.alphas[self.distinct.copies] / self.alphas[distinct.copies]
            terms = self.terms[0] * r, self.terms[1] * r * r
        return Scores(self.alphas, distinct, rows, terms, self.base)

    @cached_property
    def gain(self) -> Array:
        """Of each penalty, shape (A, U); NaN where screening ruled it out."""
        every = self._of_equals(range(len(self.alphas)), len(self.alphas))
        xp = namespace(every)
        return xp.where(xp.isfinite(every), every, xp.nan)

    @cached_property
    def _chosen(self) -> tuple[Array, Array]:
        xp = namespace(self.rows)
        best, largest = xp.argmax(self.rows, axis=0), xp.max(self.rows, axis=0)
        index = xp.take(xp.asarray(self.distinct.first, device=self.rows.device), best)
        if self.terms is None:
            return index, largest
        of_copies = self._of_copies(len(self.alphas))
        highest = xp.max(of_copies, axis=0)
        later = highest > largest  # of equals the smaller penalty, which is not among the copies
        index = xp.where(later, self.distinct.copies + xp.argmax(of_copies, axis=0), index)
        return index, xp.where(later, highest, largest)

    @property
    def best(self) -> Array:
        """Index of each unit's penalty, the smaller of equals, shape (U,)."""
        return self._chosen[0]

    @property
    def largest(self) -> Array:
        """Gain of that penalty, shape (U,)."""
        return self._chosen[1]

    def _of_equals(self, wanted: Sequence[int], copies: int) -> Array:
        """Gains of some penalties before ``copies``, ascending."""
        own = np.asarray([a for a in wanted if a < self.distinct.copies])
        rows = take_rows(self.rows, np.searchsorted(self.distinct.first, own, side="right") - 1)
        return rows if self.terms is None else namespace(rows).concat([rows, self._of_copies(copies)])

    def _of_copies(self, stop: int) -> Array:
        """Gains of the copies before ``stop``."""
        assert self.terms is not None  # for the type checker: callers look
        first = self.alphas[self.distinct.copies]
        # l r - f r^2 in r = c_first / c, from l = 2 sum_i b_i t_i / c_first and f = b'Hb / c_first^2.
        r = like([first / alpha for alpha in self.alphas[self.distinct.copies : stop]], self.base)[:, None]
        return self.terms[0] * r - self.terms[1] * r * r
