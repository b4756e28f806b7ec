"""Pearson correlation over time; a unit that never varies has none."""

from __future__ import annotations

import numpy as np

from distributed_trf.arrays import Array, block_rows, blocks, like, namespace
from distributed_trf.errors import DataError

EPSILON = 2.0**-52


def varies(power: Array, mean: Array, n: float, epsilon: float = EPSILON) -> Array:
    """Return which columns vary, given their centred sum of squares: more than rounding around a constant would give.

    ``epsilon`` is the relative precision in which they were summed.
    """
    return power > n * (4 * epsilon * mean) ** 2


def pearson(y_true: Array, y_pred: Array, rounding: Array | float = 0.0) -> Array:
    """Correlate each unit's prediction with what was recorded.

    ``r = sum(a b) / sqrt(sum(a^2) sum(b^2))`` over centred ``a``, ``b``, in float64.

    Parameters
    ----------
    y_true
        Shape (T, U), or (R, T, U) for several recordings.
    y_pred
        Shape (T, U).
    rounding
        Sum over bins of the square of what rounding may have added to predictions, shape (U,): see ``drive_rounding``.

    Returns
    -------
    array of shape (U,), or (R, U)
        NaN where either never varies, the prediction by more than rounding.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(6.0).reshape(3, 2)
    >>> pearson(y, 1 - 2 * y).round(9).tolist()
    [-1.0, -1.0]
    """
    if y_true.shape[-2:] != y_pred.shape or y_true.ndim > 3:
        raise DataError(
            f"recorded responses are {tuple(y_true.shape)} but predictions are {tuple(y_pred.shape)}; "
            "both must be (bins, units) on the same bins"
        )
    xp, n = namespace(y_true, y_pred), y_pred.shape[0]
    mean_pred, b = centred(xp.astype(y_pred, xp.float64, copy=False))
    power_b, recordings = xp.sum(b * b, axis=0), y_true if y_true.ndim == 3 else y_true[None, :, :]
    predicted = varies(power_b, mean_pred, n) & (power_b > rounding)
    root_b = xp.sqrt(xp.where(predicted, power_b, xp.ones_like(power_b)))
    correlations = []
    for block in blocks(recordings.shape[0], block_rows(b.size, b)):
        mean_true, a = centred(xp.astype(recordings[block, :, :], xp.float64, copy=False))
        power_a, product = xp.sum(a * a, axis=1), xp.sum(a * b, axis=1)
        defined = varies(power_a, mean_true, n) & predicted
        # Two roots, not the root of a product: powers of weights shrunk by a penalty of 1e15 would underflow.
        norm = xp.sqrt(xp.where(defined, power_a, xp.ones_like(power_a))) * root_b
        correlations.append(xp.where(defined, product / norm, xp.nan))
    r = xp.concat(correlations)
    return r if y_true.ndim == 3 else r[0, :]


def centred(y: Array) -> tuple[Array, Array]:
    """Return each column's mean over rows and the deviations from it, of (..., T, U).

    They are from the first row, so that those of a column that never varies are exactly zero, however long it is.
    """
    first = y[..., :1, :]
    moved = y - first
    mean = namespace(y).mean(moved, axis=-2, keepdims=True)
    return (first + mean)[..., 0, :], moved - mean


def unit_length(y: Array, rounding: Array | float = 0.0) -> Array:
    """Centre columns and scale them to unit length, so that Pearson's r is their product.

    Parameters
    ----------
    y
        Shape (..., T, U).
    rounding
        As in ``pearson``.

    Returns
    -------
    array of shape (..., T, U)
        In float64; zeros in a column that never varies, or by no more than rounding.
    """
    xp = namespace(y)
    mean, deviations = centred(xp.astype(y, xp.float64, copy=False))
    power = xp.sum(deviations * deviations, axis=-2)
    defined = varies(power, mean, y.shape[-2]) & (power > rounding)
    scale = xp.where(defined, 1 / xp.sqrt(xp.where(defined, power, xp.ones_like(power))), xp.zeros_like(power))
    deviations *= scale[..., None, :]
    return deviations


def mean_of_unit_length(y: Array) -> tuple[Array, Array]:
    """Average repeats at unit length, so that the mean r of a prediction is its product with them.

    Parameters
    ----------
    y
        Shape (R, T, U).

    Returns
    -------
    mean, varying
        Shape (T, U), and whether a unit varies in any repeat, shape (U,): repeats may cancel.
    """
    xp, (repeats, n, units) = namespace(y), y.shape
    total: Array = 0.0
    varying: Array = False
    for block in blocks(repeats, block_rows(2 * n * units, like([0.0], y))):
        scaled = unit_length(y[block, :, :])
        total = xp.sum(scaled, axis=0) + total
        varying = xp.any(scaled != 0, axis=(0, 1)) | varying
    return total / repeats, varying


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
    return mean_of_repeats(pearson(y_true, y_pred, rounding))


def mean_of_repeats(r: Array, used: np.ndarray | None = None) -> Array:
    """Average the correlations with each repeat, as ``mean_over_repeats`` does.

    Parameters
    ----------
    r
        Of ``pearson``, shape (R, U).
    used
        Which repeats of each unit are averaged, host array of the same shape; by default all.

    Returns
    -------
    array of shape (U,)
        NaN for a unit that has no correlation in any repeat that is used.
    """
    xp = namespace(r)
    defined = ~xp.isnan(r)
    if used is None:
        mean = xp.mean(xp.where(defined, r, xp.zeros_like(r)), axis=0)
    else:
        defined = defined & (like(used, r) > 0)
        mean = xp.sum(xp.where(defined, r, xp.zeros_like(r)), axis=0) / like(np.maximum(used.sum(axis=0), 1), r)
    return xp.where(xp.any(defined, axis=0), mean, xp.nan * mean)
