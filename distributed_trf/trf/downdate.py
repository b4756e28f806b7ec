"""Taking a few rows off a matrix that is already factorised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from distributed_trf.arrays import Array, at_once, blocks, cholesky_solver, namespace
from distributed_trf.trf.solvers import (
    Apply,
    Rotated,
    Solver,
    backward_errors,
    eigh_clipped,
    probe_of,
    residual_norms,
    tiny,
    tolerance,
)


@dataclass(frozen=True)
class Without(Solver):
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

    @cached_property
    def at_once(self) -> int:
        """How many shifts are best solved for together: for each the rows' solutions are in memory."""
        return min(at_once(self.rows, 2), self.base.at_once)

    def each(self, shifts: Sequence[float]) -> Iterator[Apply]:
        """For each shift yield the function that applies the inverse of ``M + shift I``."""
        rows = self.rows
        lost_by = float(namespace(rows).finfo(rows.dtype).eps) ** 0.5
        for some in (shifts[block] for block in blocks(len(shifts), self.at_once)):
            solved = [self._corrected(solve) for solve in self.base.each(some)]
            errors = backward_errors(self, solved, some, rows)
            left, _, of_rows = residual_norms(self, solved, some, rows @ probe_of(rows.T))
            for shift, apply, error, lost in zip(some, solved, errors, left / (of_rows + tiny(rows)), strict=True):
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
