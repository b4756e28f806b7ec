"""Rows of trials with their lagged columns scaled as training rows are, a few lags at a time, and products of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from distributed_trf.arrays import Array, blocks, namespace
from distributed_trf.trf.correlation import centred
from distributed_trf.trf.lags import FeatureMeans, LaggedRows
from distributed_trf.trf.scaled_gram import STD_FLOOR, BandFactor, Scaling
from distributed_trf.trf.solver_choice import Precision


@dataclass(frozen=True)
class ScaledRows:
    """How rows are made of trials, each of shape (lead_in + T_i, F)."""

    lags: Sequence[int]
    lead_in: int
    standardize: bool
    precision: Precision
    """Of scaled rows, and of their products."""
    pad_with_mean: bool
    """Pad trials with the mean of the training rows instead of zeros."""

    def scaling(self, X: Sequence[Array], factor: BandFactor | None) -> Scaling:
        """Return mean and inverse scale of each lagged column over the rows of some trials."""
        outside = FeatureMeans.of(X).mean if self.pad_with_mean else None
        rows = LaggedRows(X, self.lead_in, outside)
        means, inverses = [], []
        for lag in self.lags:
            mean, moved = centred(rows.at(lag))
            xp = namespace(moved)
            power = xp.sum(moved * moved, axis=0)
            # Deviations are from the first row: of a column that never varies they are zero to the last bit.
            alive = xp.any(moved != 0, axis=0)
            std = xp.sqrt(power / rows.n_responses)
            inverse = 1 / (std + STD_FLOOR) if self.standardize else xp.ones_like(std)
            means.append(mean)
            inverses.append(xp.where(alive, inverse, xp.zeros_like(inverse)))
        scaling = Scaling(xp.concat(means), xp.concat(inverses), outside)
        return scaling if factor is None else scaling.times(factor)

    def n_varying(self, X: Sequence[Array], most: int) -> int:
        """Count columns that vary, no further than to ``most``: mostly there are as many at a few lags."""
        rows, n = LaggedRows(X, self.lead_in), 0
        for lag in self.lags:
            columns = rows.at(lag)
            xp = namespace(columns)
            n += int(xp.sum(xp.astype(xp.any(columns != columns[:1, :], axis=0), xp.int64)))
            if n >= most:
                break
        return n

    def products(self, of: Sequence[Array], X: Sequence[Array], scaling: Scaling) -> Array:
        """Return inner products of rows of trials with those of others, summed over lags, shape (rows, rows of X)."""
        total: Array = 0.0
        # K = sum_l Z_l Z_l' over lags l, a few at once: the lagged matrix (rows, F L) is never there as a whole. Rows
        # with themselves are one array twice, of whose product numpy makes one triangle: half the operations.
        others = None if of is X else self._columns(of, scaling, self._few(X))
        for _, right in self._columns(X, scaling, self._few(X)):
            product = (right if others is None else next(others)[1]) @ right.T
            total = product + total
        return total

    def weights(self, X: Sequence[Array], scaling: Scaling, dual: Array) -> Array:
        """Return the weights of the raw lagged columns, float64 of shape (d, U), for those of rows, (rows, U)."""
        xp, parts = namespace(dual), []
        for block, columns in self._columns(X, scaling, few=1):
            # w = S Z'dual with Z = X S the columns that S scales: in place, since thousands of units make it large.
            part = xp.astype(columns.T @ dual, xp.float64, copy=False)
            part *= scaling.inverse[block, None]
            parts.append(part)
        return parts[0] if len(parts) == 1 else xp.concat(parts)

    def _few(self, X: Sequence[Array]) -> int:
        """Lags at once, so that scaled columns take about as much room as the products of rows."""
        return max(sum(x.shape[0] - self.lead_in for x in X) // X[0].shape[1], 1)

    def _columns(self, X: Sequence[Array], scaling: Scaling, few: int) -> Iterator[tuple[slice, Array]]:
        """Scaled columns of so many lags after another, shape (rows, F times lags), and which they are."""
        F, rows = X[0].shape[1], LaggedRows(X, self.lead_in, scaling.outside)
        for lags in blocks(len(self.lags), few):
            columns, block = rows.matrix(self.lags[lags]), slice(lags.start * F, lags.stop * F)
            # In place, as the rows were gathered for this alone.
            columns -= scaling.mean[block]
            columns *= scaling.inverse[block]
            yield block, self.cast(columns)

    def cast(self, array: Array) -> Array:
        """Bring an array to the precision."""
        xp = namespace(array)
        return xp.astype(array, getattr(xp, self.precision), copy=False)
