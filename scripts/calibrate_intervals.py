"""How often intervals hold the truth: those of the package, and intervals over sessions that were not chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.stats
import xarray as xr
from calibrate_studies import SPREAD, Sessions, of_units
from calibrate_tests import CORRELATIONS

from distributed_trf import compare, compare_areas
from distributed_trf.results.statistics.intervals import median_intervals

COVERED = 0.93
"""Least coverage of an interval of 95 %."""

DRAWS = 999
LEVELS = (0.025, 0.975)
Ends = tuple[np.ndarray, np.ndarray]


def t_of_session_means(values: np.ndarray, session: np.ndarray, rng: np.random.Generator) -> Ends:
    """Student's t on means of sessions, whatever their sizes; all functions here take values (studies, units)."""
    del rng
    sums, sizes = _sums(values, session)
    means = sums / sizes
    half = scipy.stats.t.ppf(LEVELS[1], sizes.size - 1) * means.std(axis=1, ddof=1) / sizes.size**0.5
    middle = means.mean(axis=1)
    return middle - half, middle + half


def percentiles(values: np.ndarray, session: np.ndarray, rng: np.random.Generator) -> Ends:
    """Percentiles of the mean over units, sessions drawn with replacement."""
    drawn, _ = _drawn_means(values, session, rng)
    low, high = np.quantile(drawn, LEVELS, axis=0)
    return low, high


def bias_corrected(values: np.ndarray, session: np.ndarray, rng: np.random.Generator) -> Ends:
    """BCa of the mean over units (Efron 1987), acceleration by leaving out a session at a time."""
    sums, sizes = _sums(values, session)
    drawn, _ = _drawn_means(values, session, rng)
    below = np.clip((drawn < sums.sum(axis=1) / sizes.sum()).mean(axis=0), 1 / DRAWS, 1 - 1 / DRAWS)
    bias = scipy.stats.norm.ppf(below)
    without = (sums.sum(axis=1, keepdims=True) - sums) / (sizes.sum() - sizes)
    away = without.mean(axis=1, keepdims=True) - without
    acceleration = (away**3).sum(axis=1) / (6 * (away**2).sum(axis=1) ** 1.5)
    ordered = np.sort(drawn, axis=0)
    ends = []
    for level in LEVELS:
        z = bias + scipy.stats.norm.ppf(level)
        at = scipy.stats.norm.cdf(bias + z / (1 - acceleration * z))
        index = np.clip(np.round(at * (DRAWS - 1)).astype(int), 0, DRAWS - 1)
        ends.append(np.take_along_axis(ordered, index[None], axis=0)[0])
    return ends[0], ends[1]


def studentised(values: np.ndarray, session: np.ndarray, rng: np.random.Generator) -> Ends:
    """Bootstrap t of the mean over units, with the linearised standard error of each draw."""
    sums, sizes = _sums(values, session)
    mean = sums.sum(axis=1) / sizes.sum()
    error = np.sqrt(((sums - mean[:, None] * sizes) ** 2).sum(axis=1)) / sizes.sum()
    drawn, errors = _drawn_means(values, session, rng)
    t = (drawn - mean) / np.maximum(errors, 1e-9 * error)
    low, high = np.quantile(t, LEVELS, axis=0)
    return mean - high * error, mean - low * error


def percentiles_of_median(values: np.ndarray, session: np.ndarray, rng: np.random.Generator) -> Ends:
    """Percentiles of the median over units, sessions drawn with replacement."""
    times = _times(session, rng)[:, session]
    ends = np.empty((2, len(values)))
    for k, of in enumerate(values):
        order = np.argsort(of)
        below = np.cumsum(times[:, order], axis=1)
        at = (2 * below >= below[:, -1:]).argmax(axis=1)
        ends[:, k] = np.quantile(of[order][at], LEVELS)
    return ends[0], ends[1]


OF_MEANS: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], Ends]] = {
    "t on session means": t_of_session_means,
    "percentile bootstrap": percentiles,
    "BCa": bias_corrected,
    "studentised bootstrap": studentised,
}


def _sums(values: np.ndarray, session: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of sessions, shape (studies, sessions), and how many units they have."""
    member = (session[:, None] == np.arange(session.max() + 1)).astype(np.float64)
    return values @ member, member.sum(axis=0)


def _times(session: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How often each session is drawn, shape (draws, sessions)."""
    n = session.max() + 1
    return rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)


