"""Ridge regression from moments: one decomposition serves every penalty and every unit."""

from __future__ import annotations

from dataclasses import dataclass

from distributed_trf.arrays import Array, namespace, strict_linalg
from distributed_trf.trf.moments import Moments

STD_FLOOR = 1e-6
"""Added to each column's standard deviation before dividing by it (Ahmed et al. 2025)."""


@dataclass(frozen=True)
class Ridge:
    """The ridge solutions of some training trials, for any penalty.

    With ``G`` the Gram matrix of the columns divided by their scale, ``G = Q diag(values) Q'``, the weights that
    minimise ``||y - Xw||^2 + n * alpha * ||scale * w||^2`` are ``P (P' X'y / (values + n * alpha))`` with
    ``P = Q / scale``.
    """

    train: Moments
    values: Array
    """Eigenvalues of the scaled Gram matrix, shape (d,)."""
    basis: Array
    """``P``, shape (d, d): from eigenvectors to weights of the raw columns."""

    @classmethod
    def decompose(cls, train: Moments, *, standardize: bool) -> Ridge:
        """Factorise the Gram matrix of the training trials.

        Parameters
        ----------
        train
            Moments of the training trials.
        standardize
            Divide each column by its training standard deviation (population, plus 1e-6); otherwise only centre it.
        """
        xp = namespace(train.xx)
        variance = xp.linalg.diagonal(train.xx) / train.n
        # Rounding may leave a constant column a variance just below zero.
        std = xp.sqrt(xp.maximum(variance, xp.zeros_like(variance)))
        scale = std + STD_FLOOR if standardize else xp.ones_like(std)
        with strict_linalg(xp):
            values, vectors = xp.linalg.eigh(train.xx / (scale[:, None] * scale[None, :]))
        return cls(train, xp.maximum(values, xp.zeros_like(values)), vectors / scale[:, None])

    def project(self, xy: Array) -> Array:
        """Bring X'Y to the eigenbasis, shape (d, U)."""
        return self.basis.T @ xy

    def shrink(self, projected: Array, alpha: Array | float) -> Array:
        """Return the solution in the eigenbasis for one penalty, or one per unit (shape (U,)); shape (d, U)."""
        return projected / (self.values[:, None] + self.train.n * alpha)

    def weights(self, alpha: Array) -> Array:
        """Return the weights of the raw columns for one penalty per unit, shape (d, U)."""
        return self.basis @ self.shrink(self.project(self.train.xy), alpha)


@dataclass(frozen=True)
class HeldOut:
    """What held-out trials say of the solutions of a ``Ridge``, without predicting them."""

    ridge: Ridge
    moments: Moments
    """Of the held-out trials, around the training means."""
    quadratic: Array
    """Their X'X in the ridge's eigenbasis, shape (d, d)."""
    spread: Array
    """Sum of squares of each unit around its held-out mean, shape (U,)."""

    @classmethod
    def of(cls, ridge: Ridge, held_out: Moments) -> HeldOut:
        """Take the moments of held-out trials around what the training trials know."""
        moments = held_out.around(ridge.train.x_mean, ridge.train.y_mean)
        return cls(ridge, moments, ridge.basis.T @ moments.xx @ ridge.basis, held_out.yy)

    def scores(self, alphas: list[float], block: slice) -> tuple[Array, Array]:
        """Score every penalty on a block of units.

        Returns
        -------
        base : array of shape (U,)
            R^2 of predicting the training mean.
        gain : array of shape (A, U)
            What the weights add to it: ``R^2 = base + gain``. Where a unit never varies on the held-out trials both are
            zero, scikit-learn's convention.
        """
        held, spread = self.moments.units(block), self.spread[block]
        xp = namespace(held.xy)
        projected = self.ridge.project(self.ridge.train.units(block).xy)
        target = self.ridge.project(held.xy)
        varies = spread > 0
        per = xp.where(varies, 1 / xp.where(varies, spread, xp.ones_like(spread)), xp.zeros_like(spread))
        gain = []
        for alpha in alphas:
            w = self.ridge.shrink(projected, alpha)
            gain.append(xp.sum(w * (2 * target - self.quadratic @ w), axis=0) * per)
        base = xp.where(varies, 1 - held.yy * per, xp.zeros_like(spread))
        return base, xp.stack(gain)
