"""95 % intervals of r2_ER, the squared correlation of a prediction with what repeats have in common.

Each candidate value q is tested. With A the estimate of the squared covariance of prediction and signal, and D that of
the signal (``RepeatPowers.shared`` and ``signal``), the statistic ``G = A - q D`` has mean 0 at the true q, however
strong the signal is, as in Fieller's theorem for ratios: nothing is divided by an estimate that may be near 0. It is a
quadratic form ``mean over pairs r != s of y_r' M y_s`` with ``M = p p' - q I``. For Gaussian noise of covariance C and
expected responses m its cumulants are ::

    k2 = 4/R m'MCMm + 2/(R (R-1)) tr(MC)^2
    k3 = 24/R^2 m'MCMCMm + 8/R^3 (1 - 1/(R-1)^2) tr(MC)^3

from which Wilson and Hilferty's (1931) cube root of a Pearson III variable makes G normal. The interval is every q in
[0, 1] that is rejected on neither side at 2.5 %.

What C is follows from the differences between repeats. They are taken as noise of any spectrum, which is pooled over
all bins, times a variance of its own in each bin; prediction and signal are taken as eigenvectors of C with the same
eigenvalue, next to which one of T in the traces does not count. The measured coverage is in
``scripts/calibrate_ceilings.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np

from distributed_trf.arrays import Array, like, namespace
from distributed_trf.reliability.noise_corrected import RepeatPowers, checked_r, defined, scaled_repeats
from distributed_trf.trf.correlation import unit_length

QUANTILE = 1.959964
"""Of the normal distribution at 97.5 %."""
STEPS = 32
"""Steps from 0 to 1 in which candidates are tested first."""
PARTS, LEVELS = 8, 5
"""Parts into which the step that holds a limit is cut, and how often."""
ROUNDING = 1e-12
"""Part of the signal that rounding may add to the statistic."""
LEAST_SKEW = 1e-4
"""Below it the cube root is as good as linear."""
LARGEST_SKEW = 0.5
"""Of the lower tail: where few repeats correlate with a prediction of nothing, G has the skewness of a Pearson III
variable, but not its lower end."""


@dataclass(frozen=True)
class Statistic:
    """The statistic G of every candidate, from sums of shape (U,)."""

    repeats: Array | int
    """Of each unit, or of all."""
    shared: Array
    signal: Array
    along: Array
    """Variance of the noise along the prediction, p'Cp."""
    square: Array
    cube: Array
    """Traces of C^2 and C^3."""

    def normal(self, q: Array) -> Array:
        """Return G as a standard normal variable, for candidates of shape (..., U)."""
        xp, n = namespace(q), self.repeats
        trace2 = (1 - q) ** 2 * self.along**2 + q**2 * self.square
        trace3 = (1 - q) ** 3 * self.along**3 - q**3 * self.cube
        crossed = q * (1 - q) * self._signal_if(q)  # m'Mm where r^2 = q, and of higher powers of M
        k2 = 4 / n * crossed * self.along + 2 / (n * (n - 1)) * trace2 + (ROUNDING * (1 + abs(self.signal))) ** 2
        k3 = 24 / n**2 * crossed * (1 - 2 * q) * self.along**2 + 8 / n**3 * (1 - 1 / (n - 1) ** 2) * trace3
        g, skew = (self.shared - q * self.signal) / xp.sqrt(k2), k3 / (k2 * xp.sqrt(k2))
        one = xp.ones_like(skew)
        skew = xp.where((g < 0) & (skew > LARGEST_SKEW), LARGEST_SKEW * one, skew)
        skew = xp.where(abs(skew) < LEAST_SKEW, LEAST_SKEW * one, skew)
        inside = 1 + skew * g / 2
        root = abs(inside) ** (1 / 3)
        return 6 / skew * (xp.where(inside < 0, -root, root) - 1) + skew / 6

    def _signal_if(self, q: Array) -> Array:
        """Estimate the signal where the true value is q: from A / q and (D - A) / (1 - q), weighted by precision."""
        xp, n = namespace(q), self.repeats
        plain, of_rest = xp.maximum(self.signal, xp.zeros_like(self.signal)), self.signal - self.shared
        var_shared = 4 / n * q * plain * self.along + 2 / (n * (n - 1)) * self.along**2
        var_rest = 4 / n * (1 - q) * plain * self.along + 2 / (n * (n - 1)) * self.square
        weight = q**2 * var_rest + (1 - q) ** 2 * var_shared
        known = weight > 0
        both = self.shared * q * var_rest + of_rest * (1 - q) * var_shared
        found = xp.where(known, both / xp.where(known, weight, xp.ones_like(weight)), plain)
        return xp.maximum(found, xp.zeros_like(found))


