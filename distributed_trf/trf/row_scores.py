"""Held-out scores from the held-out rows themselves, where these are fewer than the coordinates of weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from distributed_trf.arrays import Array, block_rows, blocks, like, namespace
from distributed_trf.trf.fold_scores import held_out_scale, n_unshared, scaled
from distributed_trf.trf.moments import Responses
from distributed_trf.trf.scaled_gram import inner
from distributed_trf.trf.solvers import Diagonal

PREDICTED = 1024
"""Predictions of a unit, rows times penalties, that are one product: enough for it to be quick."""
SHARED_CACHE = 8
"""Beside the cache of a core: products with wider blocks of units are quicker, and more are not."""


@dataclass(frozen=True)
class RowValidation:
    """As ``Validation``, with h held-out rows R in the solver's k coordinates instead of their R'R.

    The form ``w'R'R w = |R w|^2`` costs h k operations instead of k^2.
    """

    solver: Diagonal
    n: float
    """Training rows."""
    projected: Array
    """X'Y of the training rows, shape (k, U)."""
    target: Array
    """X'Y of the held-out rows around the training means, shape (k, U)."""
    rows: Array
    """Held-out rows around the training means, shape (h, k)."""
    base: Array
    """R^2 of predicting the training mean, shape (U,)."""

    @classmethod
    def of(
        cls,
        solver: Diagonal,
        train: Responses,
        held_out: Responses,
        projected: tuple[Array, Array],
        rows: Array,
        pooled: Array,
    ) -> RowValidation:
        """Derive the scores' scale, as ``Validation.of`` does."""
        root, base = held_out_scale(train, held_out, pooled)
        return cls(solver, train.n, *scaled(projected, root), rows, base)

    @property
    def dtype(self) -> Any:
        """Of the coordinates."""
        return self.projected.dtype

    def gains(self, alphas: Sequence[float], unit_block: int) -> Array:
        """Score every penalty for every unit, shape (A, U)."""
        # R w at penalty a is (R diag(1 / (values + c_a))) b: the h x k factor is what is scaled, not b of k x U, and
        # those of many penalties one below the other make a single product with b.
        xp, h = namespace(self.projected), self.rows.shape[0]
        single, shifts = n_unshared(self, alphas), [self.n * alpha for alpha in alphas]
        factors = self.solver.inverses(shifts[:single]).T
        stacked = xp.reshape(factors[:, None, :] * self.rows[None, :, :], (-1, self.rows.shape[1]))
        step = max(PREDICTED // h, 1) * h
        c = like(shifts[single:], self.base)[:, None]
        twice, found = 2 * self.solver.inverses(shifts).T, []
        for units in self._blocks(min(step, max(stacked.shape[0], h))):
            b, forms = self.projected[:, units], []
            for part in blocks(stacked.shape[0], step):
                predicted = xp.reshape(stacked[part, :] @ b, (-1, h, b.shape[1]))
                predicted *= predicted
                forms.append(xp.astype(xp.sum(predicted, axis=1), xp.float64, copy=False))
            if single < len(alphas):
                # Beside larger shifts values are negligible: R w = (R b - R (values b) / c) / c but for parts below
                # (values / c)^2 < 1e-12, so that two products serve them all.
                first, second = self.rows @ b, self.rows @ (self.solver.values[:, None] * b)
                forms.append((inner(first, first)[None, :] - 2 * inner(first, second)[None, :] / c) / c / c)
            found.append(twice @ (b * self.target[:, units]) - xp.concat(forms))
        return xp.concat(found, axis=1)

    def terms(self, alpha: float, unit_block: int) -> tuple[Array, Array]:
        """Return ``2 w'X'y`` and ``|R w|^2`` of ``w = b / shift``, shape (U,) each."""
        xp, shift, linear, form = namespace(self.target), self.n * alpha, [], []
        for units in self._blocks(self.projected.shape[0]):
            b = self.projected[:, units]
            predicted = self.rows @ b
            linear.append(2 * inner(b, self.target[:, units]) / shift)
            form.append(inner(predicted, predicted) / shift / shift)
        return xp.concat(linear), xp.concat(form)

    def _blocks(self, rows: int) -> Iterator[slice]:
        """Blocks of units of which so many numbers each stay in a cache that cores share."""
        return blocks(self.base.shape[0], SHARED_CACHE * block_rows(rows, self.projected))
