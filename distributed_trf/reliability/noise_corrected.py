"""Correlation of a prediction with what a unit's repeats have in common: its square r2_ER, and CCnorm.

Both divide what prediction and responses share by the signal power, without the noise of the repeats. Responses have
shape (R, T, U): R repeats of all test stimuli, concatenated to T bins. Neither takes a distribution: counts, signals
and values alike, where noise is independent between repeats. ``docs/ceilings.md`` says which to use when.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from distributed_trf.arrays import Array, block_rows, blocks, like, namespace
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.correlation import centred, varies

Noise = Literal["any", "white"]


@dataclass(frozen=True)
class Compared:
    """Predictions and repeats of some units, both around their means over bins, in float64."""

    predicted: Array
    """Of length 1, shape (T, U); the correlation with the mean response is that with it."""
    repeats: Array
    """In units of the root of the mean sum of squares of a repeat, shape (R, T, U): nothing here depends on scale."""
    levels: Array
    """Mean over bins of each repeat in that unit, shape (R, U)."""
    defined: Array
    """Units that vary in a repeat and whose prediction varies by more than rounding; others hold zeros. Shape (U,)."""

    @property
    def shared(self) -> Array:
        """Square of the covariance of prediction and signal, times T^2: mean product over pairs of repeats, (U,).

        ``q_r = sum_t p_t y_rt`` for each repeat; the mean of ``q_r q_s`` over pairs r != s has no noise in it as long
        as noise is independent between repeats. It may be below zero.
        """
        q = self.covariances
        return _over_pairs(namespace(q).sum(q, axis=0) ** 2, namespace(q).sum(q * q, axis=0), q.shape[0])

    @property
    def signal(self) -> Array:
        """Sum over bins of the squared signal, T times ``signal_power``: mean over pairs of ``sum_t y_rt y_st``."""
        xp, y = namespace(self.repeats), self.repeats
        return _over_pairs(xp.sum(xp.sum(y, axis=0) ** 2, axis=0), xp.sum(y * y, axis=(0, 1)), y.shape[0])

    @property
    def covariances(self) -> Array:
        """Of each repeat and the prediction, times T, shape (R, U)."""
        return namespace(self.repeats).sum(self.repeats * self.predicted, axis=1)


def compared(y_true: Array, y_pred: Array, rounding: Array | float = 0.0) -> Iterator[Compared]:
    """Centre and scale predictions and repeats, some units at a time.

    Raises
    ------
    DataError
        If the shapes do not match.
    """
    if y_true.ndim != 3 or y_true.shape[1:] != y_pred.shape:
        raise DataError(
            f"recorded responses are {tuple(y_true.shape)} and predictions {tuple(y_pred.shape)}; expected (repeats, "
            "bins, units) and (bins, units) on the same bins"
        )
    xp, (repeats, n, n_units) = namespace(y_true, y_pred), y_true.shape
    bound = like(rounding, y_pred) if isinstance(rounding, float) else rounding
    bound = xp.broadcast_to(bound, (n_units,))
    for units in blocks(n_units, block_rows(repeats * n, y_pred)):
        mean_pred, p = centred(xp.astype(y_pred[:, units], xp.float64, copy=False))
        mean_true, y = centred(xp.astype(y_true[:, :, units], xp.float64, copy=False))
        power_p, power_y = xp.sum(p * p, axis=0), xp.sum(y * y, axis=1)
        defined = varies(power_p, mean_pred, n) & (power_p > bound[units])
        defined = defined & xp.any(varies(power_y, mean_true, n), axis=0)
        one, zero = xp.ones_like(power_p), xp.zeros_like(power_p)
        scale_p = xp.where(defined, 1 / xp.sqrt(xp.where(defined, power_p, one)), zero)
        scale_y = xp.where(defined, 1 / xp.sqrt(xp.where(defined, xp.mean(power_y, axis=0), one)), zero)
        yield Compared(p * scale_p, y * scale_y, mean_true * scale_y, defined)


def r2_er(y_true: Array, y_pred: Array, *, noise: Noise = "any", rounding: Array | float = 0.0) -> Array:
    """Estimate the squared correlation of the prediction with the expected response (Pospisil & Bair 2021).

    A ratio of two estimates without bias (PLoS Comput Biol 17(8): e1009212): of the squared covariance of prediction
    and signal, and of the power of the prediction times that of the signal.

    Parameters
    ----------
    y_true
        Shape (R, T, U).
    y_pred
        Shape (T, U).
    noise
        ``any``: the mean over pairs of distinct repeats, numerator and denominator, so that noise may be correlated
        between bins and differ between them. ``white``: as published,
        ``((sum p ybar)^2 - s2/R sum p^2) / (sum p^2 (sum ybar^2 - (T - 1) s2/R))`` with p and the mean over repeats
        around their means and s2 the variance over repeats, averaged over bins. With noise that is alike in
        neighbouring bins the numerator keeps some of it.
    rounding
        As in ``pearson``.

    Returns
    -------
    array of shape (U,)
        Around the true value, so below 0 or above 1 at times. The sign of the correlation is lost: a prediction of the
        opposite sign has a high value too. NaN with fewer than two repeats, where no signal power is found, and for a
        unit or a prediction that never varies.

    Raises
    ------
    ConfigError, DataError
        If ``noise`` is unknown, or the shapes do not match.
    """
    if noise not in get_args(Noise):
        raise ConfigError(f"noise={noise!r} must be one of {', '.join(map(repr, get_args(Noise)))}")
    xp, found = namespace(y_true, y_pred), []
    for of_units in compared(y_true, y_pred, rounding):
        shared, signal = _white(of_units) if noise == "white" else (of_units.shared, of_units.signal)
        found.append(_ratio(shared, signal, of_units.defined & (signal > 0)))
    return xp.concat(found)


def cc_norm(y_true: Array, y_pred: Array, *, rounding: Array | float = 0.0) -> Array:
    """Correlate the prediction with the mean over repeats, and divide by what a perfect model would reach.

    ``cov(p, ybar) / (sd(p) sqrt(SP))``, the ``CCabs / CCmax`` of Schoppe et al. (2016, Front Comput Neurosci 10:10)
    with the ``signal_power`` SP.

    Parameters
    ----------
    y_true, y_pred, rounding
        As in ``r2_er``.

    Returns
    -------
    array of shape (U,)
        Signed, and above 1 where SP is underestimated. Its square is ``r2_er`` without the correction of the
        numerator, so that it is too high on the whole where signal power is low. NaN where ``r2_er`` is.
    """
    xp, found = namespace(y_true, y_pred), []
    for of_units in compared(y_true, y_pred, rounding):
        signal, mean = of_units.signal, xp.mean(of_units.covariances, axis=0)
        there = of_units.defined & (signal > 0)
        found.append(_ratio(mean, xp.sqrt(xp.where(there, signal, xp.ones_like(signal))), there))
    return xp.concat(found)


def _white(of_units: Compared) -> tuple[Array, Array]:
    """Return numerator and denominator as published, where the prediction has length 1."""
    xp, y = namespace(of_units.repeats), of_units.repeats
    repeats, n, _ = y.shape
    if repeats < 2:
        return (xp.nan * of_units.shared,) * 2
    mean, levels = xp.mean(y, axis=0), of_units.levels
    # The published variance over repeats is not of centred ones: how their levels differ counts in every bin.
    of_levels = n * xp.sum((levels - xp.mean(levels, axis=0)) ** 2, axis=0)
    noise = (xp.sum((y - mean) ** 2, axis=(0, 1)) + of_levels) / ((repeats - 1) * n) / repeats
    return xp.mean(of_units.covariances, axis=0) ** 2 - noise, xp.sum(mean * mean, axis=0) - (n - 1) * noise


def _over_pairs(square_of_sum: Array, sum_of_squares: Array, repeats: int) -> Array:
    """Average products over ordered pairs of distinct repeats; NaN with fewer than two."""
    if repeats < 2:
        return namespace(square_of_sum).nan * square_of_sum
    return (square_of_sum - sum_of_squares) / (repeats * (repeats - 1))


def _ratio(part: Array, whole: Array, defined: Array) -> Array:
    xp = namespace(part)
    return xp.where(defined, part / xp.where(defined, whole, xp.ones_like(whole)), xp.nan)
