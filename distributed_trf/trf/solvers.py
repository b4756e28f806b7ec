"""Solving ``(M + shift I) z = b`` for many shifts, and the check of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array, at_once, blocks, cholesky_solvers, like, namespace, to_numpy, wait_for
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

    @property
    def at_once(self) -> int:
        """How many shifts are best solved for together."""

    def each(self, shifts: Sequence[float]) -> Iterator[Apply]:
        """For each shift yield the function that applies the inverse of ``M + shift I``."""

    def at(self, shift: float) -> Apply:
        """Return that function for one shift."""
        return next(iter(self.each([shift])))

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""


@dataclass(frozen=True)
class Diagonal(Solver):
    """M in the basis of its eigenvectors: every shift costs one division per element."""

    values: Array
    """Eigenvalues, shape (k,), none negative."""
    known: float | None = None
    """The largest of them, where it is known, so that a GPU need not be waited for."""
    at_once = 2**31

    @cached_property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        return float(namespace(self.values).max(self.values)) if self.known is None else self.known

    def each(self, shifts: Sequence[float]) -> Iterator[Apply]:
        """For each shift yield the function that applies the inverse of ``M + shift I``."""
        # M = Q diag(v) Q' and coordinates along Q: (M + c I)^-1 is division by v + c, (k, A) numbers for A shifts.
        inverses = self.inverses(shifts)
        for k in range(len(shifts)):
            yield partial(_times, inverses[:, k : k + 1])

    def inverses(self, shifts: Sequence[float]) -> Array:
        """Return the eigenvalues of the inverse of ``M + shift I`` for some shifts, shape (k, A)."""
        kept = like(self._kept(shifts), self.values)
        return 1 / (self.values[:, None] + namespace(kept).astype(kept, self.values.dtype, copy=False)[None, :])

    def distinct(self, shifts: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Of shifts, ascending, return indices of the first of those that count as the same, and for each which."""
        _, first, back = np.unique(self._kept(shifts), return_index=True, return_inverse=True)
        return first, back

    def _kept(self, shifts: Sequence[float]) -> np.ndarray:
        """A shift that is lost beside the rounding of M counts as that rounding.

        Along directions in which M has nothing a smaller one would only magnify it.
        """
        info = namespace(self.values).finfo(self.values.dtype)
        # Nor is there a number beyond a precision's range: half of its largest, so that eigenvalues can be added.
        return np.clip(shifts, float(info.eps) * self.largest, float(info.max) / 2)

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.values[:, None] * z


@dataclass(frozen=True)
class Rotated(Solver):
    """M as eigenvalues and eigenvectors, for right-hand sides in another basis."""

    values: Array
    vectors: Array
    known: float | None = None
    at_once = 2**31

    @cached_property
    def _diagonal(self) -> Diagonal:
        return Diagonal(self.values, self.known)

    @property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        return self._diagonal.largest

    def each(self, shifts: Sequence[float]) -> Iterator[Apply]:
        """For each shift yield the function that applies the inverse of ``M + shift I``."""
        for shrink in self._diagonal.each(shifts):
            yield partial(self._shrunk, shrink)

    def _shrunk(self, shrink: Apply, b: Array) -> Array:
        return self.vectors @ shrink(self.vectors.T @ b)

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.vectors @ (self.values[:, None] * (self.vectors.T @ z))


@dataclass(frozen=True)
class Factored(Solver):
    """M factorised anew for each shift (Cholesky); one that fails or is inaccurate falls back to eigenvectors."""

    matrix: Array
    record: list[str] = field(compare=False)
    """Grows by a line for each fall back."""

    @cached_property
    def largest(self) -> float:
        """Upper bound of the eigenvalues."""
        xp = namespace(self.matrix)
        return float(xp.max(xp.sum(xp.abs(self.matrix), axis=1)))

    @cached_property
    def at_once(self) -> int:
        """How many shifts are best solved for together: their factors, and what they are made from, are in memory."""
        return at_once(self.matrix, 2)

    def each(self, shifts: Sequence[float]) -> Iterator[Apply]:
        """For each shift yield the function that applies the inverse of ``M + shift I``."""
        return unless_negligible(self, shifts, self._factorised)

    def _factorised(self, shifts: Sequence[float]) -> Iterator[Apply]:
        for block in blocks(len(shifts), self.at_once):
            block_of_shifts = shifts[block]
            if block.start:  # `largest` has waited before the first
                wait_for(self.matrix)  # what a GPU still does of the search is not what factorising takes
            with timed("factorise"):  # its check brings numbers to the host
                solved = self._cholesky(block_of_shifts)
                errors = backward_errors(self, solved, block_of_shifts, self.matrix)
            for shift, apply, error in zip(block_of_shifts, solved, errors, strict=True):
                if error <= tolerance(self.matrix):
                    yield apply
                else:
                    self.record.append(f"cholesky at shift {shift:.3g} has backward error {error:.1e}; used eigh")
                    yield self._eigen.at(shift)

    def _cholesky(self, shifts: Sequence[float]) -> list[Apply]:
        xp, n = namespace(self.matrix), len(shifts)
        shifted = xp.tile(self.matrix[None, :, :], (n, 1, 1))
        added = xp.astype(like(shifts, self.matrix), self.matrix.dtype, copy=False)[:, None]
        xp.reshape(shifted, (n, -1), copy=False)[:, :: self.matrix.shape[0] + 1] += added
        try:
            return cholesky_solvers(shifted)
        except np.linalg.LinAlgError:
            return [lambda b: xp.nan * b] * n

    @cached_property
    def _eigen(self) -> Rotated:
        return Rotated(*eigh_clipped(self.matrix, self.record))

    def product(self, z: Array) -> Array:
        """Multiply M with vectors, shape (k, U)."""
        return self.matrix @ z


