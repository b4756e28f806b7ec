"""Intervals over sessions or subjects: of weighted means, and of medians over units.

They say how far numbers would move if other sessions had been recorded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.results.layers import nothing_known, quantiles, unit_values
from distributed_trf.results.statistics.groups import (
    EQUAL,
    WEIGHTS,
    Groups,
    Level,
    count_groups,
    group_of_units,
    unknown_subjects,
)

COVERAGE = 0.95
"""Of intervals."""
LEAST = 4
"""Groups that an interval takes."""

LEFT_OUT_ONE = f"{COVERAGE:.0%}, leaving out one {{level}} at a time (CR3), t with Satterthwaite's degrees of freedom"


class WeightedMean(NamedTuple):
    """A mean of group means, and how far it can be trusted; each of shape (cells,)."""

    mean: np.ndarray
    variance: np.ndarray
    trace: np.ndarray
    trace_of_square: np.ndarray
    """Of the matrix of the variance's quadratic form: traces give its degrees of freedom."""

    def minus(self, other: WeightedMean) -> WeightedMean:
        """Subtract the mean of other groups, which is independent of this one."""
        spread = (here + there for here, there in zip(self[1:], other[1:], strict=True))
        return WeightedMean(self.mean - other.mean, *spread)


def weighted_mean(centre: np.ndarray, weights: np.ndarray) -> WeightedMean:
    """Compute a weighted mean of groups, and its variance by leaving out one group at a time.

    Parameters
    ----------
    centre, weights
        Shape (cells, groups); weight zero where there is no group.

    Returns
    -------
    WeightedMean
        NaN where there are no groups; its variance where there is one.

    Notes
    -----
    The variance is CR3 of Bell & McCaffrey (2002): with g = w / sum w, sum g² ((m - mu) / (1 - g))². If groups vary by
    1 / w, it is a quadratic form of G = D (diag(1 / w) - 1 / sum w) D, D = diag(g / (1 - g)).
    """
    several = np.count_nonzero(weights, axis=1) > 1
    total = weights.sum(axis=1)
    total = np.where(total > 0, total, np.nan)
    g = weights / total[:, None]
    mean = np.where(np.isnan(total), np.nan, (g * centre).sum(axis=1))
    h2 = np.divide(g, 1 - g, out=np.zeros_like(g), where=several[:, None]) ** 2
    h2 = np.where(weights > 0, h2, 0)
    diagonal = np.divide(1, weights, out=np.zeros_like(weights), where=weights > 0) - 1 / total[:, None]
    variance = (h2 * (centre - mean[:, None]) ** 2).sum(axis=1)
    trace = (h2 * diagonal).sum(axis=1)
    of_square = (h2**2 * (diagonal**2 - 1 / total[:, None] ** 2)).sum(axis=1) + (h2.sum(axis=1) / total) ** 2
    return WeightedMean(mean, np.where(several, variance, np.nan), trace, of_square)