def _drawn_means(values: np.ndarray, session: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mean over units of each draw and its standard error, shape (draws, studies)."""
    sums, sizes = _sums(values, session)
    times = _times(session, rng)
    units = (times @ sizes)[:, None]
    mean = times @ sums.T / units
    # sum of c (s - mean n)^2 over sessions, multiplied out
    squares = times @ (sums.T**2) - 2 * mean * (times @ (sums * sizes).T) + mean**2 * (times @ sizes**2)[:, None]
    return mean, np.sqrt(np.maximum(squares, 0)) / units


SHAPES = {
    "normal, equal": {"unequal": False, "skewed": False},
    "normal, unequal": {"unequal": True, "skewed": False},
    "skewed, equal": {"unequal": False, "skewed": True},
    "skewed, unequal": {"unequal": True, "skewed": True},
}


def differences(sessions: Sessions, studies: int, rng: np.random.Generator) -> xr.Dataset:
    """Intervals of the difference of ``compare``, of truth 0."""
    ds = of_units(sessions, rng, studies)
    return compare(ds, xr.zeros_like(ds), draws=1)


def medians(sessions: Sessions, studies: int, rng: np.random.Generator) -> xr.Dataset:
    """Intervals of medians, less the true median."""
    found = median_intervals(of_units(sessions, rng, studies))
    return found[["low", "high"]] - SPREAD * sessions.median()


def area_differences(sessions: Sessions, studies: int, rng: np.random.Generator) -> xr.Dataset:
    """Intervals of the difference of ``compare_areas``, of truth 0."""
    return compare_areas(of_units(sessions, rng, studies, "position"), pool=(), draws=1)


INTERVALS: dict[str, tuple[Callable[[Sessions, int, np.random.Generator], xr.Dataset], tuple[int, ...]]] = {
    "`difference` of `compare`": (differences, (3, 4, 6, 12, 41)),
    "`median_intervals`": (medians, (3, 4, 6, 12, 41)),
    "`difference` of `compare_areas`": (area_differences, (6, 8, 12, 41)),
}


def covered(low: np.ndarray, high: np.ndarray) -> str:
    """Write the share of intervals with the truth, 0, in them, in bold where too small; "none" where there are none."""
    known = ~(np.isnan(low) | np.isnan(high))
    if not known.any():
        return "none"
    share = float(((low <= 0) & (high >= 0))[known].mean())
    infinite = float((np.isinf(low) | np.isinf(high))[known].mean())
    text = f"**{share:.3f}**" if share < COVERED else f"{share:.3f}"
    return f"{text} ({infinite:.0%} open)" if infinite >= 0.005 else text


COVERAGE_HEAD = (
    f"| interval | sessions | correlation | {' | '.join(SHAPES)} |",
    f"|---|---|---|{'---|' * len(SHAPES)}",
)


def coverages(name: str, largest: int, studies: int) -> list[str]:
    """Make rows of coverage of an interval, with up to so many sessions."""
    intervals, counts = INTERVALS[name]
    rows = []
    for count in (n for n in counts if n <= largest):
        for correlation in CORRELATIONS:
            cells = []
            for k, shape in enumerate(SHAPES.values()):
                found = intervals(Sessions(count, correlation, **shape), studies, np.random.default_rng([count, k]))
                cells.append(covered(found["low"].values, found["high"].values))
            rows.append(f"| {name} | {count} | {correlation} | {' | '.join(cells)} |")
    return rows


HEADS = ("CR3 and t", *OF_MEANS, "Woodruff", "percentile bootstrap of the median")
CANDIDATES_HEAD = (
    f"| sessions | correlation | effects | {' | '.join(HEADS)} |",
    f"|---|---|---|{'---|' * len(HEADS)}",
)
FEW = 500
"""Studies in which medians of drawn sessions are taken, which is slow."""


def candidates(count: int, studies: int) -> list[str]:
    """Make rows of intervals that were not chosen, with so many sessions, of the same studies as those that were."""
    rows = []
    for correlation in CORRELATIONS:
        for skewed in (False, True):
            sessions = Sessions(count, correlation, skewed=skewed)
            values = of_units(sessions, np.random.default_rng(count), studies)["rho"].values
            chosen = differences(sessions, studies, np.random.default_rng(count))
            woodruff = medians(sessions, studies, np.random.default_rng(count))
            ends = [(chosen["low"].values, chosen["high"].values)]
            ends += [of(values, sessions.session, np.random.default_rng(1)) for of in OF_MEANS.values()]
            ends.append((woodruff["low"].values, woodruff["high"].values))
            few = values[:FEW] - SPREAD * sessions.median()
            ends.append(percentiles_of_median(few, sessions.session, np.random.default_rng(1)))
            words = "skewed" if skewed else "normal"
            rows.append(f"| {count} | {correlation} | {words} | {' | '.join(covered(*of) for of in ends)} |")
    return rows
