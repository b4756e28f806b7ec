"""Solving ``(M + shift I) z = b`` for many shifts: three ways, and a check of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array, cholesky_solver, like, namespace, strict_linalg, to_numpy
from distributed_trf.errors import DataError

Apply = Callable[[Array], Array]
"""From right-hand sides (k, U) to solutions (k, U)."""

NEGLIGIBLE = 1e-6
"""Of a shift: a matrix so small beside it changes solutions by this fraction, and its square is below 1e-12."""


class Solver(Protocol):
    """A symmetric matrix M of shape (k, k) with no negative eigenvalue, to which shifts are added."""

    @property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""

    def at(self, shift: float) -> Apply:
        """Return the function that applies the inverse of ``M + shift I``."""

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""


@dataclass(frozen=True)
class Diagonal:
    """M in the basis of its eigenvectors: every shift costs one division per element."""

    values: Array
    """Eigenvalues, shape (k,), none negative."""

    @property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        return float(namespace(self.values).max(self.values))

    def at(self, shift: float) -> Apply:
        """Return the function that applies the inverse of ``M + shift I``."""
        xp = namespace(self.values)
        inverse = 1 / (self.values + shift)
        return lambda b: b * xp.astype(inverse, b.dtype, copy=False)[:, None]

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.values[:, None] * z


@dataclass(frozen=True)
class Rotated:
    """M as eigenvalues and eigenvectors, for right-hand sides in another basis."""

    values: Array
    vectors: Array

    @property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        return Diagonal(self.values).largest

    def at(self, shift: float) -> Apply:
        """Return the function that applies the inverse of ``M + shift I``."""
        shrink = Diagonal(self.values).at(shift)
        return lambda b: self.vectors @ shrink(self.vectors.T @ b)

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.vectors @ (self.values[:, None] * (self.vectors.T @ z))


@dataclass(frozen=True)
class Factored:
    """M factorised anew for each shift (Cholesky); one that fails or is inaccurate falls back to eigenvectors."""

    matrix: Array
    record: list[str] = field(compare=False)
    """Grows by a line for each fall back."""

    @cached_property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        xp = namespace(self.matrix)
        return float(xp.max(xp.sum(xp.abs(self.matrix), axis=1)))

    def at(self, shift: float) -> Apply:
        """Return the function that applies the inverse of ``M + shift I``."""
        if self.largest <= NEGLIGIBLE * shift:
            return lambda b: (b - self.matrix @ b / shift) / shift
        xp = namespace(self.matrix)
        shifted = xp.asarray(self.matrix, copy=True)
        xp.reshape(shifted, (-1,), copy=False)[:: shifted.shape[0] + 1] += shift
        try:
            apply = cholesky_solver(shifted)
            error = backward_error(self, apply, shift, self.matrix)
        except np.linalg.LinAlgError:
            error = np.inf
        if error <= tolerance(self.matrix):
            return apply
        self.record.append(f"cholesky at shift {shift:.3g} has backward error {error:.1e}; used eigh")
        return self._eigen.at(shift)

    @cached_property
    def _eigen(self) -> Rotated:
        return Rotated(*eigh_clipped(self.matrix, self.record))

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.matrix @ z


@dataclass(frozen=True)
class Without:
    """M minus the products of a few rows, by the Woodbury identity: M itself is not factorised again.

    ``(A - V V')^-1 = A^-1 + A^-1 V (I - V' A^-1 V)^-1 V' A^-1`` with ``A = M + shift I``. Where the rows carry nearly
    all of some direction the inner matrix loses its digits, of which the residual of a vector in their span tells:
    relative to the vector alone, for beside ``|M| |z|`` a lost direction is not seen. When more than half of them are
    gone, the difference is decomposed by itself.
    """

    base: Solver
    rows: Array
    """V, shape (k, r)."""
    record: list[str] = field(compare=False)

    @property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        return self.base.largest

    def at(self, shift: float) -> Apply:
        """Return the function that applies the inverse of ``M + shift I``."""
        xp, rows = namespace(self.rows), self.rows
        solve = self.base.at(shift)
        inverse_rows = solve(rows)
        eye = xp.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
        try:
            core = cholesky_solver(eye - rows.T @ inverse_rows)

            def apply(b: Array) -> Array:
                z = solve(b)
                return z + inverse_rows @ core(rows.T @ z)

            along = rows @ _probe(rows.T)
            z = apply(along)
            lost = _norm(self.product(z) + shift * z - along) / (_norm(along) + _tiny(rows))
            error = backward_error(self, apply, shift, rows)
        except np.linalg.LinAlgError:
            error = lost = np.inf
        if error <= tolerance(rows) and lost <= float(xp.finfo(rows.dtype).eps) ** 0.5:
            return lambda b: apply(xp.astype(b, rows.dtype, copy=False))
        self.record.append(
            f"removing {rows.shape[1]} rows at shift {shift:.3g} has backward error {error:.1e}, "
            f"along the rows {lost:.1e}; used eigh"
        )
        return self._eigen.at(shift)

    @cached_property
    def _eigen(self) -> Rotated:
        xp = namespace(self.rows)
        eye = xp.eye(self.rows.shape[0], dtype=self.rows.dtype, device=self.rows.device)
        difference = self.product(eye)
        return Rotated(*eigh_clipped((difference + difference.T) / 2, self.record))  # rounding is not symmetric

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.base.product(z) - self.rows @ (self.rows.T @ z)


def without(base: Solver, rows: Array, record: list[str]) -> Solver:
    """Take rows, shape (k, r), off a solver's matrix: by correction where they are few, else by decomposing anew."""
    reduced = Without(base, rows, record)
    # Per shift, a correction costs about 2 k r^2 + r^3 / 3 operations and a decomposition's share k^3 / 2.
    return reduced if rows.shape[1] < 0.4 * rows.shape[0] else reduced._eigen


