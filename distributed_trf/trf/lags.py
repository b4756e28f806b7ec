"""Lags: seconds to samples, and a signal shifted by one of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import ConfigError


def lag_samples(tmin: float, tmax: float, sfreq: float) -> tuple[int, ...]:
    """Return the lags in samples from ``tmin`` to ``tmax`` seconds, both ends included.

    A positive lag is past sound: the response at time t sees the sound at t - lag.

    Examples
    --------
    >>> lag_samples(0.0, 0.2, sfreq=20.0)
    (0, 1, 2, 3, 4)
    """
    if not (np.isfinite([tmin, tmax, sfreq]).all() and sfreq > 0):
        raise ConfigError(f"tmin={tmin}, tmax={tmax} and sfreq={sfreq} must be finite, and sfreq positive")
    if tmax < tmin:
        raise ConfigError(f"tmax={tmax} s is before tmin={tmin} s; tmax must be the later lag")
    return tuple(range(round(tmin * sfreq), round(tmax * sfreq) + 1))


def shifted(X: Sequence[Array], lag: int, lead_in: int, fill: Array) -> Array:
    """Return the rows that a response sees at one lag, all trials one after another.

    Parameters
    ----------
    X
        Trials, each of shape (lead_in + T_i, F).
    lag
        Samples; row t of trial i is ``X[i][lead_in + t - lag]``.
    lead_in
        Rows at the start of each trial that have no response.
    fill
        What stands before a trial's first and after its last row, shape (F,).

    Returns
    -------
    array of shape (sum of T_i, F)
    """
    xp = namespace(fill)
    pieces = []
    for x in X:
        first, last = lead_in - lag, x.shape[0] - lag  # rows wanted; may reach out of the trial
        before, after = min(max(-first, 0), last - first), min(max(last - x.shape[0], 0), last - first)
        if before:
            pieces.append(xp.broadcast_to(fill, (before, fill.shape[0])))
        pieces.append(x[min(max(first, 0), x.shape[0]) : max(min(last, x.shape[0]), 0), :])
        if after:
            pieces.append(xp.broadcast_to(fill, (after, fill.shape[0])))
    return xp.concat(pieces)


def lagged(X: Sequence[Array], lags: Sequence[int], lead_in: int) -> Array:
    """Build the lagged matrix of a few trials, zeros outside them, shape (sum of T_i, F * L)."""
    xp = namespace(*X)
    zeros = xp.zeros_like(X[0][0, :])
    return xp.concat([shifted(X, lag, lead_in, zeros) for lag in lags], axis=1)


def rows_at(X: Sequence[Array], positions: Sequence[int], fill: Array) -> Array:
    """Return one row of each trial, ``fill`` where a position lies outside the trial; shape (trials, F)."""
    xp = namespace(fill)
    return xp.stack([x[p, :] if 0 <= p < x.shape[0] else fill for x, p in zip(X, positions, strict=True)])
