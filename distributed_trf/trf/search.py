"""Scoring every penalty on held-out trials from their moments: no response is ever predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, blocks, namespace, scatter
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.moments import Responses
from distributed_trf.trf.solvers import NEGLIGIBLE, Diagonal, Solver
from distributed_trf.trf.symmetric import inner, quadratic_forms

SINGLE = 2.0**-24
"""Unit roundoff of float32."""


@dataclass(frozen=True)
class Validation:
    """One fold and one group of units: all that scoring their solutions takes, in the coordinates of a solver.

    Units are divided by the root of their held-out sum of squares, so that forms are parts of R^2, and no precision is
    too narrow for the squares of responses in tesla.
    """

    solver: Solver
    n: float
    """Training rows."""
    projected: Array
    """X'Y of the training rows, shape (k, U)."""
    target: Array
    """X'Y of the held-out rows around the training means, shape (k, U)."""
    quadratic: Array
    """X'X of the held-out rows around the training means, shape (k, k)."""
    removed: Array | None
    """Rows that are in ``quadratic`` but that these units did not hear, shape (k, r)."""
    base: Array
    """R^2 of predicting the training mean, shape (U,)."""

    @classmethod
    def of(
        cls,
        solver: Solver,
        train: Responses,
        held_out: Responses,
        projected: tuple[Array, Array],
        quadratic: Array,
        removed: Array | None,
    ) -> Validation:
        """Derive the scores' scale: a unit that never varies on the held-out rows has R^2 = 0, as in scikit-learn."""
        xp = namespace(held_out.yy)
        alive = varies(held_out.yy, held_out.y_mean, held_out.n)
        power = xp.where(alive, held_out.yy, xp.ones_like(held_out.yy))
        base = 1 - held_out.power_around(train.y_mean) / power
        root = xp.where(alive, 1 / xp.sqrt(power), xp.zeros_like(power))
        scaled, target = (a * xp.astype(root, a.dtype, copy=False) for a in projected)
        return cls(solver, train.n, scaled, target, quadratic, removed, xp.where(alive, base, xp.zeros_like(base)))


def gains(v: Validation, alphas: Sequence[float], unit_block: int) -> Array:
    """Score every penalty for every unit.

    Returns
    -------
    array of shape (A, U)
        What the weights add to R^2: ``R^2 = base + gain``, ``gain = (2 w'X'y - w'X'X w) / y'y`` over held-out rows.
    """
    xp = namespace(v.target)
    shared = _Shared(v, unit_block)
    linear = _linear(v, v.solver.values, alphas, unit_block) if isinstance(v.solver, Diagonal) else None
    rows = []
    for a, alpha in enumerate(alphas):
        shift, parts = v.n * alpha, []
        apply = v.solver.at(shift)
        for block in blocks(v.target.shape[1], unit_block):
            w = apply(v.projected[:, block])
            form = shared.form(w, shift, block) if shared.holds(shift) else _form(v, v.quadratic, w)
            parts.append((2 * inner(w, v.target[:, block]) if linear is None else linear[a, block]) - form)
        rows.append(xp.concat(parts))
    return xp.stack(rows)