def r2_er_interval(y_true: Array, y_pred: Array, *, rounding: Array | float = 0.0) -> tuple[Array, Array]:
    """Find the 95 % interval of the squared correlation of the prediction with the expected response.

    Parameters
    ----------
    y_true
        Shape (R, T, U).
    y_pred
        Shape (T, U).
    rounding
        As in ``pearson``.

    Returns
    -------
    low, high
        Shape (U,) each, to 1e-6, within [0, 1]. Where the repeats say little the interval is wide, up to all of
        [0, 1], also for units without an estimate because no signal power is found. It covers the value for these
        very stimuli, not for others like them. NaN with fewer than two repeats, and for a unit or a prediction that
        never varies.

    Raises
    ------
    DataError
        If the shapes do not match.
    """
    r = checked_r(y_true, y_pred, rounding)
    predicted, powers = unit_length(y_pred, rounding), RepeatPowers.of(y_true)
    return interval_of_all([RepeatNoise.of(y_true).statistic(r, predicted, powers)])


@dataclass(frozen=True, eq=False)
class RepeatNoise:
    """How repeats differ from their mean, in the units of ``RepeatPowers``: what intervals need of responses."""

    spectrum: Array
    """Power of the noise at the frequencies above 0, shape (T // 2, U); no rows with fewer than two repeats."""
    variance: Array
    """Of the noise in each bin, by its mean over bins, shape (T, U); no rows with fewer than two repeats."""
    square: Array
    """Trace of the squared covariance of the noise, shape (U,)."""
    cube: Array
    """Trace of the third power, shape (U,)."""

    @classmethod
    def of(cls, y_true: Array) -> RepeatNoise:
        """Compute it from responses of shape (R, T, U)."""
        xp = namespace(y_true)
        parts = [_noise(y) for _, y in scaled_repeats(y_true)]
        return cls(*(xp.concat(part, axis=-1) for part in zip(*parts, strict=True)))

    def statistic(self, r: Array, predicted: Array, powers: RepeatPowers) -> Statistic:
        """Return the statistic of predictions; its covariance with the signal is NaN where there is no interval.

        Parameters
        ----------
        r
            Of the predictions with each repeat, from ``pearson``, shape (R, U).
        predicted
            Predictions of ``unit_length``, shape (T, U).
        powers
            Of the same responses.
        """
        xp, repeats = namespace(r), r.shape[0]
        if repeats < 2:
            return Statistic(repeats, *(xp.nan * powers.own,) * 5)
        along = xp.sum(_sides(predicted) * _power(predicted) * self.spectrum, axis=0)
        # By what noise along the prediction exceeds even noise of the same mean variance.
        under = xp.sum(predicted**2 * self.variance, axis=0)
        along = along * xp.maximum(under, xp.ones_like(under))
        shared = xp.where(defined(r), powers.shared(r), xp.nan)
        return Statistic(repeats, shared, powers.signal, along, self.square, self.cube)


def interval_of_all(statistics: Sequence[Statistic]) -> tuple[Array, Array]:
    """Return ``interval_of`` groups of units, one after another: a few large steps instead of many small ones.

    Each group has one number of repeats. NaN where it is below two.
    """
    xp, repeats = namespace(statistics[0].shared), [of.repeats for of in statistics]
    shared, *sums = (xp.concat([getattr(of, part.name) for of in statistics]) for part in fields(Statistic)[1:])
    if max(repeats) < 2:
        return shared, shared
    each = like(np.repeat(np.maximum(repeats, 2), [of.shared.shape[0] for of in statistics]), shared)
    return interval_of(Statistic(each, shared, *sums))


