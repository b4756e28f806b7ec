"""Lags: seconds to samples, and what responses see at one of them.

Responses predicted from features, lag by lag.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, joined, namespace, take_columns, take_rows
from distributed_trf.errors import ConfigError
from distributed_trf.trf.correlation import EPSILON
from distributed_trf.trf.parameters import number

MOST_LAGS = 1_000_000
"""More than any recording could tell apart: the unit was mistaken."""


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
        What stands outside a trial, shape (F,); by default zeros.
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

    def subtract(self, centre: Array) -> None:
        """Move all rows, and what stands outside the trials with them, by ``centre`` of shape (F,)."""
        self._table -= centre

    def silence(self, features: np.ndarray) -> None:
        """Set features to zero everywhere, outside the trials too; host bools of shape (F,)."""
        xp = namespace(self._table)
        silent = xp.asarray(features, device=device_of(self._table))
        self._table = xp.where(silent, xp.zeros_like(self._table), self._table)

    def as_given(self, features: np.ndarray) -> LaggedRows:
        """Return only some features, by host index, with the values that they came with."""
        found = copy(self)
        found._table = take_columns(joined(self._parts, self._dtype), features)
        return found

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
        """Rows of the table; the last one where a position lies outside its trial."""
        inside = (position >= self._start[trial]) & (position < self._stop[trial])
        index = np.where(inside, position, self._table.shape[0] - 1)
        return take_rows(self._table, index)


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
        What stands outside a trial, shape (F,); by default zeros.

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
    by_feature = xp.sum(xp.reshape(inverse * inverse, (n_lags, -1)), axis=0)
    rows = xp.stack([xp.sum(xp.sum(xp.astype(x, xp.float64) ** 2, axis=0) * by_feature) for x in X])
    return (ROUNDING * EPSILON) ** 2 * rows[:, None] * xp.sum(z * z, axis=0)[None, :]
