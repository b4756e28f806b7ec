"""Lags: seconds to samples, rows of features at a lag, predictions lag by lag, and padding with a mean.

Trials can be padded with the mean of the training rows although sums are taken before that mean is known, exactly.
Features are summed about a fixed centre, which is also their value outside a trial, together with one more feature that
is 0 inside a trial and 1 outside. A padded column is then the sum of two columns: the feature's, and the extra
feature's times the distance of the mean from the centre. So sums of padded trials follow from these sums, for the mean
over any set of trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, joined, namespace, take_columns, take_rows
from distributed_trf.errors import ConfigError
from distributed_trf.trf.correlation import EPSILON, centred
from distributed_trf.trf.moments import Gram, Moments, constants, in_both
from distributed_trf.trf.parameters import number

MOST_LAGS = 1_000_000
"""More lags than any recording could resolve: the unit must be wrong."""


def lag_samples(tmin: float, tmax: float, sfreq: float) -> tuple[int, ...]:
    """Return the lags in samples from ``tmin`` to ``tmax`` seconds, both ends included.

    A positive lag is past sound: the response at time t sees the sound at t - lag.

    Examples
    --------
    >>> lag_samples(0.0, 0.2, sfreq=20.0)
    (0, 1, 2, 3, 4)
    """
    tmin, tmax, sfreq = number("tmin", tmin, "seconds"), number("tmax", tmax, "seconds"), number("sfreq", sfreq, "Hz")
    if sfreq <= 0:
        raise ConfigError(f"sfreq={sfreq} Hz must be positive: the bins per second")
    if tmax < tmin:
        raise ConfigError(f"tmax={tmax} s is before tmin={tmin} s; tmax must be the later lag")
    if (tmax - tmin) * sfreq > MOST_LAGS:
        raise ConfigError(
            f"tmin={tmin} s to tmax={tmax} s at sfreq={sfreq} Hz are more than {MOST_LAGS} lags; tmin and tmax are in "
            "seconds, sfreq in bins per second"
        )
    return tuple(range(round(tmin * sfreq), round(tmax * sfreq) + 1))


class LaggedRows:
    """Trials one after another, and the rows of them that responses see at any lag.

    Parameters
    ----------
    X
        Trials, each of shape (lead_in + T_i, F).
    lead_in
        Rows at the start of each trial that have no response.
    outside
        Values of the features outside a trial, shape (F,); by default zeros.
    dtype
        Of what is returned.

    Notes
    -----
    Rows are taken by index, so that a device has one thing to do for each lag and not one for each trial.
    """

    def __init__(self, X: Sequence[Array], lead_in: int, outside: Array | None = None, dtype: str = "float64") -> None:
        xp = namespace(*X)
        self._dtype = getattr(xp, dtype)
        if outside is None:
            outside = xp.zeros((X[0].shape[1],), dtype=X[0].dtype, device=device_of(X[0]))
        self._parts = [*X, outside[None, :]]
        self._table = joined(self._parts, self._dtype)
        lengths = np.asarray([x.shape[0] for x in X])
        self._stop = np.cumsum(lengths)
        self._start = self._stop - lengths
        self._first = self._start + lead_in
        self._trial = np.repeat(np.arange(len(X)), lengths - lead_in)
        self._response = np.concatenate([np.arange(a, b) for a, b in zip(self._first, self._stop, strict=True)])

    @property
    def mean(self) -> Array:
        """Mean over all rows of all trials, shape (F,)."""
        return namespace(self._table).mean(self._table[:-1, :], axis=0)

    @property
    def n_responses(self) -> int:
        """Number of rows at any lag."""
        return len(self._response)

    @property
    def starts(self) -> np.ndarray:
        """Each trial's first response among all, host indices."""
        return np.flatnonzero(np.diff(self._trial, prepend=-1))

    def index(self, lag: int) -> np.ndarray:
        """Which row each response sees at one lag: host indices, for all rows outside of trials the same."""
        return self._index(self._response - lag, self._trial)

    def products(self, other: LaggedRows, dtype: str) -> Array:
        """Return the products of rows as ``index`` counts them, made in some precision, float64."""
        xp = namespace(self._table)
        left, right = (xp.astype(rows._table, getattr(xp, dtype), copy=False) for rows in (self, other))
        # The same array twice: numpy then makes one triangle only.
        return xp.astype(left @ (left if other is self else right).T, xp.float64, copy=False)

    def subtract(self, centre: Array) -> None:
        """Move all rows, and the values outside the trials, by ``centre`` of shape (F,)."""
        self._table -= centre

    def silence(self, features: np.ndarray) -> None:
        """Set features to zero everywhere, outside the trials too; host bools of shape (F,)."""
        xp = namespace(self._table)
        silent = xp.asarray(features, device=device_of(self._table))
        self._table = xp.where(silent, xp.zeros_like(self._table), self._table)

    def as_given(self, features: np.ndarray) -> LaggedRows:
        """Return only some features, by host index, with the values that they came with."""
        kept = copy(self)
        kept._table = take_columns(joined(self._parts, self._dtype), features)
        return kept

    def at(self, lag: int, responses: slice = slice(None)) -> Array:
        """Return what each response sees at one lag in samples, shape (sum of T_i, F): row t - lag of its trial."""
        return self._take(self._response[responses] - lag, self._trial[responses])

    def matrix(self, lags: Sequence[int], responses: slice = slice(None)) -> Array:
        """Return the lagged matrix of a few responses, shape (rows, F * L)."""
        return self._lagged(self._response[responses], self._trial[responses], lags)

    def before_first(self, lags: Sequence[int]) -> Array:
        """Return the lagged row just before each trial's first response, shape (trials, F * L)."""
        return self._edge(self._first - 1, lags)

    def last(self, lags: Sequence[int]) -> Array:
        """Return the lagged row of each trial's last response, shape (trials, F * L)."""
        return self._edge(self._stop - 1, lags)

    def _edge(self, position: np.ndarray, lags: Sequence[int]) -> Array:
        return self._lagged(position, np.arange(len(position)), lags)

    def _lagged(self, position: np.ndarray, trial: np.ndarray, lags: Sequence[int]) -> Array:
        every = (position[:, None] - np.asarray(lags)).reshape(-1)
        rows = self._take(every, np.repeat(trial, len(lags)))
        return namespace(rows).reshape(rows, (len(position), -1))

    def _take(self, position: np.ndarray, trial: np.ndarray) -> Array:
        return take_rows(self._table, self._index(position, trial))

    def _index(self, position: np.ndarray, trial: np.ndarray) -> np.ndarray:
        """Rows of the table; the last one where a position lies outside its trial."""
        # All trials lie one after another in one table, whose last row is what stands outside of them: a row that would
        # be in a neighbour's trial is taken from there, so no trial sees another.
        inside = (position >= self._start[trial]) & (position < self._stop[trial])
        return np.where(inside, position, self._table.shape[0] - 1)


