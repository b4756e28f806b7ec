"""Sums over time from which every fit follows; sums of disjoint trials add up.

Columns that never vary are recognised by their values: no threshold could separate a small variance from rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from distributed_trf.arrays import Array, block_rows, blocks, namespace, take_columns, take_rows
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import centred


def constants(columns: Array, counted: Array | None = None) -> Array:
    """Return the value of each column that is the same in all rows, NaN for one that varies.

    Parameters
    ----------
    columns
        Shape (n, k).
    counted
        Which rows are looked at, bool of shape (n,); by default all.
    """
    xp = namespace(columns)
    low, high = columns, columns
    if counted is not None:
        low, high = (xp.where(counted[:, None], columns, limit) for limit in (xp.inf, -xp.inf))
    low, high = xp.min(low, axis=0), xp.max(high, axis=0)
    return xp.astype(xp.where(low == high, low, xp.nan), xp.float64, copy=False)


def in_both(a: Array, b: Array) -> Array:
    """Return the value of each column that is constant over two sets of rows, given those over each of them."""
    xp = namespace(a, b)
    return xp.where(a == b, a, xp.nan)  # NaN equals nothing


ROUNDING = 2.0**-40
"""Of a sum of squares, about 1e-12: less than this fraction left by a subtraction is rounding."""


@dataclass(frozen=True)
class Gram:
    """Count, means and centred products of lagged features over a set of trials.

    A column of lagged features is one feature at one lag; with F features column ``lag_index * F + feature``, so that
    there are ``d = F * L`` of them.
    """

    n: float
    """Number of rows (time bins with a response), each counted as often as its trial is drawn."""
    x_mean: Array
    """Mean of each lagged column, shape (d,)."""
    xx: Array
    """Centred X'X, symmetric to the last bit, shape (d, d)."""
    constant: Array
    """Value of each column that never varies, NaN for one that does, shape (d,)."""

    @classmethod
    def of_rows(cls, rows: Array) -> Gram:
        """Sum up explicit lagged rows, shape (n, d)."""
        mean, moved = centred(rows)
        return cls(float(rows.shape[0]), mean, moved.T @ moved, constants(rows))

    def __add__(self, other: Gram) -> Gram:
        if not (self.n and other.n):
            return self if self.n else other
        # Sums about the means of A and B, merged (Chan, Golub & LeVeque 1983): with d = mean_B - mean_A, shape (d,),
        #   X'X = X'X_A + X'X_B + n_A n_B / n d d'.
        n, dx = self.n + other.n, other.x_mean - self.x_mean
        xx = _with_square(self.xx + other.xx, self.n * other.n / n, dx)
        return Gram(n, self.x_mean + dx * (other.n / n), xx, in_both(self.constant, other.constant))

    def __sub__(self, part: Gram) -> Gram:
        n = _left(self.n, part.n)
        # The merge solved for A, given A + B and B:
        #   mean_A = mean + (mean - mean_B) n_B / n_A,   X'X_A = X'X - X'X_B - n_A n_B / n d d',   d = mean_B - mean_A.
        # Digits can be lost in this difference, so ``_remains`` looks at what is left of each column.
        mean = self.x_mean + (self.x_mean - part.x_mean) * (part.n / n)
        dx = part.x_mean - mean
        xx = _with_square(self.xx - part.xx, -n * part.n / self.n, dx)
        xp = namespace(xx)
        kept = _remains(xp.linalg.diagonal(xx), xp.linalg.diagonal(self.xx))
        return Gram(n, mean, xx, xp.where(kept, xp.nan, mean)).without_rounding()

    def without(self, rows: Array, constant: Array) -> Gram:
        """Take explicit lagged rows, shape (r, d), away, knowing which columns are constant in the others, (d,).

        A column that varies in the others by a small part of what it does in these rows keeps as many digits less; one
        that keeps none counts as constant.
        """
        rest = self - Gram.of_rows(rows)
        xp = namespace(constant)
        varies = xp.isnan(constant)
        mean, constant = xp.where(varies, rest.x_mean, constant), xp.where(varies, rest.constant, constant)
        return Gram(rest.n, mean, rest.xx, constant).without_rounding()

    def without_rounding(self) -> Gram:
        """Set the products of constant columns, of which a subtraction leaves rounding, to zero."""
        xp = namespace(self.xx)
        varies = xp.isnan(self.constant)
        return replace(self, xx=xp.where(varies[:, None] & varies[None, :], self.xx, xp.zeros_like(self.xx)))

    def __mul__(self, times: float) -> Gram:
        return replace(self, n=self.n * times, xx=self.xx * times)

    def of_columns(self, columns: np.ndarray) -> Gram:
        """Return the sums of some of the lagged columns, given by host indices."""
        xx = take_columns(take_rows(self.xx, columns), columns)
        return Gram(self.n, take_columns(self.x_mean, columns), xx, take_columns(self.constant, columns))

    def around(self, x_mean: Array) -> Array:
        """Return X'X taken around other means than these trials' own, shape (d, d)."""
        # sum (x - c)(x - c)' = sum (x - m)(x - m)' + n (m - c)(m - c)', shape (d, d).
        dx = self.x_mean - x_mean
        return _with_square(namespace(dx).asarray(self.xx, copy=True), self.n, dx)