def unless_negligible(
    solver: Solver, shifts: Sequence[float], solve: Callable[[Sequence[float]], Iterator[Apply]]
) -> Iterator[Apply]:
    """Solve for those shifts beside which a solver's matrix is not negligible; for the others one product will do."""

    def nearly(shift: float, b: Array) -> Array:
        # (M + c I)^-1 = (I - M / c + M^2 / c^2 - ...) / c; the terms left out are below (|M| / c)^2 <= 1e-12.
        return (b - solver.product(b) / shift) / shift

    negligible = [solver.largest <= NEGLIGIBLE * shift for shift in shifts]
    solved = solve([shift for shift, small in zip(shifts, negligible, strict=True) if not small])
    for shift, small in zip(shifts, negligible, strict=True):
        yield partial(nearly, shift) if small else next(solved)


def eigh_clipped(matrix: Array, record: list[str]) -> tuple[Array, Array, float]:
    """Return eigenvalues, those that rounding left below zero set to zero, eigenvectors, and the largest eigenvalue.

    Checked with a probe vector; if a device's decomposition is inaccurate the host's is used, which is recorded.

    Raises
    ------
    DataError
        If the host's fails too.
    """
    wait_for(matrix)
    with timed("factorise"):
        return _eigh_checked(matrix, record)


def _eigh_checked(matrix: Array, record: list[str]) -> tuple[Array, Array, float]:
    xp = namespace(matrix)
    for attempt in ("device", "host"):
        try:
            if attempt == "device":
                values, vectors = xp.linalg.eigh(matrix)
            else:
                values, vectors = (
                    xp.asarray(a, dtype=matrix.dtype, device=matrix.device)
                    for a in np.linalg.eigh(to_numpy(matrix).astype(np.float64))
                )
            probe = probe_of(matrix)
            turned = vectors.T @ probe
            # Two checks on a random vector p: M p = Q diag(v) Q'p to rounding of |M|, and Q Q'p = p, that Q is
            # orthogonal.
            left = matrix @ probe - vectors @ (values[:, None] * turned)
            norms = [_norm(a) for a in (left, vectors @ turned - probe, matrix, probe)]
            product, orthogonal, size, of_probe, largest = to_numpy(xp.stack([*norms, xp.max(values)])).tolist()
            error = max(product / (size + tiny(matrix)), orthogonal) / of_probe
        except np.linalg.LinAlgError:
            error = np.inf
        if error <= tolerance(matrix):
            return xp.maximum(values, xp.zeros_like(values)), vectors, max(largest, 0.0)
        record.append(f"eigh on the {attempt} of a {matrix.shape[0]} x {matrix.shape[0]} matrix: error {error:.1e}")
    raise DataError(
        f"the {matrix.shape[0]} x {matrix.shape[0]} matrix of products of the features could not be decomposed "
        f"({record[-1]}); look for features of extreme size, and scale them down"
    )


def backward_errors(solver: Solver, solved: Sequence[Apply], shifts: Sequence[float], reference: Array) -> list[float]:
    """Return the residuals of the normal equations for a probe beside the size of their terms; NaN is infinite.

    ``|(M + shift I) z - b| / (|M + shift I| |z| + |b|)`` (Higham 2002, Accuracy and Stability, eq. 7.2).
    """
    probe = probe_of(reference)
    residuals, sizes, (of_probe, *_) = residual_norms(solver, solved, shifts, probe)
    errors = residuals / ((solver.largest + np.asarray(shifts)) * sizes + of_probe)
    return np.where(np.isnan(errors), np.inf, errors).tolist()


def residual_norms(
    solver: Solver, solved: Sequence[Apply], shifts: Sequence[float], b: Array
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve for a vector b, shape (k, 1), at each shift: norms of what is left of it, of the solutions, and of b."""
    xp = namespace(b)
    z = xp.concat([apply(b) for apply in solved], axis=1)
    left = solver.product(z) + xp.astype(like(shifts, b), b.dtype, copy=False)[None, :] * z - b
    norms = to_numpy(xp.concat([xp.sqrt(xp.sum(a * a, axis=0)) for a in (left, z, b)]))
    return norms[: len(solved)], norms[len(solved) : -1], norms[-1:]


def _norm(a: Array) -> Array:
    """Return the root of the sum of squares, which may themselves be beyond the precision's range."""
    xp = namespace(a)
    largest = xp.max(xp.abs(a)) + tiny(a)
    return largest * xp.sqrt(xp.sum((a / largest) ** 2))


def _times(inverse: Array, b: Array) -> Array:
    return b * namespace(b).astype(inverse, b.dtype, copy=False)


def tolerance(reference: Array) -> float:
    """Return the backward error that is still rounding: 1e4 units of the precision in hand."""
    return 1e4 * float(namespace(reference).finfo(reference.dtype).eps)


def probe_of(reference: Array) -> Array:
    """Return a random vector, the same every time, in the precision and with the rows of an array, shape (k, 1)."""
    values = np.random.default_rng(0).standard_normal((reference.shape[0], 1))
    return namespace(reference).astype(like(values, reference), reference.dtype)


def tiny(reference: Array) -> float:
    """Return what can be added to a norm in an array's precision, so that it is never zero."""
    return float(namespace(reference).finfo(reference.dtype).smallest_normal)
