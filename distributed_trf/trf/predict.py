"""Responses predicted from features, lag by lag."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.lags import shifted


def drive(X: Sequence[Array], weights: Array, lags: Sequence[int], lead_in: int) -> Array:
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

    Returns
    -------
    array of shape (sum of T_i, U)
        The trials one after another.
    """
    xp = namespace(weights, *X)
    X = [xp.astype(x, xp.float64) for x in X]
    n_features = X[0].shape[1]
    zeros = xp.zeros((n_features,), dtype=xp.float64, device=weights.device)
    total = shifted(X, lags[0], lead_in, zeros) @ weights[:n_features, :]
    for k, lag in enumerate(lags[1:], start=1):
        total = total + shifted(X, lag, lead_in, zeros) @ weights[k * n_features : (k + 1) * n_features, :]
    return total
