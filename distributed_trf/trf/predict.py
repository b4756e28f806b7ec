"""Responses predicted from features, lag by lag."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.lags import LaggedRows


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
    xp = namespace(weights, *X)
    rows = LaggedRows([xp.astype(x, xp.float64, copy=False) for x in X], lead_in, outside)
    width = X[0].shape[1]
    total: Array = 0.0
    for k, lag in enumerate(lags):
        total = rows.at(lag) @ weights[k * width : (k + 1) * width, :] + total
    return total
