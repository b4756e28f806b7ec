"""What is known of a fold's gains before, and after, forms are computed: bounds, and scores in single precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array, blocks, namespace, scatter, take_columns, take_each
from distributed_trf.trf.fold_scores import Validation, form_of, forms_where, linear_parts, n_unshared, product_of
from distributed_trf.trf.scaled_gram import inner
from distributed_trf.trf.solvers import Diagonal

SINGLE = 2.0**-24
"""Unit roundoff of float32."""
SLACK, SLACK_SINGLE = 1e-12, 1e-4
"""Relative to the size of its terms, what rounding could do to a sum in double and in single precision."""


class Screen(Protocol):
    """One fold and one group of units: what is known of the gains before, and after, forms are computed."""

    guess: Array
    """About as large as the gain, shape (A, U)."""
    base: Array
    """R^2 of predicting the training mean, shape (U,)."""

    def look(self, at: np.ndarray) -> tuple[Array, Array, Array]:
        """Score one penalty of each unit, given by host index, and bound the gains of all of them by it.

        Returns
        -------
        gain, error, upper
            Of those penalties, and how far off it may be, shape (U,) each; what no gain exceeds, shape (A, U).
        """

    def gains(self, wanted: np.ndarray) -> tuple[Array, Array]:
        """Return gains where wanted, host bools of (A, U), and how far off they may be; elsewhere they mean nothing."""

    def exact(self, wanted: np.ndarray) -> Array:
        """Return gains in full precision where wanted, (A, U); elsewhere they mean nothing."""

    def terms(self, alpha: float, unit_block: int) -> tuple[Array, Array]:
        """Return what ``Scored.terms`` does, of the first copy."""


class Exact:
    """A fold whose gains are all known, so that nothing else of it is kept."""

    def __init__(self, gain: Array, base: Array, terms: tuple[Array, Array] | None) -> None:
        self.guess = self._gain = gain
        self.base, self._terms = base, terms

    def of_units(self, units: slice) -> Exact:
        """Return the same of some units."""
        terms = None if self._terms is None else (self._terms[0][units], self._terms[1][units])
        return Exact(self._gain[:, units], self.base[units], terms)

    def terms(self, alpha: float, unit_block: int) -> tuple[Array, Array]:
        """Return what ``Scored.terms`` gave for the first copy."""
        assert self._terms is not None  # for the type checker: without copies nobody asks
        return self._terms

    def look(self, at: np.ndarray) -> tuple[Array, Array, Array]:
        """Return the gains of those penalties, no error, and all gains."""
        gain = take_each(self._gain, at)
        return gain, namespace(gain).zeros_like(gain), self._gain

    def gains(self, wanted: np.ndarray) -> tuple[Array, Array]:
        """Return the gains, and no error."""
        return self._gain, namespace(self._gain).zeros_like(self._gain)

    def exact(self, wanted: np.ndarray) -> Array:
        """Return the gains."""
        return self._gain


@dataclass(frozen=True)
class UnitDiagonal:
    """Held-out X'X, called H, with ones on its diagonal: the same for all units and groups that share coordinates.

    With it go w over the root of what the diagonal alone adds to its form, so that no element is larger than 1,
    whatever the sizes of features, responses and penalties.
    """

    quadratic: Array
    """In single precision, shape (k, k)."""
    root: Array
    """Of the diagonal, shape (k,)."""
    over_root: Array
    rho: Array
    """Largest row sum of absolute values."""

    @classmethod
    def of(cls, quadratic: Array) -> UnitDiagonal:
        """Scale H, shape (k, k)."""
        xp = namespace(quadratic)
        diagonal = xp.astype(xp.linalg.diagonal(quadratic), xp.float64, copy=False)
        root = xp.sqrt(xp.maximum(diagonal, xp.zeros_like(diagonal)))
        over_root = xp.where(root > 0, 1 / xp.where(root > 0, root, xp.ones_like(root)), xp.zeros_like(root))
        scaled = over_root[:, None] * quadratic
        scaled *= over_root[None, :]
        rho = xp.max(xp.sum(xp.abs(scaled), axis=1))
        return cls(xp.astype(scaled, xp.float32), root, over_root, rho)


class SinglePrecision:
    """A fold with eigenvalues as its solver: quadratic forms in single precision, with a bound of the error.

    Notes
    -----
    With ``l = 2 w'X'y`` over held-out rows and H their X'X, ``gain = l - w'Hw``. By Cauchy and Schwarz
    ``w'Hw >= (w'H v)^2 / v'Hv`` for any v. With v the weights at one penalty, ``H v`` is one product, and bounds the
    gains at all penalties without forms: nearly sharply where weights are nearly v's.

    The error of a form over k coordinates is taken as ``8 sqrt(2 k) u |w|'|H||w|``, the probabilistic bound of Higham &
    Mary (2019, SIAM J Sci Comput 41) with a chance below 1e-13 per form to be exceeded, and
    ``|w|'|H||w| <= rho sum H_ii w_i^2`` with rho the largest row sum of ``|H|`` scaled to a unit diagonal.
    """

    def __init__(self, v: Validation, alphas: Sequence[float], unit_block: int, h: UnitDiagonal) -> None:
        xp, solver = namespace(v.target), v.solver
        assert isinstance(solver, Diagonal)  # for the type checker
        self._v, self._solver, self._alphas, self._unit_block, self._h = v, solver, alphas, unit_block, h
        self.base = v.base
        # In the solver's coordinates the weights at penalty a are w_i = b_i / (values_i + n alpha_a), b = ``projected``
        # (k, U). With S = diag(sqrt(H_ii)) the form is (S w)' (S^-1 H S^-1) (S w): the same number, H with ones on its
        # diagonal (k, k).
        projected = h.root[:, None] * xp.astype(v.projected, xp.float64, copy=False)
        inverse = xp.astype(solver.inverses([v.n * alpha for alpha in alphas]), xp.float64, copy=False)
        # sum_i H_ii w_i^2 = |S w|^2 for all penalties and units as one product, (A, k) @ (k, U).
        diagonal_terms = [inverse.T**2 @ projected[:, b] ** 2 for b in blocks(v.base.shape[0], unit_block)]
        of_diagonal = xp.concat(diagonal_terms, axis=1)
        # |Sw|' |S^-1 H S^-1| |Sw| <= rho |Sw|^2: the largest row sum of a symmetric matrix bounds its eigenvalues.
        # Where scores are single anyway, those that they are held against are off by as much.
        exact = xp.finfo(v.quadratic.dtype).bits > 32
        self._unit_error = (1 if exact else 2) * 8 * (2 * projected.shape[0]) ** 0.5 * SINGLE * h.rho
        self._error = self._unit_error * of_diagonal
        size, sizes = xp.max(inverse, axis=0), xp.max(xp.abs(projected), axis=0)
        size, sizes = (xp.where(a > 0, a, xp.ones_like(a)) for a in (size, sizes))
        # Each factor is brought to at most 1 before it goes to single precision, whose range ends at 1e38: w over |S w|
        # has a form of at most rho, and ``of_diagonal`` brings the size back afterwards, in double precision.
        inverse, projected = inverse / size[None, :], projected / sizes[None, :]
        norm = xp.sqrt(of_diagonal) / size[:, None] / sizes[None, :]
        shrink = xp.where(norm > 0, 1 / xp.where(norm > 0, norm, xp.ones_like(norm)), xp.zeros_like(norm))
        self._projected, self._inverse, self._shrink = (xp.astype(a, xp.float32) for a in (projected, inverse, shrink))
        self._removed = None if v.removed is None else xp.astype(h.over_root[:, None] * v.removed, xp.float32)
        self._of_diagonal = of_diagonal
        self._linear = linear_parts(v, solver, alphas, unit_block)
        absolute = replace(v, projected=xp.abs(v.projected), target=xp.abs(v.target))
        slack = SLACK if exact else SLACK_SINGLE
        self._rounding = slack * linear_parts(absolute, solver, alphas, unit_block)
        # As if H were diagonal: inexact, but mostly largest at the right penalty, and only the order of work hangs on
        # it.
        self.guess = self._linear - of_diagonal

    def look(self, at: np.ndarray) -> tuple[Array, Array, Array]:
        """Score one penalty of each unit, and bound the gains of all by Cauchy and Schwarz."""
        xp, crossed, forms = namespace(self.base), [], []
        shrink = take_each(self._shrink, at)
        for units in blocks(self.base.shape[0], self._unit_block):
            b = self._projected[:, units]
            # v = S w / |S w|, shape (k, U), at each unit's own penalty, and H v: for all penalties a at once the forms
            # (S w_a)'H v are then one small product, (A, k) @ (k, U), since w_a = inverse_a b.
            v = b * take_columns(self._inverse, at[units]) * shrink[units]
            moved = product_of(self._h.quadratic, v, self._removed)
            forms.append(inner(v, moved))
            crossed.append(xp.astype(self._inverse.T @ (b * moved), xp.float64, copy=False))
        # Both weights are brought to |S w| = |S v| = 1, so that v'Hv and w'Hv may be off by as much. Without negative
        # eigenvalues (w'Hv)^2 <= (w'Hw)(v'Hv): the least w'Hw is what is known of w'Hv, squared, over the most
        # that v'Hv can be. What w'Hv is off by is taken off it, and added to v'Hv.
        error, form = self._unit_error, xp.concat(forms)
        crossed = xp.abs(xp.concat(crossed, axis=1) * self._shrink) - error
        crossed = xp.maximum(crossed, xp.zeros_like(crossed))
        most = form + error
        least = self._of_diagonal * crossed * crossed / xp.where(most > 0, most, xp.ones_like(most))
        of_diagonal = take_each(self._of_diagonal, at)
        gain = take_each(self._linear, at) - form * of_diagonal
        return gain, error * of_diagonal, self._linear - least + self._rounding

    def gains(self, wanted: np.ndarray) -> tuple[Array, Array]:
        """Return gains and their errors; where one product serves many penalties they are in double precision."""
        single, forms = n_unshared(self._v, self._alphas), []
        xp, n_units = namespace(self.base), wanted.shape[1]
        a, u = np.nonzero(wanted[:single, :])
        shrink, of_diagonal = (xp.reshape(t, (1, -1)) for t in (self._shrink, self._of_diagonal))
        for pairs in blocks(len(a), self._unit_block):
            pair = a[pairs] * n_units + u[pairs]
            w = take_columns(self._projected, u[pairs]) * take_columns(self._inverse, a[pairs])
            form = form_of(self._h.quadratic, w * take_columns(shrink, pair), self._removed)
            forms.append(form * take_columns(of_diagonal, pair)[0, :])
        form = scatter(xp.concat([self.base[:0], *forms]), wanted[:single, :].reshape(-1))
        shared = forms_where(self._v, self._solver, self._alphas[single:], wanted[single:, :], self._unit_block)
        error = xp.concat([self._error[:single, :], self._rounding[single:, :]])
        return self._linear - xp.concat([xp.reshape(form, (single, n_units)), shared]), error

    def exact(self, wanted: np.ndarray) -> Array:
        """Return gains in full precision where wanted; elsewhere they mean nothing."""
        return self._linear - forms_where(self._v, self._solver, self._alphas, wanted, self._unit_block)

    def terms(self, alpha: float, unit_block: int) -> tuple[Array, Array]:
        """Return those of the fold."""
        return self._v.terms(alpha, unit_block)
