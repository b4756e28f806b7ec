"""Sums over time from which every fit follows, and the lag structure that makes them cheap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.lags import rows_at, shifted


@dataclass(frozen=True)
class Moments:
    """Count, means and centred sums of lagged features and responses over a set of trials.

    A column of lagged features is one feature at one lag; with F features column ``lag_index * F + feature``, so that
    there are ``d = F * L`` of them.
    """

    n: int
    """Number of rows (time bins with a response)."""
    x_mean: Array
    """Mean of each lagged column, shape (d,)."""
    y_mean: Array
    """Mean of each unit, shape (U,)."""
    xx: Array
    """Centred X'X, shape (d, d)."""
    xy: Array
    """Centred X'Y, shape (d, U)."""
    yy: Array
    """Centred sum of squares of each unit, shape (U,)."""

    def __add__(self, other: Moments) -> Moments:
        """Merge the moments of two disjoint sets of trials (Chan, Golub & LeVeque 1983)."""
        n = self.n + other.n
        weight = self.n * other.n / n
        dx, dy = other.x_mean - self.x_mean, other.y_mean - self.y_mean
        return Moments(
            n=n,
            x_mean=self.x_mean + dx * (other.n / n),
            y_mean=self.y_mean + dy * (other.n / n),
            xx=self.xx + other.xx + weight * dx[:, None] * dx[None, :],
            xy=self.xy + other.xy + weight * dx[:, None] * dy[None, :],
            yy=self.yy + other.yy + weight * dy * dy,
        )

    def around(self, x_mean: Array, y_mean: Array) -> Moments:
        """Return the sums taken around other means than these trials' own, such as those of the training trials."""
        dx, dy = self.x_mean - x_mean, self.y_mean - y_mean
        return Moments(
            n=self.n,
            x_mean=x_mean,
            y_mean=y_mean,
            xx=self.xx + self.n * dx[:, None] * dx[None, :],
            xy=self.xy + self.n * dx[:, None] * dy[None, :],
            yy=self.yy + self.n * dy * dy,
        )

    def units(self, block: slice) -> Moments:
        """Return the moments of some of the units only; nothing of size d x d is copied."""
        return replace(self, y_mean=self.y_mean[block], xy=self.xy[:, block], yy=self.yy[block])


def merge(moments: Sequence[Moments]) -> Moments:
    """Merge the moments of disjoint sets of trials, in the order given."""
    return reduce(lambda a, b: a + b, moments)


def moments_of(X: Sequence[Array], Y: Sequence[Array], lags: Sequence[int], lead_in: int) -> Moments:
    """Compute the moments of some trials without ever building their lagged matrix.

    Parameters
    ----------
    X
        Features, one array of shape (lead_in + T_i, F) per trial.
    Y
        Responses, one array of shape (T_i, U) per trial.
    lags
        Consecutive lags in samples, ascending.
    lead_in
        Rows of X before the first response of each trial.

    Notes
    -----
    Lagged columns are shifts of one another. Going from lags (a, b) to (a + 1, b + 1) every trial's sum gains the
    product just before its first response and loses the one at its last response, so only the first of the L block
    rows of X'X is a product over all rows, L times less work than X'X of the lagged matrix. The identity holds for any
    value outside the trial; with features centred by ``c`` that value is ``-c``, because a lagged matrix holds zeros.
    """
    xp = namespace(*X, *Y)
    y = xp.concat([xp.astype(trial, xp.float64) for trial in Y])
    n, (n_features, n_lags) = y.shape[0], (X[0].shape[1], len(lags))
    y_mean = xp.mean(y, axis=0)
    y = y - y_mean
    rest = xp.sum(y, axis=0)  # what rounding left of zero

    X = [xp.astype(trial, xp.float64) for trial in X]
    # Centred by about the right mean, sums lose no digits when the mean is large beside the deviation.
    centre = xp.mean(xp.concat(X), axis=0)
    X = [trial - centre for trial in X]
    outside = -centre

    d = n_features * n_lags
    blocks = [slice(a * n_features, (a + 1) * n_features) for a in range(n_lags)]
    xx = xp.empty((d, d), dtype=xp.float64, device=y.device)
    first = shifted(X, lags[0], lead_in, outside)
    means, xy = [], []
    for lag, block in zip(lags, blocks, strict=True):
        columns = first if lag == lags[0] else shifted(X, lag, lead_in, outside)
        mean = xp.mean(columns, axis=0)
        means.append(mean)
        xy.append(columns.T @ y - mean[:, None] * rest[None, :])
        xx[blocks[0], block] = first.T @ columns
        xx[block, blocks[0]] = xx[blocks[0], block].T

    entering = [rows_at(X, [lead_in - lag - 1] * len(X), outside) for lag in lags[:-1]]
    leaving = [rows_at(X, [x.shape[0] - 1 - lag for x in X], outside) for lag in lags[:-1]]
    for a in range(n_lags - 1):
        for b in range(a, n_lags - 1):
            block = xx[blocks[a], blocks[b]] + entering[a].T @ entering[b] - leaving[a].T @ leaving[b]
            xx[blocks[a + 1], blocks[b + 1]] = block
            xx[blocks[b + 1], blocks[a + 1]] = block.T

    mean = xp.concat(means)
    xx -= n * mean[:, None] * mean[None, :]
    return Moments(
        n=n,
        x_mean=xp.tile(centre, (n_lags,)) + mean,
        y_mean=y_mean,
        xx=xx,
        xy=xp.concat(xy),
        yy=xp.sum(y * y, axis=0),
    )
