"""Scores of weights on held-out trials, from the moments of those trials: no response is ever predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, blocks, like, namespace, scatter, take_columns
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.moments import Responses
from distributed_trf.trf.scaled_gram import inner, quadratic_forms
from distributed_trf.trf.solvers import NEGLIGIBLE, Diagonal, Solver


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
    """Rows that are in ``quadratic`` but were not presented to these units, shape (k, r)."""
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
        pooled: Array,
    ) -> Validation:
        """Derive the scores' scale: a unit that never varies on the held-out rows has R^2 = 0, as in scikit-learn.

        ``pooled`` (U,) are the units' ``pooled_power``.
        """
        root, base = held_out_scale(train, held_out, pooled)
        return cls(solver, train.n, *scaled(projected, root), quadratic, removed, base)

    def of_units(self, units: slice) -> Validation:
        """Return the same of some units."""
        columns = (slice(None), units)
        return replace(self, projected=self.projected[columns], target=self.target[columns], base=self.base[units])

    @property
    def dtype(self) -> Any:
        """Of the coordinates."""
        return self.projected.dtype

    def gains(self, alphas: Sequence[float], unit_block: int) -> Array:
        """Score every penalty for every unit, shape (A, U)."""
        return gains(self, alphas, unit_block)

    def terms(self, alpha: float, unit_block: int) -> tuple[Array, Array]:
        """Return ``2 w'X'y`` and ``w'X'X w`` over held-out rows of ``w = b / shift``, shape (U,) each."""
        xp, shift, linear, form = namespace(self.target), self.n * alpha, [], []
        for units in blocks(self.base.shape[0], unit_block):
            b = self.projected[:, units]
            linear.append(2 * inner(b, self.target[:, units]) / shift)
            form.append(form_of(self.quadratic, b, self.removed) / shift / shift)
        return xp.concat(linear), xp.concat(form)


class Scored(Protocol):
    """What scoring takes of one fold and one group of units, whatever form its held-out rows have."""

    @property
    def solver(self) -> Solver:
        """Of the training rows."""

    @property
    def n(self) -> float:
        """Training rows."""

    @property
    def dtype(self) -> Any:
        """Of the coordinates."""

    @property
    def base(self) -> Array:
        """R^2 of predicting the training mean, shape (U,)."""

    def gains(self, alphas: Sequence[float], unit_block: int) -> Array:
        """Return what weights at every penalty add to R^2, shape (A, U)."""

    def terms(self, alpha: float, unit_block: int) -> tuple[Array, Array]:
        """Return ``2 w'X'y`` and ``w'X'X w`` over held-out rows of ``w = b / shift``, shape (U,) each.

        Beside such a shift every eigenvalue is lost.
        """


def held_out_scale(train: Responses, held_out: Responses, pooled: Array) -> tuple[Array, Array]:
    """Return what units are multiplied by to have a held-out power of 1, and their R^2 of predicting the training mean.

    Both have shape (U,); ``pooled`` (U,) are the units' ``pooled_power``.
    """
    xp = namespace(held_out.yy)
    alone = xp.isnan(pooled)
    alive = varies(held_out.yy, held_out.y_mean, held_out.n) | ~alone
    power = xp.where(alive, xp.where(alone, held_out.yy, pooled), xp.ones_like(held_out.yy))
    base = 1 - held_out.power_around(train.y_mean) / power
    # With y over the root of its power, R^2 = base + 2 w'X'y - w'X'X w, where base = 1 - |y - training mean|^2.
    root = xp.where(alive, 1 / xp.sqrt(power), xp.zeros_like(power))
    return root, xp.where(alive, base, xp.zeros_like(base))


def scaled(projected: tuple[Array, Array], root: Array) -> tuple[Array, Array]:
    """Divide X'Y of the training and of the held-out rows by the root of the units' held-out power."""
    xp = namespace(root)
    of_training, of_held_out = (a * xp.astype(root, a.dtype, copy=False) for a in projected)
    return of_training, of_held_out


def pooled_power(folds: Sequence[Responses]) -> Array:
    """Return what the scores of units that have no R^2 of single folds are scaled by.

    Those are units that vary within fewer than two folds, of which one alone could not choose: without it nothing is
    learnt of them. And all units where a fold is a single bin. Their R^2 is pooled:

    ``R^2 = 1 - sum_k sum_{t in k} (y(t) - p_k(t))^2 / sum_k sum_{t in k} (y(t) - m_k)^2``,

    with ``p_k`` the prediction and ``m_k`` the mean of the rows outside fold k.

    Parameters
    ----------
    folds
        Of the same units on each fold's rows.

    Returns
    -------
    array of shape (U,)
        The lower sum over the number of folds, so that the mean over folds of what is scaled by it is the pooled R^2;
        NaN for a unit whose R^2 is that of each fold, mean over folds.
    """
    first = folds[0].y_mean
    xp = namespace(first)
    n = sum(fold.n for fold in folds)
    mean = first + sum((fold.n / n) * (fold.y_mean - first) for fold in folds[1:])
    # m_k is as far on the other side of the mean as the fold's own mean weighs.
    total = sum(fold.power_around(mean - (fold.y_mean - mean) * (fold.n / (n - fold.n))) for fold in folds)
    within = sum(xp.astype(varies(fold.yy, fold.y_mean, fold.n), xp.int64) for fold in folds)
    pooled = (within < 2) | (min(fold.n for fold in folds) <= 1)
    return xp.where(pooled & varies(total, mean, n), total / len(folds), xp.nan)


def gains(v: Validation, alphas: Sequence[float], unit_block: int) -> Array:
    """Score every penalty for every unit.

    Returns
    -------
    array of shape (A, U)
        What the weights add to R^2: ``R^2 = base + gain``, ``gain = (2 w'X'y - w'X'X w) / y'y`` over held-out rows.
    """
    if isinstance(v.solver, Diagonal):
        return linear_parts(v, v.solver, alphas, unit_block) - forms(v, v.solver, alphas, unit_block)
    xp = namespace(v.target)
    shared, single = SharedForms(v), n_unshared(v, alphas)
    rows = []
    for a, apply in enumerate(v.solver.each(shifts := [v.n * alpha for alpha in alphas])):
        parts = []
        for block in blocks(v.target.shape[1], unit_block):
            w = apply(v.projected[:, block])
            form = form_of(v.quadratic, w, v.removed) if a < single else shared.form(w, shifts[a], block)
            parts.append(2 * inner(w, v.target[:, block]) - form)
        rows.append(xp.concat(parts))
    return xp.stack(rows)


def forms(v: Validation, solver: Diagonal, alphas: Sequence[float], unit_block: int) -> Array:
    """``w'Hw`` for all penalties and units, shape (A, U): few units are solved at several penalties at once."""
    xp, n_units = namespace(v.target), v.base.shape[0]
    single, inverses = n_unshared(v, alphas), solver.inverses([v.n * alpha for alpha in alphas])
    rows = []
    for penalties in blocks(single, max(unit_block // n_units, 1)):
        parts = []
        for block in blocks(n_units, unit_block):
            # w for some penalties and units at once, (k, A, U), so that H w is one large product.
            w = v.projected[:, None, block] * inverses[:, penalties, None]
            form = form_of(v.quadratic, xp.reshape(w, (w.shape[0], -1)), v.removed)
            parts.append(xp.reshape(form, tuple(w.shape[1:])))
        rows.append(xp.concat(parts, axis=1))
    if single < len(alphas):
        rows.append(shared_forms(v, inverses[:, single:], alphas[single:], unit_block))
    return xp.concat(rows)


def shared_forms(
    v: Validation, inverses: Array, alphas: Sequence[float], unit_block: int, units: np.ndarray | None = None
) -> Array:
    """The same at penalties that ``SharedForms`` serves, whose inverses are (k, A), of all or some units."""
    xp = namespace(inverses)
    if units is not None:
        v = replace(v, projected=take_columns(v.projected, units))
    shared, shifts = SharedForms(v), like([v.n * alpha for alpha in alphas], v.base)[:, None]
    # For w_i = b_i / (v_i + c): (2 c w - b)_i = b_i (2 c / (v_i + c) - 1), so sum_i factor_i b_i (H b)_i / c^2 is the
    # form.
    factors = (2 * xp.astype(shifts.T, inverses.dtype, copy=False) * inverses - 1).T
    parts = []
    for block in blocks(v.projected.shape[1], unit_block):
        parts.append(factors @ (shared.product(block) * v.projected[:, block]))
    return xp.astype(xp.concat(parts, axis=1), xp.float64, copy=False) / shifts / shifts


def forms_where(v: Validation, solver: Diagonal, alphas: Sequence[float], wanted: np.ndarray, unit_block: int) -> Array:
    """Return forms where wanted, host bools of shape (A, U); elsewhere they mean nothing."""
    xp = namespace(v.target)
    single, inverses = n_unshared(v, alphas), solver.inverses([v.n * alpha for alpha in alphas])
    a, u = np.nonzero(wanted[:single, :])
    form_parts = [xp.zeros((0,), dtype=v.base.dtype, device=device_of(v.base))]
    for pairs in blocks(len(a), unit_block):
        w = take_columns(v.projected, u[pairs]) * take_columns(inverses, a[pairs])
        form_parts.append(form_of(v.quadratic, w, v.removed))
    rows = xp.reshape(scatter(xp.concat(form_parts), wanted[:single, :].reshape(-1)), (single, wanted.shape[1]))
    anyone = np.any(wanted[single:, :], axis=0)
    if not anyone.any():
        return xp.concat([rows, xp.zeros_like(xp.broadcast_to(v.base, wanted[single:, :].shape))])
    shared = shared_forms(v, inverses[:, single:], alphas[single:], unit_block, np.flatnonzero(anyone))
    return xp.concat([rows, scatter(shared.T, anyone).T])


def n_unshared(v: Scored, alphas: Sequence[float]) -> int:
    """Count the penalties, ascending, beside which M is not negligible: those that need a product of their own."""
    limit = v.solver.largest / NEGLIGIBLE
    return sum(v.n * alpha < limit for alpha in alphas)


def linear_parts(v: Validation, solver: Diagonal, alphas: Sequence[float], unit_block: int) -> Array:
    """``2 w'X'y`` for all penalties at once, shape (A, U): a small product, where the solver is diagonal."""
    xp = namespace(v.target)
    inverse = 2 * solver.inverses([v.n * alpha for alpha in alphas]).T
    parts = [inverse @ (v.projected[:, block] * v.target[:, block]) for block in blocks(v.base.shape[0], unit_block)]
    return xp.astype(xp.concat(parts, axis=1), xp.float64, copy=False)


def form_of(quadratic: Array, w: Array, removed: Array | None) -> Array:
    """``w'Hw`` of each column, without the rows ``removed`` (k, r) that were not presented to the units."""
    # H was summed over all held-out rows; those that these units lack, V (k, r), come off: w'(H - V V')w = w'Hw -
    # |V'w|^2.
    form = quadratic_forms(quadratic, w)
    if removed is None:
        return form
    moved = removed.T @ w
    return form - inner(moved, moved)


def product_of(quadratic: Array, b: Array, removed: Array | None) -> Array:
    """``H b`` of each column, without the rows ``removed`` (k, r) that were not presented to the units."""
    product = quadratic @ b
    if removed is not None:
        product -= removed @ (removed.T @ b)
    return product


class SharedForms:
    """Forms for all shifts beside which M is negligible: there ``w = b / shift`` nearly, and one product H b serves.

    With e the small difference, ``w'Hw = (2 w - b / shift)'H b / shift + e'He``, and the last term is below 1e-12.
    """

    def __init__(self, v: Validation) -> None:
        self._v = v
        self._products: dict[int, Array] = {}

    def form(self, w: Array, shift: float, block: slice) -> Array:
        """Return ``w'Hw`` of each column for the units of a block, shape (U,)."""
        # Divided last: single precision has no room for weights shrunk by 1e15 twice.
        return inner(self.product(block), 2 * shift * w - self._v.projected[:, block]) / shift / shift

    def product(self, block: slice) -> Array:
        """Return ``H b`` for the units of a block, shape (k, U)."""
        if block.start not in self._products:
            b = self._v.projected[:, block]
            self._products[block.start] = product_of(self._v.quadratic, b, self._v.removed)
        return self._products[block.start]
