"""Solving ``(M + shift I) z = b`` for many shifts, and the check of what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array, cholesky_solver, like, namespace, strict_linalg, to_numpy, wait_for
from distributed_trf.errors import DataError
from distributed_trf.timing import timed

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
        inverse = self.inverse(shift)
        return lambda b: b * xp.astype(inverse, b.dtype, copy=False)[:, None]

    def inverse(self, shift: float) -> Array:
        """Return the eigenvalues of the inverse of ``M + shift I``, shape (k,).

        A shift that is lost beside the rounding of M counts as that rounding: along directions in which M has nothing
        a smaller one would only magnify it.
        """
        xp = namespace(self.values)
        rounding = float(xp.finfo(self.values.dtype).eps) * xp.max(self.values)
        return 1 / (self.values + xp.where(rounding > shift, rounding, shift))

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
        wait_for(shifted)  # what a GPU still does of the search is not what factorising takes
        try:
            with timed("factorise"):  # its check brings a number to the host
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


def eigh_clipped(matrix: Array, record: list[str]) -> tuple[Array, Array]:
    """Return eigenvalues, those that rounding left below zero set to zero, and eigenvectors of a symmetric matrix.

    Checked with a probe vector; if a device's decomposition is inaccurate the host's is used, which is recorded.

    Raises
    ------
    DataError
        If the host's fails too.
    """
    wait_for(matrix)
    with timed("factorise"):
        return _eigh_checked(matrix, record)


def _eigh_checked(matrix: Array, record: list[str]) -> tuple[Array, Array]:
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
            probe = probe_of(matrix)
            turned = vectors.T @ probe
            error = max(
                norm(matrix @ probe - vectors @ (values[:, None] * turned)) / (norm(matrix) + tiny(matrix)),
                norm(vectors @ turned - probe),
            ) / norm(probe)
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
    probe = probe_of(reference)
    z = apply(probe)
    residual = norm(solver.product(z) + shift * z - probe)
    error = residual / ((solver.largest + shift) * norm(z) + norm(probe))
    return error if error == error else np.inf


def tolerance(reference: Array) -> float:
    """Return the backward error that is still rounding: 1e4 units of the precision in hand."""
    return 1e4 * float(namespace(reference).finfo(reference.dtype).eps)


def probe_of(reference: Array) -> Array:
    """Return a random vector, the same every time, in the precision and with the rows of an array, shape (k, 1)."""
    values = np.random.default_rng(0).standard_normal((reference.shape[0], 1))
    return namespace(reference).astype(like(values, reference), reference.dtype)


def norm(array: Array) -> float:
    """Return the root of the sum of squares."""
    xp = namespace(array)
    return float(xp.sqrt(xp.sum(array * array)))


def tiny(reference: Array) -> float:
    """Return what can be added to a norm in an array's precision, so that it is never zero."""
    return float(namespace(reference).finfo(reference.dtype).smallest_normal)
