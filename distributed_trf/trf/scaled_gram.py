"""One training set's Gram matrix, scaled and factorised: the coordinates in which penalties are tried.

Also products with symmetric matrices, from their upper blocks, which are little more than half of the work, and the
removal of a few rows from a matrix that is already factorised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from distributed_trf.arrays import Array, at_once, block_rows, blocks, cholesky_solver, like, namespace
from distributed_trf.trf.moments import Gram
from distributed_trf.trf.solvers import (
    Apply,
    Diagonal,
    Factored,
    Rotated,
    Solver,
    backward_errors,
    eigh_clipped,
    probe_of,
    residual_norms,
    tiny,
    tolerance,
    unless_negligible,
)


def congruence(matrix: Array, vectors: Array) -> Array:
    """Return ``V'MV``, shape (k, k), for a symmetric M and any V of that shape."""
    moved = matrix @ vectors
    product = namespace(moved).empty_like(moved)
    for rows in _halves(moved.shape[0]):
        # V'(MV), (k, k), from its upper block rows; the lower ones are their mirror images, to the last bit.
        product[rows, rows.start :] = vectors[:, rows].T @ moved[:, rows.start :]
        product[rows.stop :, rows] = product[rows, rows.stop :].T
    return product


def _scaled(matrix: Array, by: Array) -> Array:
    """Scale rows and columns, symmetric to the last bit: ``s_i s_j X'X_ij``, shape (d, d)."""
    # Z'Z of scaled columns z = (x - m) s follows from X'X: no scaled column is ever made, nor all s_i s_j at once.
    found = namespace(matrix).empty_like(matrix)
    for rows in blocks(matrix.shape[0], block_rows(matrix.shape[0], matrix)):
        found[rows, :] = matrix[rows, :] * (by[rows, None] * by[None, :])
    return found


def quadratic_forms(matrix: Array, vectors: Array) -> Array:
    """Return ``v'Mv`` of each column v, float64 of shape (U,), for a symmetric M of shape (k, k)."""
    total: Array = 0.0
    for rows in _halves(vectors.shape[0]):
        # v'Mv = sum_I (v_I'M_II v_I + 2 sum_{J > I} v_I'M_IJ v_J) over blocks I, J: what is below the diagonal is never
        # used.
        product = matrix[rows, rows] @ vectors[rows, :]
        if rows.stop < vectors.shape[0]:
            product += 2 * (matrix[rows, rows.stop :] @ vectors[rows.stop :, :])
        total = total + inner(vectors[rows, :], product)
    return total


def inner(a: Array, b: Array) -> Array:
    """Return the columns' inner products, float64 of shape (U,)."""
    xp = namespace(a)
    return xp.astype(xp.sum(a * b, axis=0), xp.float64, copy=False)


