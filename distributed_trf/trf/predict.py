"""Responses predicted from features, lag by lag."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.correlation import EPSILON
from distributed_trf.trf.lags import LaggedRows

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
