"""Which penalties could win: told by bounds and in single precision, so that few are scored in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, blocks, namespace, scatter
from distributed_trf.trf.solvers import Diagonal
from distributed_trf.trf.validation import Validation, form_of, gains, gains_where, linear_parts, n_unshared

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

    def gains(self, wanted: Array) -> tuple[Array, Array]:
        """Return gains where wanted, (A, U), and how far off they may be; elsewhere they mean nothing."""

    def exact(self, wanted: Array) -> Array:
        """Return gains in double precision where wanted, (A, U); elsewhere they mean nothing."""


def screen_of(v: Validation, alphas: Sequence[float], unit_block: int) -> Screen:
    """Screen a fold; only a diagonal solver is quick enough for anything but its gains themselves to pay."""
    if isinstance(v.solver, Diagonal):
        return SinglePrecision(v, v.solver, alphas, unit_block)
    return Exact(gains(v, alphas, unit_block), v.base)


def candidates(screens: Sequence[Screen]) -> Array:
    """Tell which penalties could have the largest gain over all folds, shape (A, U).

    One penalty of each unit is scored first; what cannot reach it is never scored.
    """
    upper: Array = sum(s.upper for s in screens)
    guess: Array = sum(s.guess for s in screens)
    xp = namespace(upper)
    first = xp.arange(upper.shape[0], device=device_of(upper))[:, None] == xp.argmax(guess, axis=0)[None, :]
    low, high = _bounds(screens, first)
    reached = xp.max(low, axis=0)
    seen = first | ~(upper < reached)  # also where it is not a number
    more_low, more_high = _bounds(screens, seen & ~first)
    low, high = xp.where(first, low, more_low), xp.where(first, high, more_high)
    return seen & ~(high < xp.max(low, axis=0))


def _bounds(screens: Sequence[Screen], wanted: Array) -> tuple[Array, Array]:
    """Between what the sum of gains over folds lies where wanted; minus infinity elsewhere."""
    xp = namespace(wanted)
    parts = [s.gains(wanted) for s in screens]
    gain, error = (sum(found) for found in zip(*parts, strict=True))
    return xp.where(wanted, gain - error, -xp.inf), xp.where(wanted, gain + error, -xp.inf)


class Exact:
    """A fold whose gains are all known, so that nothing else of it is kept."""

    def __init__(self, gain: Array, base: Array) -> None:
        self.upper = self.guess = self._gain = gain
        self.base = base

    def gains(self, wanted: Array) -> tuple[Array, Array]:
        """Return the gains, and no error."""
        return self._gain, namespace(wanted).zeros_like(self._gain)

    def exact(self, wanted: Array) -> Array:
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
        self._v, self._alphas, self._unit_block = v, alphas, unit_block
        self.base = v.base
        # H with a unit diagonal, and w over the root of what the diagonal alone adds to its form: no element is larger
        # than 1, whatever the sizes of features, responses and penalties.
        diagonal = xp.linalg.diagonal(v.quadratic)
        root = xp.sqrt(xp.maximum(diagonal, xp.zeros_like(diagonal)))
        over_root = xp.where(root > 0, 1 / xp.where(root > 0, root, xp.ones_like(root)), xp.zeros_like(root))
        quadratic, projected = v.quadratic * (over_root[:, None] * over_root[None, :]), root[:, None] * v.projected
        inverse = xp.stack([solver.inverse(v.n * alpha) for alpha in alphas])
        rho = float(xp.max(xp.sum(xp.abs(quadratic), axis=1)))
        own = [inverse**2 @ projected[:, b] ** 2 for b in blocks(v.base.shape[0], unit_block)]
        of_diagonal = xp.concat(own, axis=1)
        self._error = 8 * (2 * quadratic.shape[0]) ** 0.5 * SINGLE * rho * of_diagonal
        size, sizes = xp.max(inverse, axis=1), xp.max(xp.abs(projected), axis=0)
        size, sizes = (xp.where(a > 0, a, xp.ones_like(a)) for a in (size, sizes))
        inverse, projected = inverse / size[:, None], projected / sizes[None, :]
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
        self.upper = self._linear - self._linear**2 / (4 * rest) + self._rounding
        self.guess = self._linear - of_diagonal

    def gains(self, wanted: Array) -> tuple[Array, Array]:
        """Return gains and their errors; where one product serves many penalties they are in double precision."""
        xp, rows = namespace(wanted), []
        single = n_unshared(self._v, self._alphas)
        for a in range(single):
            units, forms = xp.nonzero(wanted[a, :])[0], []
            for block in blocks(units.shape[0], self._unit_block):
                chosen = units[block]
                w = xp.take(self._projected, chosen, axis=1) * self._inverse[a, :][:, None]
                form = form_of(self._quadratic, w * xp.take(self._shrink[a, :], chosen), self._removed)
                forms.append(form * xp.take(self._of_diagonal[a, :], chosen))
            form = xp.concat(forms) if forms else self.base[:0]
            rows.append(self._linear[a, :] - scatter(form, wanted[a, :]))
        exact = gains_where(self._v, self._alphas[single:], wanted[single:, :], self._unit_block)
        error = xp.concat([self._error[:single, :], self._rounding[single:, :]])
        return xp.concat([xp.stack(rows), exact]) if rows else exact, error

    def exact(self, wanted: Array) -> Array:
        """Return gains in double precision where wanted, zero elsewhere."""
        return gains_where(self._v, self._alphas, wanted, self._unit_block)
