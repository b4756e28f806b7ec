"""95 % intervals of r2_ER, the squared correlation of a prediction with what repeats have in common.

Each candidate value q is tested. With A the estimate of the squared covariance of prediction and signal, and D that of
the signal (``Compared.shared`` and ``signal``), the statistic ``G = A - q D`` has mean 0 at the true q, however strong
the signal is, as in Fieller's theorem for ratios: nothing is divided by an estimate that may be near 0. It is a
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

from dataclasses import dataclass

from distributed_trf.arrays import Array, like, namespace
from distributed_trf.reliability.noise_corrected import Compared, compared

QUANTILE = 1.959964
"""Of the normal distribution at 97.5 %."""
STEPS, LEVELS = 33, 4
"""Candidates that are tested at a time, and how often the range between two of them is searched again."""
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

    repeats: int
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
        g, skew = (self.shared - q * self.signal) / xp.sqrt(k2), k3 / k2**1.5
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
    xp, repeats = namespace(y_true, y_pred), y_true.shape[0]
    parts, defined = [], []
    for of_units in compared(y_true, y_pred, rounding):
        parts.append(_sums(of_units) if repeats > 1 else [xp.nan * of_units.shared] * 5)
        defined.append(of_units.defined & (repeats > 1))
    there = xp.concat(defined)
    sums = [xp.concat(part) for part in zip(*parts, strict=True)]
    if repeats < 2:
        return sums[0], sums[0]
    # What is not defined is replaced by numbers that raise no warning.
    low, high = interval_of(Statistic(repeats, *(xp.where(there, part, xp.ones_like(part)) for part in sums)))
    return xp.where(there, low, xp.nan * low), xp.where(there, high, xp.nan * high)


def interval_of(statistic: Statistic) -> tuple[Array, Array]:
    """Return the least and the greatest candidate in [0, 1] that is not rejected, shape (U,) each.

    Where the statistic is too low at every candidate both are 0, and where it is too high both are 1.
    """
    xp = namespace(statistic.signal)
    # Both limits at once, the upper one from above: t is the candidate q, then 1 - q.
    side, origin = like([[[1.0]], [[-1.0]]], statistic.signal), like([[[0.0]], [[1.0]]], statistic.signal)
    steps = like([[k / (STEPS - 1)] for k in range(STEPS)], statistic.signal)
    start, width = xp.zeros_like(side * statistic.signal), 1.0
    for level in range(LEVELS):
        within = side * statistic.normal(origin + side * (start + width * steps)) <= QUANTILE
        first = xp.argmax(xp.astype(within, xp.int32), axis=1, keepdims=True)
        if level == 0:
            at_0, nowhere = within[:, :1, :], ~xp.any(within, axis=1, keepdims=True)
        width = width / (STEPS - 1)
        start = start + width * xp.astype(xp.maximum(first - 1, xp.zeros_like(first)), xp.float64)
    found = xp.where(at_0, xp.zeros_like(start), start + width)
    found = xp.where(nowhere, xp.ones_like(found), found)
    return found[0, 0, :], 1 - found[1, 0, :]


def _sums(of_units: Compared) -> list[Array]:
    """Compute what the statistic of some units follows from, in the order of ``Statistic``."""
    xp, (repeats, n, _) = namespace(of_units.repeats), of_units.repeats.shape
    freedom = repeats - 1
    noise = of_units.repeats - xp.mean(of_units.repeats, axis=0)
    spectrum = xp.sum(_power(noise), axis=0) / freedom
    variance = xp.sum(noise * noise, axis=0) / freedom  # of each bin
    mean = xp.mean(variance, axis=0) * n / (n - 1)
    mean = xp.where(mean > 0, mean, xp.ones_like(mean))
    # Powers of an estimated spectrum are too high: of a chi-square variable, for each frequency.
    second, third = 1 + 1 / freedom, (1 + 1 / freedom) * (1 + 2 / freedom)
    sides = like([[2.0 if 2 * k < n else 1.0] for k in range(1, n // 2 + 1)], mean)
    along = xp.sum(sides * _power(of_units.predicted) * spectrum, axis=0)
    square = xp.sum(sides * spectrum**2, axis=0) / second
    cube = xp.sum(sides * spectrum**3, axis=0) / third
    under, uneven = _unevenness(of_units.predicted, noise, variance, mean)
    return [of_units.shared, of_units.signal, along * under, square * uneven, cube * uneven**2]


def _power(x: Array) -> Array:
    """Return the power of centred columns at the frequencies above 0, by the number of bins: (..., T // 2, U)."""
    xp, bins = namespace(x), x.ndim - 2
    found = xp.fft.rfft(x, axis=bins)[..., 1:, :]
    return (xp.real(found) ** 2 + xp.imag(found) ** 2) / x.shape[bins]


def _unevenness(predicted: Array, noise: Array, variance: Array, mean: Array) -> tuple[Array, Array]:
    """Say by what noise that differs between bins exceeds even noise of the same mean variance.

    Returns
    -------
    under, uneven
        Mean variance of the noise, weighted by the squared prediction, and mean squared variance, both by their
        values for even noise. At least 1: of few spikes both may come out too low by chance.
    """
    xp, (repeats, n, _) = namespace(noise), noise.shape
    one = xp.ones_like(mean)
    under = xp.maximum(xp.sum(predicted**2 * variance, axis=0) / mean, one)
    if repeats > 3:  # the square of the second k-statistic, without its bias
        squares = noise * noise
        fourth = (repeats + 1) * xp.mean(squares * squares, axis=0) - 3 * (repeats - 1) * xp.mean(squares, axis=0) ** 2
        fourth = fourth * repeats**2 / ((repeats - 1) * (repeats - 2) * (repeats - 3))
        squared = xp.mean((variance**2 - fourth / repeats) * (repeats - 1) / (repeats + 1), axis=0)
    else:  # of neighbouring bins, whose variance is alike; their covariance is taken out
        covariance = xp.sum(noise[:, 1:, :] * noise[:, :-1, :], axis=(0, 1)) / ((repeats - 1) * (n - 1))
        squared = xp.mean(variance[1:, :] * variance[:-1, :], axis=0) - 2 * covariance**2 / (repeats - 1)
    return under, xp.maximum(squared / mean**2, one)
