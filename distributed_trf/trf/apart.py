"""Features of a block of trials summed from rows of their own, where the lag structure would lose their digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, blocks, namespace, scatter, take_rows, to_numpy
from distributed_trf.trf.lags import LaggedRows
from distributed_trf.trf.moments import constants

ROWS = 2048
"""Rows of the lagged matrix that are in memory at once."""


@dataclass(frozen=True)
class Apart:
    """Which features they are, and what is known of their columns: each is centred by its own mean at each lag."""

    rows: LaggedRows
    lags: Sequence[int]
    by_row: Array | None
    looked_at: np.ndarray
    """Features whose columns were looked at for constants, because a sum does not tell; host bools of shape (F,)."""
    removed: np.ndarray
    """Those of them that are taken out of the lag structure."""
    centre: Array
    """Mean of each lagged column looked at, shape (L * r,)."""
    sums: Array
    """Sums about it, shape (1 + groups, L * r)."""
    constant: Array
    """As ``constants`` gives it, over the rows of all and of each group, shape (1 + groups, L * r)."""

    @classmethod
    def of(
        cls,
        rows: LaggedRows,
        lags: Sequence[int],
        looked_at: np.ndarray,
        removed: np.ndarray,
        by_row: Array | None,
        n: Sequence[float],
    ) -> Apart:
        """Look at features, and take some of them out.

        ``by_row`` (rows, 1 + groups) are the weights of rows, by default 1; ``n`` their sums.
        """
        # Columns of these features as they are, (rows, r) at each lag: their digits are whole here, where sums carried
        # from lag to lag would have lost them.
        given = rows.as_given(np.flatnonzero(looked_at))
        parts: list[list[Array]] = [[], [], []]
        for lag in lags:
            columns = given.at(lag)
            xp = namespace(columns)
            if by_row is None:
                value = xp.broadcast_to(constants(columns)[None, :], (len(n), columns.shape[1]))
                weights = xp.ones_like(columns[:, :1])
            else:
                value = xp.stack([constants(columns, by_row[:, g] > 0) for g in range(len(n))])
                weights = by_row
            first = columns[:1, :]
            # About the first row, so that a column that hardly varies beside its size keeps the digits of what varies.
            mean = first[0, :] + (weights[:, :1].T @ (columns - first))[0, :] / n[0]
            mean = xp.where(xp.isnan(value[0, :]), mean, xp.astype(value[0, :], mean.dtype, copy=False))
            sums = weights.T @ (columns - mean)
            sums = xp.broadcast_to(sums, value.shape) if by_row is None else sums
            for part, found in zip(parts, (mean, sums, value), strict=True):
                part.append(xp.astype(found, xp.float64, copy=False))
        rows.silence(removed)
        centre, total, constant = (xp.concat(part, axis=-1) for part in parts)
        return cls(rows, lags, by_row, looked_at, removed, centre, total, constant)

    def replace(self, centre: Array, sums: Array, constant: Array) -> tuple[Array, Array, Array]:
        """Put what is known of these features in the place of what the lag structure gives, (..., d)."""
        xp = namespace(centre)
        looked_at = np.tile(self.looked_at, len(self.lags))
        removed, looked = (
            xp.asarray(np.tile(mask, len(self.lags)), device=device_of(centre))
            for mask in (self.removed, self.looked_at)
        )
        return (
            xp.where(removed, scatter(self.centre, looked_at), centre),
            xp.where(removed[None, :], scatter(self.sums.T, looked_at).T, sums),
            xp.where(looked[None, :], scatter(self.constant.T, looked_at).T, constant),
        )

    def products(self, weighted: Array) -> tuple[Array, Array] | None:
        """Sum up products with the features that were taken out and vary.

        Parameters
        ----------
        weighted
            Centred responses, each row as often as it counts, shape (rows, U).

        Returns
        -------
        half, xy
            What together with its transpose they add to X'X, shape (d, d), and to X'Y, shape (d, U).
        """
        xp, L = namespace(weighted), len(self.lags)
        constant = np.zeros(self.removed.shape, dtype=bool)
        constant[self.looked_at] = (~np.isnan(to_numpy(self.constant[0, :]))).reshape(L, -1).all(axis=0)
        varies = self.removed & ~constant
        if not varies.any():
            return None
        columns = np.tile(varies, L)
        given = self.rows.as_given(np.flatnonzero(varies))
        kept = np.tile(varies[self.looked_at], L)
        centre = xp.astype(take_rows(self.centre, np.flatnonzero(kept)), weighted.dtype, copy=False)
        half: Array = 0.0
        xy: Array = 0.0
        for some in blocks(self.rows.n_responses, ROWS):
            # With the features split in A (apart, centred by their own means) and B (the others), X'X gains A'A, A'B
            # and B'A. A'[A B] is summed over blocks of rows; A'A is halved in it, since the transpose, which brings
            # B'A, brings A'A once more.
            own = given.matrix(self.lags, some) - centre
            beside = self.rows.matrix(self.lags, some) + scatter(own.T, columns).T
            left = own if self.by_row is None else own * self.by_row[some, :1]
            half = xp.astype(left.T @ beside, xp.float64, copy=False) + half
            xy = xp.astype(own.T @ weighted[some, :], xp.float64, copy=False) + xy
        half = xp.where(xp.asarray(columns, device=device_of(half))[None, :], half / 2, half)
        return scatter(half, columns), scatter(xy, columns)