ROUNDING = 8.0
"""Units of rounding, of the largest that a drive could be, within which it may be off: sums of many terms, measured."""


def drive(X: Sequence[Array], weights: Array, lags: Sequence[int], lead_in: int, outside: Array | None = None) -> Array:
    """Apply the weights of lagged features, without an intercept.

    Parameters
    ----------
    X
        Features, one array of shape (lead_in + T_i, F) per trial.
    weights
        Shape (F * L, U), column ``lag_index * F + feature`` as in ``Moments``.
    lags
        Lags in samples.
    lead_in
        Rows of X before the first response.
    outside
        Values of the features outside a trial, shape (F,); by default zeros.

    Returns
    -------
    array of shape (sum of T_i, U)
        The trials one after another.
    """
    rows = LaggedRows(X, lead_in, outside)
    width = X[0].shape[1]
    total: Array = 0.0
    for k, lag in enumerate(lags):
        total = rows.at(lag) @ weights[k * width : (k + 1) * width, :] + total
    return total


def drive_rounding(X: Sequence[Array], weights: Array, n_lags: int, inverse: Array) -> Array:
    """Bound what rounding may add to the drive: where a prediction varies by no more, it is flat.

    The terms of the drive are summed with an error of a few units of rounding of ``sum_j |x_j| |w_j|``, and the weights
    were solved to as many of ``|z|``, with z the weights of the scaled columns. Both are at most
    ``8 epsilon |x / s| |z|`` with s the scales of the columns (Cauchy and Schwarz), which costs no product over bins.

    Parameters
    ----------
    X, weights
        As in ``drive``.
    n_lags
        Number of lags L.
    inverse
        One over the scales of the lagged columns in which the weights were solved, shape (F * L,); zero where their
        weights are.

    Returns
    -------
    array of shape (trials, U)
        The sum over each trial's bins of the squared bound.
    """
    xp = namespace(weights, *X)
    alive = inverse > 0
    solved = xp.where(alive, 1 / xp.where(alive, inverse, xp.ones_like(inverse)), xp.zeros_like(inverse))
    z = weights * solved[:, None]
    return row_rounding(X, n_lags, inverse)[:, None] * xp.sum(z * z, axis=0)[None, :]


