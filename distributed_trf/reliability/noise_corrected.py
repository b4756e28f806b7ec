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
from distributed_trf.trf.correlation import centred, pearson, varies

Noise = Literal["any", "white"]


@dataclass(frozen=True, eq=False)
class RepeatPowers:
    """Sums of squares of repeats: what both correlations need of responses beside r with each repeat.

    All are in units of the mean sum of squares of a repeat, so that nothing depends on scale. Units that vary in no
    repeat hold zeros.
    """

    bins: int
    lengths: Array
    """Root of each repeat's sum of squares around its mean over bins, shape (R, U)."""
    of_sum: Array
    """Sum of squares of the sum of all repeats, shape (U,)."""
    own: Array
    """Sums of squares of all repeats, shape (U,)."""
    between: Array
    """Sum of squares of the repeats' means over bins around their mean, times T, shape (U,)."""

    @classmethod
    def of(cls, y_true: Array) -> RepeatPowers:
        """Sum up responses of shape (R, T, U)."""
        xp, n = namespace(y_true), y_true.shape[1]
        parts = []
        for levels, y in scaled_repeats(y_true):
            squares = xp.sum(y * y, axis=1)
            between = n * xp.sum((levels - xp.mean(levels, axis=0)) ** 2, axis=0)
            of_sum = xp.sum(xp.sum(y, axis=0) ** 2, axis=0)
            parts.append((xp.sqrt(squares), of_sum, xp.sum(squares, axis=0), between))
        lengths, *sums = (xp.concat(part, axis=-1) for part in zip(*parts, strict=True))
        return cls(n, lengths, *sums)

    @property
    def signal(self) -> Array:
        """Sum over bins of the squared signal, T times ``signal_power``: mean over pairs of ``sum_t y_rt y_st``."""
        return _over_pairs(self.of_sum, self.own, self.lengths.shape[0])

    def covariances(self, r: Array) -> Array:
        """Return those of each repeat and the prediction at length 1, times T, from their r of ``pearson``, (R, U)."""
        xp = namespace(r)
        return xp.where(xp.isnan(r), xp.zeros_like(r), r) * self.lengths

    def shared(self, r: Array) -> Array:
        """Return the square of the covariance of prediction and signal, times T^2: mean over pairs of repeats, (U,).

        ``q_r = sum_t p_t y_rt`` for each repeat; the mean of ``q_r q_s`` over pairs r != s has no noise in it as long
        as noise is independent between repeats. It may be below zero.
        """
        xp, q = namespace(r), self.covariances(r)
        return _over_pairs(xp.sum(q, axis=0) ** 2, xp.sum(q * q, axis=0), q.shape[0])

    def r2_er(self, r: Array, noise: Noise = "any") -> Array:
        """Return ``r2_er`` of predictions with these r of ``pearson``, shape (R, U)."""
        shared, signal = self._white(r) if noise == "white" else (self.shared(r), self.signal)
        return _ratio(shared, signal, defined(r) & (signal > 0))

    def cc_norm(self, r: Array) -> Array:
        """Return ``cc_norm`` of predictions with these r of ``pearson``, shape (R, U)."""
        xp, signal = namespace(r), self.signal
        there = defined(r) & (signal > 0)
        root = xp.sqrt(xp.where(there, signal, xp.ones_like(signal)))
        return _ratio(xp.mean(self.covariances(r), axis=0), root, there)

    def _white(self, r: Array) -> tuple[Array, Array]:
        """Return numerator and denominator as published, where the prediction has length 1."""
        xp, repeats = namespace(r), self.lengths.shape[0]
        if repeats < 2:
            return (xp.nan * self.own,) * 2
        # The published variance over repeats is not of centred ones: how their levels differ counts in every bin.
        around_mean = self.own - self.of_sum / repeats + self.between
        noise = around_mean / ((repeats - 1) * self.bins) / repeats
        shared = xp.mean(self.covariances(r), axis=0) ** 2 - noise
        return shared, self.of_sum / repeats**2 - (self.bins - 1) * noise


def scaled_repeats(y_true: Array) -> Iterator[tuple[Array, Array]]:
    """Centre repeats, in units of the root of their mean sum of squares, some units at a time.

    Yields
    ------
    levels, repeats
        Mean over bins of each repeat, shape (R, units), and what is around it, (R, T, units), in float64; zeros for
        units that vary in no repeat.
    """
    xp, (repeats, n, n_units) = namespace(y_true), y_true.shape
    for units in blocks(n_units, block_rows(repeats * n, like([0.0], y_true))):
        mean, y = centred(xp.astype(y_true[:, :, units], xp.float64, copy=False))
        power = xp.sum(y * y, axis=1)
        there, whole = xp.any(varies(power, mean, n), axis=0), xp.mean(power, axis=0)
        scale = xp.where(there, 1 / xp.sqrt(xp.where(there, whole, xp.ones_like(whole))), xp.zeros_like(whole))
        y *= scale
        yield mean * scale, y


def checked_r(y_true: Array, y_pred: Array, rounding: Array | float = 0.0) -> Array:
    """Correlate predictions with each repeat as ``pearson`` does, shape (R, U).

    Raises
    ------
    DataError
        If there are no repeats, or the shapes do not match.
    """
    if y_true.ndim != 3 or y_true.shape[1:] != y_pred.shape:
        raise DataError(
            f"recorded responses are {tuple(y_true.shape)} and predictions {tuple(y_pred.shape)}; expected (repeats, "
            "bins, units) and (bins, units) on the same bins"
        )
    return pearson(y_true, y_pred, rounding)


def defined(r: Array) -> Array:
    """Return which units vary in a repeat and have a prediction that varies, from r of ``pearson``, (R, U)."""
    return namespace(r).any(~namespace(r).isnan(r), axis=0)


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
    r = checked_r(y_true, y_pred, rounding)
    return RepeatPowers.of(y_true).r2_er(r, noise)


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
    r = checked_r(y_true, y_pred, rounding)
    return RepeatPowers.of(y_true).cc_norm(r)


def _over_pairs(square_of_sum: Array, sum_of_squares: Array, repeats: int) -> Array:
    """Average products over ordered pairs of distinct repeats; NaN with fewer than two."""
    if repeats < 2:
        return namespace(square_of_sum).nan * square_of_sum
    return (square_of_sum - sum_of_squares) / (repeats * (repeats - 1))


def _ratio(part: Array, whole: Array, defined: Array) -> Array:
    xp = namespace(part)
    return xp.where(defined, part / xp.where(defined, whole, xp.ones_like(whole)), xp.nan)