def interval_of(statistic: Statistic) -> tuple[Array, Array]:
    """Return the least and the greatest candidate in [0, 1] that is not rejected, shape (U,) each.

    Where the statistic is too low at every candidate both are 0, and where it is too high both are 1; NaN where the
    covariance with the signal is.
    """
    xp, like_signal = namespace(statistic.signal), partial(like, reference=statistic.signal)
    grid = statistic.normal(like_signal([[k / STEPS] for k in range(STEPS + 1)]))
    # Both limits at once, the upper one from above: t is the candidate q, then 1 - q.
    within = xp.stack([grid <= QUANTILE, xp.flip(grid, axis=0) >= -QUANTILE])
    at_0, nowhere = within[:, 0, :], ~xp.any(within, axis=1)
    # A limit lies in the step, and in the part of it, before the first candidate that is not rejected.
    start, width = (_first(within) - 1) / STEPS, 1 / STEPS
    start = xp.maximum(start, xp.zeros_like(start))
    side, origin = like_signal([[[1.0]], [[-1.0]]]), like_signal([[[0.0]], [[1.0]]])
    parts = like_signal([[k / PARTS] for k in range(1, PARTS + 1)])
    for _ in range(LEVELS):
        within = side * statistic.normal(origin + side * (start + width * parts)) <= QUANTILE
        width = width / PARTS
        start = start + width * _first(within)
    found = xp.where(at_0, xp.zeros_like(start[:, 0, :]), start[:, 0, :] + width)
    found = xp.where(nowhere, xp.ones_like(found), found)
    found = xp.where(xp.isnan(statistic.shared), xp.nan, found)
    return found[0, :], 1 - found[1, :]


def _first(within: Array) -> Array:
    """Return the index of the first true value along the second axis, which stays, as a float; 0 for none."""
    xp = namespace(within)
    return xp.astype(xp.argmax(xp.astype(within, xp.int32), axis=1, keepdims=True), xp.float64)


def _noise(y: Array) -> tuple[Array, Array, Array, Array]:
    """Compute the fields of ``RepeatNoise`` for some units from their scaled repeats."""
    xp, (repeats, n, _) = namespace(y), y.shape
    if repeats < 2:
        return (y[0, :0, :],) * 2 + (xp.nan * y[0, 0, :],) * 2
    freedom = repeats - 1
    noise = y - xp.mean(y, axis=0)
    spectrum = xp.sum(_power(noise), axis=0) / freedom
    variance = xp.sum(noise * noise, axis=0) / freedom  # of each bin
    mean = xp.mean(variance, axis=0) * n / (n - 1)
    mean = xp.where(mean > 0, mean, xp.ones_like(mean))
    # Powers of an estimated spectrum are too high: of a chi-square variable, for each frequency.
    second, third = 1 + 1 / freedom, (1 + 1 / freedom) * (1 + 2 / freedom)
    sides = _sides(noise)
    squares = spectrum * spectrum
    square = xp.sum(sides * squares, axis=0) / second
    cube = xp.sum(sides * squares * spectrum, axis=0) / third
    uneven = _unevenness(noise, variance, mean)
    return spectrum, variance / mean, square * uneven, cube * uneven**2


def _sides(x: Array) -> Array:
    """Return how often each frequency above 0 counts in columns of (..., T, U), shape (T // 2, 1)."""
    n = x.shape[-2]
    return like([[2.0 if 2 * k < n else 1.0] for k in range(1, n // 2 + 1)], x)


def _power(x: Array) -> Array:
    """Return the power of centred columns at the frequencies above 0, by the number of bins: (..., T // 2, U)."""
    xp, bins = namespace(x), x.ndim - 2
    found = xp.fft.rfft(x, axis=bins)[..., 1:, :]
    return (xp.real(found) ** 2 + xp.imag(found) ** 2) / x.shape[bins]


def _unevenness(noise: Array, variance: Array, mean: Array) -> Array:
    """Say by what the mean squared variance of noise that differs between bins exceeds that of even noise, (U,).

    At least 1: of few spikes it may come out too low by chance.
    """
    xp, (repeats, n, _) = namespace(noise), noise.shape
    if repeats > 3:  # the square of the second k-statistic, without its bias
        squares = noise * noise
        fourth = (repeats + 1) * xp.mean(squares * squares, axis=0) - 3 * (repeats - 1) * xp.mean(squares, axis=0) ** 2
        fourth = fourth * repeats**2 / ((repeats - 1) * (repeats - 2) * (repeats - 3))
        squared = xp.mean((variance**2 - fourth / repeats) * (repeats - 1) / (repeats + 1), axis=0)
    else:  # of neighbouring bins, whose variance is alike; their covariance is taken out
        covariance = xp.sum(noise[:, 1:, :] * noise[:, :-1, :], axis=(0, 1)) / ((repeats - 1) * (n - 1))
        squared = xp.mean(variance[1:, :] * variance[:-1, :], axis=0) - 2 * covariance**2 / (repeats - 1)
    return xp.maximum(squared / mean**2, xp.ones_like(mean))
