"""Pearson correlation over time; a unit that never varies has none."""

from __future__ import annotations

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import DataError

EPSILON = 2.0**-52


def varies(power: Array, mean: Array, n: float, epsilon: float = EPSILON) -> Array:
    """Tell which columns vary, given their centred sum of squares: more than rounding around a constant would give.

    ``epsilon`` is the relative precision in which they were summed.
    """
    return power > n * (4 * epsilon * mean) ** 2


def pearson(y_true: Array, y_pred: Array, rounding: Array | float = 0.0) -> Array:
    """Correlate each unit's prediction with what was recorded.

    ``r = sum(a b) / sqrt(sum(a^2) sum(b^2))`` over centred ``a``, ``b``, in float64.

    Parameters
    ----------
    y_true, y_pred
        Shape (T, U).
    rounding
        Sum over bins of the square of what rounding may have added to predictions, shape (U,): see ``drive_rounding``.

    Returns
    -------
    array of shape (U,)
        NaN where either never varies, the prediction by more than rounding.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(6.0).reshape(3, 2)
    >>> pearson(y, 1 - 2 * y).round(9).tolist()
    [-1.0, -1.0]
    """
    if y_true.shape != y_pred.shape:
        raise DataError(
            f"recorded responses are {tuple(y_true.shape)} but predictions are {tuple(y_pred.shape)}; "
            "both must be (bins, units) on the same bins"
        )
    xp = namespace(y_true, y_pred)
    y_true, y_pred = xp.astype(y_true, xp.float64), xp.astype(y_pred, xp.float64)
    (mean_true, a), (mean_pred, b) = centred(y_true), centred(y_pred)
    power_a, power_b = xp.sum(a * a, axis=0), xp.sum(b * b, axis=0)
    n = y_true.shape[0]
    defined = varies(power_a, mean_true, n) & varies(power_b, mean_pred, n) & (power_b > rounding)
    one = xp.ones_like(power_a)
    # Two roots, not the root of a product: powers of weights shrunk by a penalty of 1e15 would underflow.
    norm = xp.sqrt(xp.where(defined, power_a, one)) * xp.sqrt(xp.where(defined, power_b, one))
    return xp.where(defined, xp.sum(a * b, axis=0) / norm, xp.nan * one)


def centred(y: Array) -> tuple[Array, Array]:
    """Return each column's mean and the deviations from it, exactly zero for a column that never varies."""
    xp = namespace(y)
    moved = y - y[:1, :]
    mean = xp.mean(moved, axis=0)
    return y[0, :] + mean, moved - mean


def mean_over_repeats(y_true: Array, y_pred: Array, rounding: Array | float = 0.0) -> Array:
    """Correlate a prediction with each repeat, then average.

    Parameters
    ----------
    y_true
        Shape (R, T, U): repeats of the same stimuli.
    y_pred
        Shape (T, U).
    rounding
        As in ``pearson``.

    Returns
    -------
    array of shape (U,)
        Mean over all repeats. One in which the unit does not vary, such as a repeat without a spike, counts as r = 0,
        as it does in the normaliser; NaN for a unit that varies in none, and for a prediction that never varies.
    """
    xp = namespace(y_true, y_pred)
    r = xp.stack([pearson(y_true[repeat, :, :], y_pred, rounding) for repeat in range(y_true.shape[0])])
    defined = ~xp.isnan(r)
    mean = xp.mean(xp.where(defined, r, xp.zeros_like(r)), axis=0)
    return xp.where(xp.any(defined, axis=0), mean, xp.nan * mean)
