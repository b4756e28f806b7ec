"""Products of lagged rows without scales: taken once for all trials, so that the kernels of folds are parts of them.

Scales of columns differ between training sets, and sums over columns that weigh each otherwise have nothing to share.
Without scales the sets differ in means alone. With features about their mean over all rows, K the products of lagged
rows and ``p(t)`` the mean of K(t, e) over the rows e that a kernel is centred by, its entries are

    K(t, s) - p(t) - p(s) + mean of p(e).

Products at one lag are those at another, of other rows: with ``G`` the products of rows of features and lags 0 to L - 1

    K(t, s) = sum of G(t - l, s - l) over lags l,    K(t, s) = K(t - 1, s - 1) + G(t, s) - G(t - L, s - L)

within trials, so that one product of rows serves all lags, and each entry costs two additions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, like, namespace, take_columns, take_rows
from distributed_trf.trf.lags import LaggedRows
from distributed_trf.trf.solver_choice import Precision

LEFT = 1 / 8
"""Of the power of rows, what centring must leave at least: digits that it takes are lost to the kernel."""
LEAD_INS = 2.0
"""Rows with their lead-in, at most, for each row: where there are more, their products take more room than a kernel's
decomposition."""


@dataclass
class RowProducts:
    """Products of the lagged rows of some trials, about the mean of their features."""

    X: Sequence[Array]
    """One array of shape (lead_in + T_i, F) per trial."""
    lags: Sequence[int]
    """Consecutive, in samples."""
    lead_in: int
    precision: Precision
    """Of products of features; what is summed of them is in double precision."""
    _means: dict[bytes, tuple[Array, Array]] = field(default_factory=dict, repr=False)

    @property
    def fits(self) -> bool:
        """Whether there is room for them where there is room to decompose a kernel."""
        given = sum(x.shape[0] for x in self.X)
        return given <= LEAD_INS * (given - self.lead_in * len(self.X))

    def rows_of(self, trials: Sequence[int]) -> np.ndarray:
        """Return the host indices of the rows of some trials, one after another."""
        lengths = [x.shape[0] - self.lead_in for x in self.X]
        first = np.cumsum([0, *lengths])
        return np.concatenate([np.arange(first[i], first[i + 1]) for i in trials])

    def centred(self, rows: np.ndarray, columns: np.ndarray, by: np.ndarray) -> Array:
        """Return products of rows with others, about the mean of the rows ``by``."""
        means, mean = self._about(by)
        left, right = (take_rows(means, some) for some in (rows, columns))
        centred = take_columns(take_rows(self._products, rows), columns)
        centred -= left[:, None]
        centred -= (right - mean)[None, :]
        return centred

    def kernel(self, rows: np.ndarray, by: np.ndarray) -> Array | None:
        """Return products of rows with themselves, about the mean of the rows ``by``.

        None where centring leaves little of them: where rows are close to one another beside their distance from the
        mean of all trials.
        """
        # The trace is the rows' power: rounding of K is relative to that before centring.
        kernel = self.centred(rows, rows, by)
        xp = namespace(kernel)
        before = xp.sum(take_rows(xp.linalg.diagonal(self._products), rows))
        return kernel if bool(xp.sum(xp.linalg.diagonal(kernel)) >= LEFT * before) else None

    def of_others(self, X: Sequence[Array], columns: np.ndarray, by: np.ndarray) -> Array:
        """Return products of other trials' rows with some of these, about the mean of the rows ``by``."""
        others = LaggedRows(X, self.lead_in)
        # About the same mean, so that both have the same value outside of trials.
        others.subtract(self._centre)
        products, (means, mean) = self._sums(others), self._about(by)
        own = products @ self._weights(by)
        return take_columns(products, columns) - own[:, None] - (take_rows(means, columns) - mean)[None, :]

    def forget(self) -> None:
        """Give the room of all products back; they are taken anew if they are needed again."""
        self.__dict__.pop("_products", None)

    def _about(self, by: np.ndarray) -> tuple[Array, Array]:
        """Means of all products over the rows ``by``, and the mean of these over the same rows."""
        key = by.tobytes()
        if key not in self._means:
            weights = self._weights(by)
            means = self._products @ weights
            self._means[key] = means, weights @ means
        return self._means[key]

    def _weights(self, by: np.ndarray) -> Array:
        return like(np.bincount(by, minlength=self._rows.n_responses) / len(by), self._products)

    @cached_property
    def _centre(self) -> Array:
        return LaggedRows(self.X, self.lead_in).mean

    @cached_property
    def _rows(self) -> LaggedRows:
        rows = LaggedRows(self.X, self.lead_in)
        rows.subtract(self._centre)
        return rows

    @cached_property
    def _products(self) -> Array:
        return self._sums(self._rows)

    def _sums(self, rows: LaggedRows) -> Array:
        """Products of lagged rows with those of these trials, shape (rows, all rows)."""
        columns, first, last = self._rows, self.lags[0], self.lags[-1]
        # G of all rows of features, those of lead-ins and one that stands for all outside of trials too.
        products = rows.products(columns, self.precision)
        xp = namespace(products)
        index = columns.index(first)
        if first == last:
            return take_columns(take_rows(products, rows.index(first)), index)
        # What a trial's first row, and its first column, sees has nothing before it: these are summed lag by lag.
        top: Array = 0.0
        left: Array = 0.0
        for lag in self.lags:
            top = take_columns(take_rows(products, rows.index(lag)[rows.starts]), columns.index(lag)) + top
            if rows is not columns:
                left = take_columns(take_rows(products, rows.index(lag)), columns.index(lag)[columns.starts]) + left
        left = top.T if rows is columns else left
        leaving = np.concatenate([index[:1], columns.index(last)[:-1]])
        # Of a first column the entry before is another trial's, and ``left`` takes its place.
        starts = np.zeros(len(index), dtype=bool)
        starts[columns.starts] = True
        trial, is_start = np.cumsum(starts) - 1, xp.asarray(starts, device=device_of(products))[None, :]
        # All trials at once, row after row: those that are at an end are the last of the block.
        lengths = np.diff([*rows.starts, rows.n_responses])
        order = np.argsort(-lengths, kind="stable")
        block = take_rows(top, order)
        found, places = [block], [rows.starts[order]]
        for step in range(1, int(lengths.max())):
            n = int((lengths > step).sum())
            place = rows.starts[order[:n]] + step
            # K(t, s) = K(t - 1, s - 1) + G at the first lag - G at the last lag of the rows before.
            before = xp.concat([xp.zeros_like(block[:n, :1]), block[:n, :-1]], axis=1)
            enter = take_columns(take_rows(products, rows.index(first)[place]), index)
            leave = take_columns(take_rows(products, rows.index(last)[place - 1]), leaving)
            first_column = take_columns(take_rows(left, place), trial)
            block = xp.where(is_start, first_column, before + enter - leave)
            found.append(block)
            places.append(place)
        return take_rows(xp.concat(found), np.argsort(np.concatenate(places)))