def screened_gains(v: Validation, values: Array, alphas: Sequence[float], unit_block: int) -> tuple[Array, Array]:
    """Score every penalty with quadratic forms in single precision, and bound the error.

    Parameters
    ----------
    v
        A fold whose solver is diagonal, with eigenvalues ``values``.
    values, alphas, unit_block
        Shape (k,); penalties; units at once.

    Returns
    -------
    gain, error : arrays of shape (A, U)
        The error of a form over k coordinates is taken as ``8 sqrt(2 k) u |w|'|H||w|``, the probabilistic bound of
        Higham & Mary (2019, SIAM J Sci Comput 41) with a chance below 1e-13 per form to be exceeded, and
        ``|w|'|H||w| <= rho sum H_ii w_i^2`` with rho the largest row sum of ``|H|`` scaled to a unit diagonal.
    """
    xp = namespace(v.target)
    # H over its largest element and w times the root of it: single precision has no room for features of extreme size.
    size = float(xp.max(xp.linalg.diagonal(v.quadratic))) or 1.0
    quadratic, projected = v.quadratic / size, v.projected / size**0.5
    inverse = xp.stack([size / (values + v.n * alpha) for alpha in alphas])
    diagonal = xp.linalg.diagonal(quadratic)
    root = xp.sqrt(xp.where(diagonal > 0, diagonal, xp.ones_like(diagonal)))
    rho = float(xp.max(xp.sum(xp.abs(quadratic) / root[None, :], axis=1) / root))
    unit_error = 8 * (2 * quadratic.shape[0]) ** 0.5 * SINGLE * rho
    bound = unit_error * xp.concat(
        [inverse**2 @ (diagonal[:, None] * projected[:, b] ** 2) for b in blocks(v.base.shape[0], unit_block)], axis=1
    )
    quadratic, projected, inverse = (xp.astype(a, xp.float32) for a in (quadratic, projected, inverse))
    removed = None if v.removed is None else xp.astype(v.removed / size**0.5, xp.float32)
    narrow = replace(v, removed=removed)
    shared, linear = _Shared(v, unit_block), _linear(v, values, alphas, unit_block)
    gain = []
    for a, alpha in enumerate(alphas):
        shift, forms = v.n * alpha, []
        apply = v.solver.at(shift)
        for block in blocks(v.base.shape[0], unit_block):
            if shared.holds(shift):
                forms.append(shared.form(apply(v.projected[:, block]), shift, block))
            else:
                forms.append(_form(narrow, quadratic, projected[:, block] * inverse[a, :][:, None]))
        gain.append(linear[a, :] - xp.concat(forms))
    negligible = xp.asarray([shared.holds(v.n * alpha) for alpha in alphas], device=device_of(bound))
    return xp.stack(gain), xp.where(negligible[:, None], xp.zeros_like(bound), bound)


def gains_where(v: Validation, alphas: Sequence[float], wanted: Array, unit_block: int) -> Array:
    """Score only some penalties of some units: ``wanted`` (A, U); zero elsewhere."""
    xp = namespace(v.target)
    rows = []
    for a, alpha in enumerate(alphas):
        units = xp.nonzero(wanted[a, :])[0]
        if units.shape[0] == 0:
            rows.append(xp.zeros_like(v.base))
            continue
        apply, parts = v.solver.at(v.n * alpha), []
        for block in blocks(units.shape[0], unit_block):
            w = apply(xp.take(v.projected, units[block], axis=1))
            parts.append(2 * inner(w, xp.take(v.target, units[block], axis=1)) - _form(v, v.quadratic, w))
        rows.append(scatter(xp.concat(parts), wanted[a, :]))
    return xp.stack(rows)


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


def _linear(v: Validation, values: Array, alphas: Sequence[float], unit_block: int) -> Array:
    """``2 w'X'y`` for all penalties at once, shape (A, U): a small product, where the solver is diagonal."""
    xp = namespace(v.target)
    inverse = xp.stack([2 / (values + v.n * alpha) for alpha in alphas])
    parts = [inverse @ (v.projected[:, block] * v.target[:, block]) for block in blocks(v.base.shape[0], unit_block)]
    return xp.astype(xp.concat(parts, axis=1), xp.float64, copy=False)


def _form(v: Validation, matrix: Array, w: Array) -> Array:
    """``w'Hw`` of each column over the rows that the units heard."""
    return quadratic_forms(matrix, w) - _removed(v, w)


def _removed(v: Validation, w: Array) -> Array | float:
    """What rows that the units did not hear have put into the form."""
    if v.removed is None:
        return 0.0
    moved = v.removed.T @ w
    return inner(moved, moved)


class _Shared:
    """Forms for all shifts beside which M is negligible: there ``w = b / shift`` nearly, and one product H b serves.

    With e the small difference, ``w'Hw = (2 w - b / shift)'H b / shift + e'He``, and the last term is below 1e-12.
    """

    def __init__(self, v: Validation, unit_block: int) -> None:
        self._v, self._unit_block = v, unit_block
        self._limit = v.solver.largest / NEGLIGIBLE
        self._products: dict[int, Array] = {}

    def holds(self, shift: float) -> bool:
        return shift >= self._limit

    def form(self, w: Array, shift: float, block: slice) -> Array:
        b = self._v.projected[:, block]
        if block.start not in self._products:
            self._products[block.start] = self._v.quadratic @ b
        # Divided last: single precision has no room for weights shrunk by 1e15 twice.
        return inner(self._products[block.start], 2 * shift * w - b) / shift / shift - _removed(self._v, w)