def t_interval(of: WeightedMean, enough: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a mean by Student's t with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    of
        The mean.
    enough
        Where there are groups enough for an interval, shape (cells,); elsewhere it is NaN.
    """
    known = enough & (of.trace_of_square > 0)
    free = np.divide(of.trace**2, of.trace_of_square, out=np.full_like(of.trace, np.nan), where=known)
    half = scipy.special.stdtrit(free, (1 + COVERAGE) / 2) * np.sqrt(np.where(enough, of.variance, np.nan))
    return of.mean - half, of.mean + half


MEDIANS = {
    "median": "median over units",
    "low": "lower end of the interval of the median",
    "high": "upper end of the interval of the median",
    "n": "units that have a number",
    "n_sessions": "sessions of those units",
    "n_subjects": "subjects of those units",
}
WOODRUFF = f"{COVERAGE:.0%}, Woodruff's over {{level}}s (CR3), t with Satterthwaite's degrees of freedom"


def median_intervals(ds: xr.Dataset, variable: str = "rho", *, level: Level = "session") -> xr.Dataset:
    """Compute medians over units with intervals over sessions.

    Parameters
    ----------
    ds
        Results of ``open_results``, of all units or of those of ``select_units``.
    variable
        ``rho``, ``r`` or another that has a value per fit and unit.
    level
        What is taken for independent: sessions, subjects or units.

    Returns
    -------
    xarray.Dataset
        ``median``, the 95 % interval ``low`` to ``high``, and ``n``, units that have a number, ``n_sessions`` and
        ``n_subjects``, of which these are, over the dimensions of a fit; NaN where nothing was fitted. An interval is
        NaN where there are fewer than four groups, and its end is infinite where the units of so few groups do not
        tell how far the median reaches; ``attrs["note"]`` says so.

    Raises
    ------
    DataError
        If the dataset has no such variable, or no labels of the level.

    Notes
    -----
    Woodruff (1952): the part of units at or below the median has a standard error, here by leaving out one group at a
    time (CR3), and the interval is between the quantiles at 1/2 -+ t standard errors. Degrees of freedom are one less
    than groups of equal size, and fewer where one group has most of the units (Satterthwaite).
    """
    of = unit_values(ds, variable)
    values = of.values.reshape(math.prod(of.shape[:-1]), of.shape[-1])
    group = group_of_units(ds, level)
    values = np.where(group < 0, np.nan, values)
    known = ~np.isnan(values)
    median, low, high = _woodruff(values, group)
    numbers = {
        "median": median,
        "low": low,
        "high": high,
        "n": known.sum(axis=1),
        "n_sessions": count_groups(ds, "session", known),
        "n_subjects": count_groups(ds, "subject", known),
    }
    coords = {name: coord for name, coord in of.coords.items() if names.UNIT not in coord.dims}
    shape = of.shape[:-1]
    found = {
        name: (of.dims[:-1], numbers[name].reshape(shape), {"long_name": words}) for name, words in MEDIANS.items()
    }
    n_open = np.count_nonzero(np.isinf(low) | np.isinf(high))
    notes = [*unknown_subjects(group, level), *filter(None, [nothing_known(of)]), *few_groups(median, low, level)]
    if n_open:
        notes.append(f"{n_open} of {np.count_nonzero(~np.isnan(low))} intervals are open: too few {level}s to end them")
    attrs = {
        "variable": variable,
        "level": level,
        "interval": WOODRUFF.format(level=level),
        "note": "; ".join(notes),
    }
    return xr.Dataset(found, coords, attrs)


def _woodruff(values: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return medians over units and the ends of their intervals, shape (cells,), of shape (cells, units)."""
    median = quantiles(values, [0.5])[0]
    below = (values < median[:, None]) + 0.5 * (values == median[:, None])
    groups = Groups.of(np.where(np.isnan(values), np.nan, below), group)
    enough = groups.count >= LEAST
    lower, upper = t_interval(weighted_mean(groups.mean, groups.worth), enough)
    half = (upper - lower) / 2
    at = np.where(enough, half, 0)
    ends = quantiles(values, [np.clip(0.5 - at, 0, 1), np.clip(0.5 + at, 0, 1)])
    low = np.where(half > 0.5, -np.inf, np.where(enough, ends[0], np.nan))
    return median, low, np.where(half > 0.5, np.inf, np.where(enough, ends[1], np.nan))


def few_groups(p: np.ndarray, low: np.ndarray, level: Level) -> list[str]:
    """Say how many of the numbers have no interval for want of groups.

    Parameters
    ----------
    p, low
        What is known of each cell, and one end of its interval.
    level
        What groups are.
    """
    known = ~np.isnan(p)
    without = np.count_nonzero(known & np.isnan(low))
    if not without:
        return []
    of = "" if without == np.count_nonzero(known) else f" in {without} of {np.count_nonzero(known)}"
    return [f"no interval{of}: it takes {LEAST} {level}s"]


def told_of_test(level: Level, test: str, notes: Sequence[str]) -> dict[str, str]:
    """Return what the attributes of all tests say in words: test, level, weights, interval and notes."""
    return {
        "test": test,
        "level": level,
        "weights": EQUAL if level == "unit" else WEIGHTS.format(level=level),
        "interval": LEFT_OUT_ONE.format(level=level),
        "correction": "none",
        "note": "; ".join(notes),
    }
