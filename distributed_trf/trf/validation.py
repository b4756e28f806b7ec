"""What scoring weights on held-out trials takes, from their moments: no response is ever predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, blocks, namespace, scatter
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.moments import Responses
from distributed_trf.trf.solvers import NEGLIGIBLE, Diagonal, Solver
from distributed_trf.trf.symmetric import inner, quadratic_forms


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
        pooled: Array,
    ) -> Validation:
        """Derive the scores' scale: a unit that never varies on the held-out rows has R^2 = 0, as in scikit-learn.

        ``pooled`` (U,) are the units' ``pooled_power``.
        """
        xp = namespace(held_out.yy)
        alone = xp.isnan(pooled)
        alive = varies(held_out.yy, held_out.y_mean, held_out.n) | ~alone
        power = xp.where(alive, xp.where(alone, held_out.yy, pooled), xp.ones_like(held_out.yy))
        base = 1 - held_out.power_around(train.y_mean) / power
        root = xp.where(alive, 1 / xp.sqrt(power), xp.zeros_like(power))
        scaled, target = (a * xp.astype(root, a.dtype, copy=False) for a in projected)
        return cls(solver, train.n, scaled, target, quadratic, removed, xp.where(alive, base, xp.zeros_like(base)))

    def take(self, units: Array) -> Validation:
        """Return the same of only some units, given by index."""
        xp = namespace(self.base)
        projected, target = (xp.take(a, units, axis=1) for a in (self.projected, self.target))
        return replace(self, projected=projected, target=target, base=xp.take(self.base, units))


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
    xp = namespace(v.target)
    shared, single = SharedForms(v), n_unshared(v, alphas)
    linear = linear_parts(v, v.solver, alphas, unit_block) if isinstance(v.solver, Diagonal) else None
    rows = []
    for a, alpha in enumerate(alphas):
        shift, parts = v.n * alpha, []
        apply = v.solver.at(shift)
        for block in blocks(v.target.shape[1], unit_block):
            w = apply(v.projected[:, block])
            form = form_of(v.quadratic, w, v.removed) if a < single else shared.form(w, shift, block)
            parts.append((2 * inner(w, v.target[:, block]) if linear is None else linear[a, block]) - form)
        rows.append(xp.concat(parts))
    return xp.stack(rows)


def gains_where(v: Validation, alphas: Sequence[float], wanted: Array, unit_block: int) -> Array:
    """Score only some penalties of some units: ``wanted`` (A, U); zero elsewhere."""
    xp = namespace(v.target)
    single = n_unshared(v, alphas)
    together = [slice(a, a + 1) for a in range(single)]
    if single < len(alphas):
        together.append(slice(single, len(alphas)))  # one product serves them all
    found = xp.zeros(wanted.shape, dtype=v.base.dtype, device=device_of(v.base))
    for some in together:
        anyone = xp.any(wanted[some, :], axis=0)
        units = xp.nonzero(anyone)[0]
        if units.shape[0]:
            scored = gains(v.take(units), alphas[some], unit_block)
            spread = xp.stack([scatter(scored[a, :], anyone) for a in range(scored.shape[0])])
            found[some, :] = xp.where(wanted[some, :], spread, found[some, :])
    return found


def n_unshared(v: Validation, alphas: Sequence[float]) -> int:
    """Count the penalties, ascending, beside which M is not negligible: those that need a product of their own."""
    limit = v.solver.largest / NEGLIGIBLE
    return sum(v.n * alpha < limit for alpha in alphas)


def linear_parts(v: Validation, solver: Diagonal, alphas: Sequence[float], unit_block: int) -> Array:
    """``2 w'X'y`` for all penalties at once, shape (A, U): a small product, where the solver is diagonal."""
    xp = namespace(v.target)
    inverse = xp.stack([2 * solver.inverse(v.n * alpha) for alpha in alphas])
    parts = [inverse @ (v.projected[:, block] * v.target[:, block]) for block in blocks(v.base.shape[0], unit_block)]
    return xp.astype(xp.concat(parts, axis=1), xp.float64, copy=False)


def form_of(quadratic: Array, w: Array, removed: Array | None) -> Array:
    """``w'Hw`` of each column, without the rows ``removed`` (k, r) that the units did not hear."""
    form = quadratic_forms(quadratic, w)
    if removed is None:
        return form
    moved = removed.T @ w
    return form - inner(moved, moved)


class SharedForms:
    """Forms for all shifts beside which M is negligible: there ``w = b / shift`` nearly, and one product H b serves.

    With e the small difference, ``w'Hw = (2 w - b / shift)'H b / shift + e'He``, and the last term is below 1e-12.
    """

    def __init__(self, v: Validation) -> None:
        self._v = v
        self._products: dict[int, Array] = {}

    def form(self, w: Array, shift: float, block: slice) -> Array:
        """Return ``w'Hw`` of each column for the units of a block, shape (U,)."""
        b = self._v.projected[:, block]
        if block.start not in self._products:
            product = self._v.quadratic @ b
            if self._v.removed is not None:
                product -= self._v.removed @ (self._v.removed.T @ b)
            self._products[block.start] = product
        # Divided last: single precision has no room for weights shrunk by 1e15 twice.
        return inner(self._products[block.start], 2 * shift * w - b) / shift / shift
