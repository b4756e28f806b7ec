"""Features of a block of trials that are summed from their own rows, where the lag structure would lose digits."""

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
class SeparateColumns:
    """Which features are summed separately, and the sums of their columns, each centred by its mean at each lag."""

    rows: LaggedRows
    lags: Sequence[int]
    by_row: Array | None
    checked: np.ndarray
    """Features whose columns were checked for constants, because sums cannot show it; host bools of shape (F,)."""
    removed: np.ndarray
    """Checked features that are taken out of the lag structure; host bools of shape (F,)."""
    centre: Array
    """Mean of each lagged column that was checked, shape (L * r,)."""
    sums: Array
    """Sums about ``centre``, shape (1 + groups, L * r)."""
    constant: Array
    """As ``constants`` returns it, over all rows and over those of each group, shape (1 + groups, L * r)."""

    @classmethod
    def of(
        cls,
        rows: LaggedRows,
        lags: Sequence[int],
        checked: np.ndarray,
        removed: np.ndarray,
        by_row: Array | None,
        n: Sequence[float],
    ) -> SeparateColumns:
        """Check features, and take some of them out of the lag structure.

        ``by_row`` (rows, 1 + groups) are the weights of rows, by default 1; ``n`` their sums.
        """
        # Columns of these features as they are, (rows, r) at each lag: their digits are whole here, where sums carried
        # from lag to lag would have lost them.
        columns_given = rows.as_given(np.flatnonzero(checked))
        parts: list[list[Array]] = [[], [], []]
        for lag in lags:
            columns = columns_given.at(lag)
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
            for part, part_sums in zip(parts, (mean, sums, value), strict=True):
                part.append(xp.astype(part_sums, xp.float64, copy=False))
        rows.silence(removed)
        centre, total, constant = (xp.concat(part, axis=-1) for part in parts)
        return cls(rows, lags, by_row, checked, removed, centre, total, constant)

    def replace(self, centre: Array, sums: Array, constant: Array) -> tuple[Array, Array, Array]:
        """Replace what the lag structure gives for these features, (..., d)."""
        xp = namespace(centre)
        checked = np.tile(self.checked, len(self.lags))
        removed, looked = (
            xp.asarray(np.tile(mask, len(self.lags)), device=device_of(centre)) for mask in (self.removed, self.checked)
        )
        return (
            xp.where(removed, scatter(self.centre, checked), centre),
            xp.where(removed[None, :], scatter(self.sums.T, checked).T, sums),
            xp.where(looked[None, :], scatter(self.constant.T, checked).T, constant),
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
        constant[self.checked] = (~np.isnan(to_numpy(self.constant[0, :]))).reshape(L, -1).all(axis=0)
        varies = self.removed & ~constant
        if not varies.any():
            return None
        columns = np.tile(varies, L)
        given = self.rows.as_given(np.flatnonzero(varies))
        kept = np.tile(varies[self.checked], L)
        centre = xp.astype(take_rows(self.centre, np.flatnonzero(kept)), weighted.dtype, copy=False)
        half: Array = 0.0
        xy: Array = 0.0
        for rows in blocks(self.rows.n_responses, ROWS):
            # With the features split in A (apart, centred by their own means) and B (the others), X'X gains A'A, A'B
            # and B'A. A'[A B] is summed over blocks of rows; A'A is halved in it, since the transpose, which brings
            # B'A, brings A'A once more.
            separate = given.matrix(self.lags, rows) - centre
            lagged = self.rows.matrix(self.lags, rows) + scatter(separate.T, columns).T
            left = separate if self.by_row is None else separate * self.by_row[rows, :1]
            half = xp.astype(left.T @ lagged, xp.float64, copy=False) + half
            xy = xp.astype(separate.T @ weighted[rows, :], xp.float64, copy=False) + xy
        half = xp.where(xp.asarray(columns, device=device_of(half))[None, :], half / 2, half)
        return scatter(half, columns), scatter(xy, columns)