def eigh_clipped(matrix: Array, record: list[str]) -> tuple[Array, Array]:
    """Return eigenvalues, those that rounding left below zero set to zero, and eigenvectors of a symmetric matrix.

    Checked with a probe vector; if a device's decomposition is inaccurate the host's is used, which is recorded.

    Raises
    ------
    DataError
        If the host's fails too.
    """
    xp = namespace(matrix)
    for attempt in ("device", "host"):
        try:
            if attempt == "device":
                with strict_linalg(xp):
                    values, vectors = xp.linalg.eigh(matrix)
            else:
                values, vectors = (
                    xp.asarray(a, dtype=matrix.dtype, device=matrix.device)
                    for a in np.linalg.eigh(to_numpy(matrix).astype(np.float64))
                )
            probe = _probe(matrix)
            turned = vectors.T @ probe
            error = max(
                _norm(matrix @ probe - vectors @ (values[:, None] * turned)) / (_norm(matrix) + _tiny(matrix)),
                _norm(vectors @ turned - probe),
            ) / _norm(probe)
        except np.linalg.LinAlgError:
            error = np.inf
        if error <= tolerance(matrix):
            return xp.maximum(values, xp.zeros_like(values)), vectors
        record.append(f"eigh on the {attempt} of a {matrix.shape[0]} x {matrix.shape[0]} matrix: error {error:.1e}")
    raise DataError(
        f"the {matrix.shape[0]} x {matrix.shape[0]} matrix of products of the features could not be decomposed "
        f"({record[-1]}); look for features of extreme size, and scale them down"
    )


def backward_error(solver: Solver, apply: Apply, shift: float, reference: Array) -> float:
    """Return the residual of the normal equations for a probe beside the size of their terms; NaN is infinite.

    ``|(M + shift I) z - b| / (|M + shift I| |z| + |b|)`` (Higham 2002, Accuracy and Stability, eq. 7.2).
    """
    probe = _probe(reference)
    z = apply(probe)
    residual = _norm(solver.product(z) + shift * z - probe)
    error = residual / ((solver.largest + shift) * _norm(z) + _norm(probe))
    return error if error == error else np.inf


def tolerance(reference: Array) -> float:
    """Return the backward error that is still rounding: 1e4 units of the precision in hand."""
    return 1e4 * float(namespace(reference).finfo(reference.dtype).eps)


def _probe(reference: Array) -> Array:
    values = np.random.default_rng(0).standard_normal((reference.shape[0], 1))
    return namespace(reference).astype(like(values, reference), reference.dtype)


def _norm(array: Array) -> float:
    xp = namespace(array)
    return float(xp.sqrt(xp.sum(array * array)))


def _tiny(reference: Array) -> float:
    return float(namespace(reference).finfo(reference.dtype).smallest_normal)