@dataclass(frozen=True)
class Responses:
    """Count, means and sums of squares of some units over the rows presented to them."""

    n: float
    """Number of rows."""
    y_mean: Array
    """Mean of each unit, shape (U,)."""
    yy: Array
    """Centred sum of squares of each unit, shape (U,)."""

    def power_around(self, y_mean: Array) -> Array:
        """Return the sums of squares taken around other means than these rows' own, shape (U,)."""
        return self.yy + self.n * (self.y_mean - y_mean) ** 2


@dataclass(frozen=True)
class Cross(Responses):
    """What the responses of some units add to a ``Gram``: units to which the same trials were presented."""

    x_mean: Array
    """Mean of each lagged column over the rows presented to them, shape (d,)."""
    xy: Array
    """Centred X'Y, shape (d, U)."""
    constant: Array
    """Value of each lagged column that never varies over those rows, NaN for one that does, shape (d,)."""
    missing: Array | None = None
    """Lagged rows of the Gram's trials that were not presented to these units, shape (r, d); None if all were."""

    def __add__(self, other: Cross) -> Cross:
        missing = _stack(self.missing, other.missing)
        if not (self.n and other.n):
            return replace(self if self.n else other, missing=missing)
        n, dx, dy = self.n + other.n, other.x_mean - self.x_mean, other.y_mean - self.y_mean
        # As for X'X: X'Y = X'Y_A + X'Y_B + n_A n_B / n dx dy', shape (d, U), and the diagonal of Y'Y likewise, (U,).
        weight = self.n * other.n / n
        return Cross(
            n=n,
            x_mean=self.x_mean + dx * (other.n / n),
            y_mean=self.y_mean + dy * (other.n / n),
            xy=_with_outer(self.xy + other.xy, weight * dx, dy),
            yy=self.yy + other.yy + weight * dy * dy,
            constant=in_both(self.constant, other.constant),
            missing=missing,
        )

    def __sub__(self, part: Cross) -> Cross:
        if self.missing is not None or part.missing is not None:
            raise DataError("responses to only some of the trials cannot be subtracted")
        n = _left(self.n, part.n)
        x_mean = self.x_mean + (self.x_mean - part.x_mean) * (part.n / n)
        y_mean = self.y_mean + (self.y_mean - part.y_mean) * (part.n / n)
        dx, dy, weight = part.x_mean - x_mean, part.y_mean - y_mean, n * part.n / self.n
        xp = namespace(self.yy)
        yy, xy = self.yy - part.yy - weight * dy * dy, _with_outer(self.xy - part.xy, -weight * dx, dy)
        kept = _remains(yy, self.yy)
        yy, xy = (xp.where(kept, a, xp.zeros_like(a)) for a in (yy, xy))
        return Cross(n, y_mean, yy, x_mean, xy, xp.full_like(x_mean, xp.nan))

    def __mul__(self, times: float) -> Cross:
        if self.missing is not None:
            raise DataError("responses to only some of the trials cannot be weighted; weight before leaving any out")
        return replace(self, n=self.n * times, xy=self.xy * times, yy=self.yy * times)

    def of_columns(self, columns: np.ndarray) -> Cross:
        """Return what the responses add to some of the lagged columns, given by host indices."""
        return replace(
            self,
            x_mean=take_columns(self.x_mean, columns),
            xy=take_rows(self.xy, columns),
            constant=take_columns(self.constant, columns),
            missing=None if self.missing is None else take_columns(self.missing, columns),
        )

    def around(self, x_mean: Array, y_mean: Array, units: slice = slice(None)) -> Array:
        """Return X'Y of some units taken around other means than these rows' own, shape (d, U)."""
        dx, dy = self.n * (self.x_mean - x_mean), self.y_mean - y_mean
        return self.xy[:, units] + dx[:, None] * dy[None, units]