def row_rounding(X: Sequence[Array], n_lags: int, inverse: Array) -> Array:
    """Return the bound of ``drive_rounding`` for weights of scaled columns whose norm is 1, shape (trials,)."""
    xp = namespace(inverse, *X)
    by_feature = xp.sum(xp.reshape(inverse * inverse, (n_lags, -1)), axis=0)
    rows = xp.stack([xp.sum(xp.sum(xp.astype(x, xp.float64) ** 2, axis=0) * by_feature) for x in X])
    return (ROUNDING * EPSILON) ** 2 * rows


@dataclass(frozen=True)
class FeatureMeans:
    """Count and means of features over all rows of some trials, the lead-in included."""

    n: int
    mean: Array
    """Shape (F,)."""
    constant: Array
    """Value of each feature that never varies, NaN for one that does, shape (F,)."""

    @classmethod
    def of(cls, X: Sequence[Array]) -> FeatureMeans:
        """Average trials, each of shape (rows, F)."""
        xp = namespace(*X)
        rows = xp.concat([xp.astype(x, xp.float64, copy=False) for x in X])
        return cls(rows.shape[0], centred(rows)[0], constants(rows))

    def of_features(self, features: np.ndarray) -> FeatureMeans:
        """Return those of some of the features, given by host indices."""
        return FeatureMeans(self.n, take_columns(self.mean, features), take_columns(self.constant, features))

    def __add__(self, other: FeatureMeans) -> FeatureMeans:
        n = self.n + other.n
        mean = self.mean + (other.mean - self.mean) * (other.n / n)
        return FeatureMeans(n, mean, in_both(self.constant, other.constant))


def with_outside(x: Array, centre: Array) -> Array:
    """Move a trial by the centre and add the feature that is 0 inside a trial and 1 outside, shape (rows, F + 1)."""
    xp = namespace(x, centre)
    moved = xp.astype(x, xp.float64, copy=False) - centre
    return xp.concat([moved, xp.zeros_like(moved[:, :1])], axis=1)


def outside_of(centre: Array) -> Array:
    """Return the values outside such trials, shape (F + 1,)."""
    xp = namespace(centre)
    return xp.concat([xp.zeros_like(centre), xp.ones((1,), dtype=centre.dtype, device=device_of(centre))])


def padded_columns(array: Array, fill: Array) -> Array:
    """Pad the lagged columns along the last axis, ((F + 1) L) to (F L) numbers; ``fill`` as in ``padded``."""
    # A column padded with ``fill`` is x_padded = x + fill * outside, feature by feature and lag by lag; sums are
    # bilinear, so that X'X of padded columns is this map applied to both sides of X'X.
    xp, F, before = namespace(fill), fill.shape[0], array.shape[:-1]
    n_lags = array.shape[-1] // (F + 1)
    parts = xp.reshape(array, (*before, n_lags, F + 1))
    return xp.reshape(parts[..., :F] + fill * parts[..., F:], (*before, n_lags * F))


def padded(moments: Moments, fill: Array, constant: Array) -> Moments:
    """Return the moments of trials outside of which the features have other values than the centre's.

    Parameters
    ----------
    moments
        Of trials as ``with_outside`` makes them.
    fill
        What to pad with, as a distance from the centre, shape (F,).
    constant
        Value of features that have it in all rows and in ``fill``, NaN elsewhere, shape (F,).
    """
    xp, F = namespace(fill), fill.shape[0]
    columns = partial(padded_columns, fill=fill)

    def values(constant_columns: Array) -> Array:
        parts = xp.reshape(constant_columns, (-1, F + 1))
        filled = xp.where(fill == 0, parts[:, :F], parts[:, :F] + fill * parts[:, F:])
        return xp.reshape(xp.where(xp.isnan(constant), filled, constant), (-1,))

    def means(mean: Array, constant_columns: Array) -> Array:
        return xp.where(xp.isnan(constant_columns), columns(mean), constant_columns)

    gram = moments.gram
    xx, constant_columns = columns(columns(gram.xx).T), values(gram.constant)
    gram = Gram(gram.n, means(gram.x_mean, constant_columns), (xx + xx.T) / 2, constant_columns).without_rounding()
    cross = []
    for c in moments.cross:
        constant_columns = values(c.constant)
        missing = None if c.missing is None else columns(c.missing)
        xy = columns(c.xy.T).T
        cross.append(
            replace(c, x_mean=means(c.x_mean, constant_columns), xy=xy, constant=constant_columns, missing=missing)
        )
    return Moments(gram, tuple(cross))
