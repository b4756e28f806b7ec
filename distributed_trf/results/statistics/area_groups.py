"""Two areas compared by sessions or subjects, which have units in one of them, or in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.errors import counted
from distributed_trf.results.statistics.groups import Groups, Level, Summary
from distributed_trf.results.statistics.intervals import LEAST, t_interval, weighted_mean
from distributed_trf.results.statistics.permutations import (
    EXACT,
    Alternative,
    deal_labels,
    exact_labels,
    exact_signs,
    flip_signs,
)

TESTED = ("p", "statistic", "smallest_p", "difference", "low", "high", "icc")
DEALT = "labels of {level}s dealt anew, difference of weighted {summary}s over its standard error (Welch)"
FLIPPED = "sign flips of the differences of {summary}s within {level}s"


def compare_group_means(
    units: Sequence[np.ndarray],
    group: np.ndarray,
    level: Level,
    summary: Summary,
    alternative: Alternative,
    draws: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], str, int | str, list[str]]:
    """Compare the means of groups between two areas.

    Parameters
    ----------
    units
        Numbers of the units of the first and of the second area, NaN elsewhere; shape (cells, units) each.
    group, level
        Of each unit, as of ``group_of_units``.
    summary
        What the units of a group are summed up by.
    alternative
        ``greater``: the second area above the first.
    draws, seed
        Of rearrangements; units have intervals alone, and no test here.

    Returns
    -------
    tuple
        Statistics of shape (cells,); which test that is; how many rearrangements were drawn; what is left out.
    """
    present = [Groups.of(of, group).present for of in units]
    both = present[0] & present[1]
    n_both, n_one = np.count_nonzero(both, axis=1), np.count_nonzero(present[0] ^ present[1], axis=1)
    found = {name: np.full(len(both), np.nan) for name in TESTED}
    tests, exact, left_out = [], True, []
    for arm, cells, test, n_left, words in (
        (_dealt, np.flatnonzero(n_both <= n_one), DEALT, n_both, "units in both areas"),
        (_flipped, np.flatnonzero(n_both > n_one), FLIPPED, n_one, "units in one area alone"),
    ):
        if not cells.size:
            continue
        tests.append(test.format(level=level, summary=summary))
        here = [of[cells] for of in units]
        numbers, all_of = arm(here, both[cells], group, summary, alternative, 0 if level == "unit" else draws, seed)
        exact &= all_of
        for name, of in numbers.items():
            found[name][cells] = of
        if n_left[cells].any():
            most = counted(int(n_left[cells].max()), level)
            left_out.append(f"left out: {'' if np.ptp(n_left[cells]) == 0 else 'up to '}{most} with {words}")
    return found, "; or ".join(tests), EXACT if exact else draws, left_out


def _dealt(
    units: Sequence[np.ndarray],
    both: np.ndarray,
    group: np.ndarray,
    summary: Summary,
    alternative: Alternative,
    draws: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], bool]:
    """Compare groups of units in one area alone; say whether labels were dealt in all ways. No draws: no test."""
    values = np.where(np.isnan(units[0]), units[1], units[0])
    groups = Groups.of(np.where(_of_units(both, group), np.nan, values), group, summary)
    in_a = groups.present & Groups.of(units[0], group).present
    icc = groups.icc()
    weights = groups.weights(icc)
    sides = [np.where(side, weights, 0) for side in (in_a, ~in_a)]
    counts = np.stack([np.count_nonzero(side, axis=1) for side in sides], axis=1)
    mean_a, mean_b = (weighted_mean(groups.centre, side) for side in sides)
    difference = mean_b.minus(mean_a)
    low, high = t_interval(difference, counts.min(axis=1) >= LEAST)
    found = {"difference": difference.mean, "low": low, "high": high}
    if not draws:
        return found, True
    statistic, p, smallest = deal_labels(groups.centre, weights, in_a, _size(values), alternative, draws, seed)
    estimable = (counts.min(axis=1) > 0) & (groups.worth.sum(axis=1) > groups.count)
    found |= {"statistic": statistic, "p": p, "smallest_p": smallest, "icc": np.where(estimable, icc, np.nan)}
    return found, all(exact_labels(a, b, draws) for a, b in np.unique(counts, axis=0).tolist() if min(a, b) > 1)


def _flipped(
    units: Sequence[np.ndarray],
    both: np.ndarray,
    group: np.ndarray,
    summary: Summary,
    alternative: Alternative,
    draws: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], bool]:
    """Compare the areas within groups that have units in both; say whether all patterns of signs were taken."""
    a, b = (Groups.of(np.where(_of_units(both, group), of, np.nan), group, summary) for of in units)
    worth = np.divide(a.worth * b.worth, a.worth + b.worth, out=np.zeros_like(a.worth), where=both)
    free = [of.worth.sum(axis=1) - of.count for of in (a, b)]
    squares, freedom = a.within * free[0] + b.within * free[1], free[0] + free[1]
    within = np.divide(squares, freedom, out=np.zeros_like(squares), where=freedom > 0)
    groups = Groups(worth, b.mean - a.mean, b.centre - a.centre, within)
    icc = groups.icc()
    estimate = weighted_mean(groups.centre, groups.weights(icc))
    low, high = t_interval(estimate, groups.count >= LEAST)
    weights = groups.weights(groups.icc_about_zero())
    size = np.fmax(_size(units[0]), _size(units[1]))
    statistic, p, smallest = flip_signs(groups.centre, weights, size, alternative, draws, seed)
    found = {
        "difference": estimate.mean,
        "low": low,
        "high": high,
        "statistic": statistic,
        "p": p,
        "smallest_p": smallest,
        "icc": np.where((groups.count > 1) & (freedom > 0), icc, np.nan),
    }
    return found, all(exact_signs(int(n), draws) for n in np.unique(groups.count))


def _of_units(of_groups: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Say of each unit what is true of its group, False if it is of none: shape (cells, units)."""
    return np.pad(of_groups, [(0, 0), (0, 1)])[:, group]


def _size(values: np.ndarray) -> np.ndarray:
    return np.abs(values).max(axis=1, initial=0, where=~np.isnan(values))