@dataclass(frozen=True, repr=False)
class Moments:
    """All sums over a set of trials: of the lagged features, and of each group of units with them.

    Moments of disjoint sets of trials add up (``a + b``), those of a subset can be taken away (``all - some``), and
    those of trials drawn k times are ``k`` times the moments (``some * k``); means and centred sums are combined
    stably (Chan, Golub & LeVeque 1983).
    """

    gram: Gram
    cross: tuple[Cross, ...]
    """One for each group of units to which the same trials were presented; usually there is one."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many lagged features there are, and how many units in each group."""
        return self.gram.x_mean.shape[0], *(cross.yy.shape[0] for cross in self.cross)

    def __repr__(self) -> str:
        columns, *units = self.sizes
        return f"Moments({columns} lagged features, {sum(units)} units, {self.gram.n:g} rows)"

    def __add__(self, other: Moments) -> Moments:
        check_alike([self, other])
        return Moments(self.gram + other.gram, tuple(a + b for a, b in zip(self.cross, other.cross, strict=True)))

    def __sub__(self, part: Moments) -> Moments:
        return Moments(self.gram - part.gram, tuple(a - b for a, b in zip(self.cross, part.cross, strict=True)))

    def __mul__(self, times: float) -> Moments:
        return Moments(self.gram * times, tuple(cross * times for cross in self.cross))

    def without_products(self) -> Moments:
        """Return the same without X'Y, of which no row is left, (0, U): means and squares add up as before."""
        return Moments(self.gram, tuple(replace(cross, xy=cross.xy[:0, :]) for cross in self.cross))

    def of_columns(self, columns: np.ndarray) -> Moments:
        """Return the sums of some of the lagged columns, given by host indices: parts of these, none is taken anew."""
        return Moments(self.gram.of_columns(columns), tuple(cross.of_columns(columns) for cross in self.cross))


def check_alike(moments: Sequence[Moments]) -> None:
    """Raise DataError if moments are of different features or units, by their numbers."""
    for other in moments[1:]:
        if other.sizes != moments[0].sizes:
            raise DataError(f"{moments[0]} and {other} differ; sum trials of the same features, lags and units")


def merge(moments: Sequence[Moments]) -> Moments:
    """Merge the moments of disjoint sets of trials, pairwise, so that rounding grows with the log of their number.

    Examples
    --------
    >>> import numpy as np
    >>> from distributed_trf.trf.stream import moments_of
    >>> x, y = np.arange(8.0)[:, None], np.ones((8, 1))
    >>> halves = [moments_of([half], [y[:4]], lags=[0], lead_in=0) for half in (x[:4], x[4:])]
    >>> merge(halves).gram.xx.round(9).tolist(), float(((x - x.mean()) ** 2).sum())
    ([[42.0]], 42.0)
    """
    if len(moments) == 1:
        return moments[0]
    half = len(moments) // 2
    return merge(moments[:half]) + merge(moments[half:])


def leave_one_out(moments: Sequence[Moments]) -> Iterator[Moments]:
    """For each of at least two, yield the merge of all others.

    Merged, not subtracted from the whole: what never varies in the others then stays exactly zero.
    """
    # All sums but one, for each of K: those before it merged with those after it, 3 K merges instead of K^2.
    after: list[Moments] = [moments[-1]]  # merges of the last 1, 2, ...
    for part in reversed(moments[1:-1]):
        after.append(part + after[-1])
    before = None
    for part in moments:
        rest = after.pop() if after else None
        yield merge([m for m in (before, rest) if m is not None])
        before = part if before is None else before + part


def _with_outer(matrix: Array, a: Array, b: Array) -> Array:
    """Add the product of two vectors to a matrix in place, and return it."""
    # matrix + a b', shape (n, m), block by block: what is added is nowhere in memory as a whole.
    for rows in blocks(matrix.shape[0], block_rows(matrix.shape[1], matrix)):
        matrix[rows, :] += a[rows, None] * b[None, :]
    return matrix


def _with_square(matrix: Array, weight: float, a: Array) -> Array:
    """Add ``weight`` times the product of a vector with itself in place, symmetric to the last bit."""
    # (sqrt(w) a_i)(sqrt(w) a_j) is the same number for (i, j) and (j, i); (w a_i) a_j is not always.
    rooted = abs(weight) ** 0.5 * a
    return _with_outer(matrix, rooted if weight > 0 else -rooted, rooted)


def _remains(rest: Array, whole: Array) -> Array:
    """Return which columns vary after a subtraction; of the others only rounding is left, which is set to zero.

    Divided by its own deviation, as regressors are, such rounding would pass for a column like any other.
    """
    return rest > ROUNDING * whole


def _left(n: float, part: float) -> float:
    if part >= n:
        raise DataError(f"{part:g} rows cannot be taken from {n:g}; some must remain")
    return n - part


def _stack(a: Array | None, b: Array | None) -> Array | None:
    if a is None or b is None:
        return b if a is None else a
    return namespace(a, b).concat([a, b])