def _halves(k: int) -> Iterator[slice]:
    """Blocks of rows, few enough for fast products and many enough to leave out nearly half."""
    return blocks(k, max(256, k // 8))


STD_FLOOR = 1e-6
"""Added to each column's standard deviation before dividing by it (Ahmed et al. 2025)."""


@dataclass(frozen=True)
class BandFactor:
    """What lagged columns are multiplied with for their penalties to be ``alpha / weight`` of their band."""

    bands: np.ndarray
    """Band of each lagged column, host integers of shape (d,)."""
    weights: np.ndarray
    """Of each band, shape (B,)."""

    def of_columns(self, reference: Array) -> Array:
        """Return the factor of each column where an array lives, shape (d,)."""
        return like(np.sqrt(self.weights)[self.bands], reference)


@dataclass(frozen=True)
class Scaling:
    """How lagged columns become regressors: ``z = (x - mean) * inverse``."""

    mean: Array
    """Shape (d,)."""
    inverse: Array
    """One over each column's scale, shape (d,); zero for a column that never varies, whose weight is then zero."""
    outside: Array | None = None
    """What the trials are padded with before they are lagged, shape (F,); None for zeros."""

    @classmethod
    def of(cls, gram: Gram, *, standardize: bool) -> Scaling:
        """Take the scaling from training rows: their mean and, if ``standardize``, population std + 1e-6."""
        xp = namespace(gram.xx)
        alive = xp.isnan(gram.constant)
        power = xp.linalg.diagonal(gram.xx)
        std = xp.sqrt(xp.maximum(power, xp.zeros_like(power)) / gram.n)
        inverse = 1 / (std + STD_FLOOR) if standardize else xp.ones_like(std)
        return cls(gram.x_mean, xp.where(alive, inverse, xp.zeros_like(inverse)))

    def times(self, factor: BandFactor) -> Scaling:
        """Scale each column further: its penalty is divided by the factor's square."""
        return replace(self, inverse=self.inverse * factor.of_columns(self.inverse))

    @cached_property
    def n_varying(self) -> int:
        """How many columns are regressors."""
        xp = namespace(self.inverse)
        return int(xp.sum(xp.astype(self.inverse != 0, xp.int64)))

    @property
    def n_constant(self) -> int:
        """How many columns never vary."""
        return self.inverse.shape[0] - self.n_varying


@dataclass(frozen=True)
class Primal:
    """Coordinates z of weights, in which the penalised Gram matrix is easily inverted: ``w = basis @ z``."""

    scaling: Scaling
    solver: Solver
    basis: Array | None
    """Eigenvectors of the scaled Gram matrix divided by the columns' scales, shape (d, d); None if z are the scaled
    weights themselves."""
    dtype: str

    @classmethod
    def of(
        cls, xx: Array, scaling: Scaling, method: Literal["eigh", "cholesky"], dtype: str, record: list[str]
    ) -> Primal:
        """Factorise products around the scaling's means, shape (d, d)."""
        xp = namespace(xx)
        matrix = xp.astype(_scaled(xx, scaling.inverse), getattr(xp, dtype), copy=False)
        if method == "cholesky":
            return cls(scaling, Factored(matrix, record), None, dtype)
        values, vectors, largest = eigh_clipped(matrix, record)
        inverse = xp.astype(scaling.inverse, vectors.dtype, copy=False)
        # Z'Z = Q diag(v) Q': with basis = diag(s) Q the weights at shift c are w = basis ((basis' X'Y) / (v + c)).
        vectors *= inverse[:, None]
        return cls(scaling, Diagonal(values, largest), vectors, dtype)

    def project(self, xy: Array) -> Array:
        """Bring X'Y to the coordinates, shape (k, U)."""
        if self.basis is None:
            return self._cast(self.scaling.inverse[:, None] * xy)
        return self.basis.T @ self._cast(xy)

    def project_rows(self, rows: Array) -> Array:
        """Bring raw lagged rows (r, d) to the coordinates, shape (k, r)."""
        return self.project((rows - self.scaling.mean).T)

    def quadratic(self, xx: Array) -> Array:
        """Bring X'X to the coordinates, shape (k, k)."""
        if self.basis is None:
            return self._cast(_scaled(xx, self.scaling.inverse))
        return congruence(self._cast(xx), self.basis)

    def weights(self, z: Array) -> Array:
        """Return the weights of the raw lagged columns, float64 of shape (d, U)."""
        xp = namespace(z)
        if self.basis is None:
            return self.scaling.inverse[:, None] * xp.astype(z, xp.float64, copy=False)
        return xp.astype(self.basis @ z, xp.float64, copy=False)

    def _cast(self, array: Array) -> Array:
        xp = namespace(array)
        return xp.astype(array, getattr(xp, self.dtype), copy=False)


@dataclass(frozen=True)
class RowRemoval(Solver):
    """M minus the products of a few rows, by the Woodbury identity: M itself is not factorised again.

    ``(A - V V')^-1 = A^-1 + A^-1 V (I - V' A^-1 V)^-1 V' A^-1`` with ``A = M + shift I``. Where the rows carry nearly
    all of some direction the inner matrix loses digits. The residual of a vector in the span of the rows shows this:
    relative to the vector alone, since relative to ``|M| |z|`` a lost direction is not seen. When more than half of the
    digits are lost, the difference is decomposed by itself.
    """

    base: Solver
    rows: Array
    """V, shape (k, r)."""
    record: list[str] = field(compare=False)

    @property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        return self.base.largest

    @cached_property
    def at_once(self) -> int:
        """How many shifts are best solved for together: for each the rows' solutions are in memory."""
        return min(at_once(self.rows, 2), self.base.at_once)

    def each(self, shifts: Sequence[float]) -> Iterator[Apply]:
        """For each shift yield the function that applies the inverse of ``M + shift I``."""
        return unless_negligible(self, shifts, self._checked)

    def _checked(self, shifts: Sequence[float]) -> Iterator[Apply]:
        """Correct the base's solutions, and look at what comes out."""
        rows = self.rows
        lost_by = float(namespace(rows).finfo(rows.dtype).eps) ** 0.5
        for block_of_shifts in (shifts[block] for block in blocks(len(shifts), self.at_once)):
            solved = [self._corrected(solve) for solve in self.base.each(block_of_shifts)]
            errors = backward_errors(self, solved, block_of_shifts, rows)
            left, _, of_rows = residual_norms(self, solved, block_of_shifts, rows @ probe_of(rows.T))
            for shift, apply, error, lost in zip(
                block_of_shifts, solved, errors, left / (of_rows + tiny(rows)), strict=True
            ):
                if error <= tolerance(rows) and lost <= lost_by:
                    yield apply
                else:
                    self.record.append(
                        f"removing {rows.shape[1]} rows at shift {shift:.3g} has backward error {error:.1e}, "
                        f"along the rows {lost:.1e}; used eigh"
                    )
                    yield self._eigen.at(shift)

    def _corrected(self, solve: Apply) -> Apply:
        xp, rows = namespace(self.rows), self.rows
        # (A - V V')^-1 b = z + A^-1 V (I - V' A^-1 V)^-1 V'z with z = A^-1 b; the inner matrix is r x r, for r rows.
        inverse_rows = solve(rows)
        eye = xp.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
        try:
            core = cholesky_solver(eye - rows.T @ inverse_rows)
        except np.linalg.LinAlgError:
            return lambda b: xp.nan * b

        def apply(b: Array) -> Array:
            z = solve(xp.astype(b, rows.dtype, copy=False))
            return z + inverse_rows @ core(rows.T @ z)

        return apply

    @cached_property
    def _eigen(self) -> Rotated:
        xp = namespace(self.rows)
        eye = xp.eye(self.rows.shape[0], dtype=self.rows.dtype, device=self.rows.device)
        difference = self.base.product(eye) - self.rows @ self.rows.T
        return Rotated(*eigh_clipped((difference + difference.T) / 2, self.record))  # rounding is not symmetric

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.base.product(z) - self.rows @ (self.rows.T @ z)


def without(base: Solver, rows: Array, record: list[str]) -> Solver:
    """Take rows, shape (k, r), off a solver's matrix: by correction where they are few, else by decomposing anew."""
    reduced = RowRemoval(base, rows, record)
    # Per shift, a correction costs about 2 k r^2 + r^3 / 3 operations and a decomposition's share k^3 / 2.
    return reduced if rows.shape[1] < 0.4 * rows.shape[0] else reduced._eigen
