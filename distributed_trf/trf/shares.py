"""How much of the explained variance each band of features accounts for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import centred, varies
from distributed_trf.trf.predict import drive


def band_drives(
    X: Sequence[Array],
    weights: Array,
    lags: Sequence[int],
    lead_in: int,
    widths: Sequence[int],
    outside: Array | None = None,
) -> Array:
    """Predict from each band alone, without an intercept, shape (B, sum of T_i, U).

    Parameters
    ----------
    X
        Features of all bands side by side, one array of shape (lead_in + T_i, sum of widths) per trial.
    weights
        Shape (d, U), column ``lag_index * F + feature``.
    lags, lead_in
        Lags in samples; rows of X before the first response.
    widths
        Number of features of each band.
    outside
        What stands outside a trial, shape (sum of widths,); by default zeros.
    """
    if sum(widths) != X[0].shape[1]:
        raise DataError(f"bands have {sum(widths)} features together, but X has {X[0].shape[1]}")
    xp = namespace(weights)
    by_lag = xp.reshape(weights, (len(lags), -1, weights.shape[1]))
    ends = np.cumsum(widths).tolist()
    drives = []
    for end, width in zip(ends, widths, strict=True):
        own = xp.reshape(by_lag[:, end - width : end, :], (len(lags) * width, -1))
        beyond = None if outside is None else outside[end - width : end]
        drives.append(drive([x[:, end - width : end] for x in X], own, lags, lead_in, beyond))
    return xp.stack(drives)


def variance_shares(y: Array, contributions: Array, rounding: Array | float = 0.0) -> tuple[Array, Array]:
    """Split the explained variance over bands by the product measure.

    ``R^2_b = sum_t p_b (2 y - p) / sum_t y^2`` with ``p = sum_b p_b`` and all centred, so that the R^2 of the bands add
    up to that of the prediction (Dupré la Tour et al. 2022, NeuroImage 264:119728, section 2.4).

    Parameters
    ----------
    y
        Responses, shape (T, U), or (R, T, U), which are averaged over repeats.
    contributions
        What each band predicts, shape (B, T, U).
    rounding
        Of the sum of squares of their sum, shape (U,): see ``drive_rounding``.

    Returns
    -------
    r2 : array of shape (B, U)
        NaN where the unit never varies.
    share : array of shape (B, U)
        ``R^2_b`` over their sum; NaN where nothing is explained (the sum is not positive, or the prediction is flat).
    """
    xp = namespace(y, contributions)
    y = xp.astype(y, xp.float64)
    y = xp.mean(y, axis=0) if y.ndim == 3 else y
    if contributions.ndim != 3 or tuple(contributions.shape[1:]) != tuple(y.shape):
        raise DataError(f"contributions have shape {tuple(contributions.shape)}; expected (bands, *{tuple(y.shape)})")
    mean, y = centred(y)
    p = contributions - xp.mean(contributions, axis=1, keepdims=True)
    whole = xp.sum(p, axis=0)
    rest = 2 * y - whole
    power = xp.sum(y * y, axis=0)
    r2 = xp.sum(p * rest[None, :, :], axis=1) / xp.where(varies(power, mean, y.shape[0]), power, xp.nan)
    total = xp.sum(r2, axis=0)
    explained = (total > 0) & (xp.sum(whole * whole, axis=0) > rounding)
    return r2, r2 / xp.where(explained, total, xp.nan)
