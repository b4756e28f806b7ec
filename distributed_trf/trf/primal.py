"""One training set's Gram matrix, scaled and factorised: the coordinates in which penalties are tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.moments import Gram
from distributed_trf.trf.solvers import Diagonal, Factored, Solver, eigh_clipped
from distributed_trf.trf.symmetric import congruence

STD_FLOOR = 1e-6
"""Added to each column's standard deviation before dividing by it (Ahmed et al. 2025)."""


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

    def times(self, factor: Array) -> Scaling:
        """Scale each column further, by ``factor`` of shape (d,): its penalty is divided by the factor's square."""
        return replace(self, inverse=self.inverse * factor)

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
        matrix = xp.astype(xx * (scaling.inverse[:, None] * scaling.inverse[None, :]), getattr(xp, dtype), copy=False)
        if method == "cholesky":
            return cls(scaling, Factored(matrix, record), None, dtype)
        values, vectors, largest = eigh_clipped(matrix, record)
        inverse = xp.astype(scaling.inverse, vectors.dtype, copy=False)
        return cls(scaling, Diagonal(values, largest), vectors * inverse[:, None], dtype)

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
            return self._cast(xx * (self.scaling.inverse[:, None] * self.scaling.inverse[None, :]))
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
