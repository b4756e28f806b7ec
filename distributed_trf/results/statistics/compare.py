"""Two sets of fits of the same units, compared unit by unit."""

from __future__ import annotations

import math

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import counted
from distributed_trf.results.layers import quantiles, unit_values
from distributed_trf.results.statistics.checks import check_draws
from distributed_trf.results.statistics.groups import (
    Groups,
    Level,
    Summary,
    count_groups,
    group_of_units,
    or_nan,
    unknown_subjects,
)
from distributed_trf.results.statistics.intervals import LEAST, few_groups, t_interval, told_of_test, weighted_mean
from distributed_trf.results.statistics.permutations import (
    DRAWS,
    EXACT,
    Alternative,
    exact_signs,
    flip_signs,
    known_side,
)
from distributed_trf.results.units import pair_units

STATISTICS = {
    "p": "p-value, not corrected for the number of tests",
    "statistic": "weighted sum of the means of groups, or sum of the ranks of positive differences of units",
    "smallest_p": "smallest p-value that so many groups allow",
    "difference": "weighted mean over groups of a minus b",
    "low": "lower end of the interval of the difference",
    "high": "upper end of the interval of the difference",
    "effect": "matched-pairs rank-biserial correlation over units",
    "median_difference": "median over units of a minus b",
    "median_a": "median over paired units of a",
    "median_b": "median over paired units of b",
    "n": "units that have a number in both",
    "n_sessions": "sessions of those units",
    "n_subjects": "subjects of those units",
    "icc": "intraclass correlation of a minus b within groups",
}
FLIPPED = "sign flips of {level} {summary}s, paired by (session, channel)"
RANKED = "Wilcoxon signed-rank, paired by (session, channel)"


def compare(
    a: xr.Dataset | xr.DataArray,
    b: xr.Dataset | xr.DataArray,
    variable: str = "rho",
    *,
    alternative: Alternative = "greater",
    level: Level = "session",
    summary: Summary = "mean",
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Test whether units are predicted better in ``a`` than in ``b``, paired by (session, channel).

    Parameters
    ----------
    a, b
        Results, such as ``ds.sel(weights="trained")`` and ``ds.sel(weights="reset")``; of the same study or of others.
        Dimensions that only one of them has are combined with all of the other, shared ones by label. Or one variable
        of each, such as ``ds.r.sel(weights="trained")``.
    variable
        What to compare of datasets.
    alternative
        ``greater`` (a > b), ``less`` or ``two-sided``.
    level
        What is taken for independent: sessions, subjects, or every unit as in Ahmed et al. (2025).
    summary
        What the differences of a group's units are summed up by, ``mean`` or ``median``.
    draws
        Patterns of signs that are drawn where there are more; else all are taken, and p is exact.
    seed
        Of those draws.

    Returns
    -------
    xarray.Dataset
        Over the dimensions of both but unit: ``p``, ``statistic`` and ``smallest_p``, the smallest p that so many
        groups allow; ``difference``, a minus b, with the 95 % interval ``low`` to ``high``; ``effect``;
        ``median_difference``, ``median_a``, ``median_b``; ``n``, ``n_sessions``, ``n_subjects``; ``icc``, how alike the
        units of a group are. NaN where no unit has a number in both; ``attrs["note"]`` says what is missing, and why.

    Raises
    ------
    DataError
        If no unit is in both, or a unit is there twice; if a word is not known, or draws or seed cannot be used.

    Notes
    -----
    Sessions (or subjects) are the samples. The mean difference m of each has the weight w = n / (1 + (n - 1) icc), the
    number of independent units that its n units are worth (Kish 1965). If a is no better than b, m is as likely to
    be -m: the statistic sum w m is compared with those of all patterns of signs. For the test, icc is estimated by what
    signs leave as it is, so the test is exact; for the estimate, by a one-way analysis of variance. The interval is by
    leaving out one session at a time (CR3, Bell & McCaffrey 2002); it takes four.

    At level ``unit`` the test is Wilcoxon's, as in ``scipy.stats.wilcoxon`` by default: zero differences are left out,
    and p is exact up to 50 differences without ties, else from the normal approximation. Units of one session are no
    independent samples, so that this p is too small. The effect is ``(W+ - W-) / (W+ + W-)`` (Kerby 2014) at all
    levels: 1 where a is better for every unit, -1 where b is.
    """
    check_draws(draws, seed)
    variable = next((str(of.name) for of in (a, b) if isinstance(of, xr.DataArray) and of.name), variable)
    a, b = (of.to_dataset(name=variable) if isinstance(of, xr.DataArray) else of for of in (a, b))
    alone = [of.sizes[names.UNIT] for of in (a, b)]
    a, b = pair_units(a, b)
    x, y = unit_values(a, variable), unit_values(b, variable)
    y = y.drop_vars([name for name in y.coords if name not in y.dims or name == names.UNIT])  # a's labels are kept
    whole = [set(x.dims) >= set(y.dims), set(y.dims) >= set(x.dims)]
    x, y = xr.broadcast(*xr.align(x, y, join="inner", exclude=[names.UNIT]))
    x = x.transpose(..., names.UNIT)
    y = y.transpose(*x.dims)
    shape = x.shape[:-1]
    first, second = (of.values.reshape(math.prod(shape), x.shape[-1]) for of in (x, y))
    group = group_of_units(a, level)
    known = [~np.isnan(of) & (group >= 0) for of in (first, second)]
    both = known[0] & known[1]
    first, second = (np.where(both, of, np.nan) for of in (first, second))
    found, draws_of = _tested(first, second, group, known_side(alternative), level, summary, draws, seed)
    described = _described(first, second, both) | {
        "n_sessions": count_groups(a, "session", both),
        "n_subjects": count_groups(a, "subject", both),
    }
    coords = {name: coord for name, coord in x.coords.items() if names.UNIT not in coord.dims}
    numbers = found | described
    variables = {
        name: (x.dims[:-1], numbers[name].reshape(shape), {"long_name": words}) for name, words in STATISTICS.items()
    }
    notes = [
        *_not_paired(alone, x.sizes[names.UNIT]),
        *_not_compared([of for of, all_dims in zip(known, whole, strict=True) if all_dims], both),
        *unknown_subjects(group, level),
        *few_groups(numbers["p"], numbers["low"], level),
    ]
    attrs = {"variable": variable, "alternative": alternative, "summary": summary, "seed": seed, "draws": draws_of}
    attrs |= told_of_test(level, RANKED if level == "unit" else FLIPPED.format(level=level, summary=summary), notes)
    return xr.Dataset(variables, coords, attrs)


def _tested(
    a: np.ndarray,
    b: np.ndarray,
    group: np.ndarray,
    alternative: Alternative,
    level: Level,
    summary: Summary,
    draws: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], int | str]:
    """Test differences of numbers of shape (cells, units), and estimate their mean; say how many signs were drawn."""
    difference, size = a - b, np.fmax(np.abs(a), np.abs(b)).max(axis=1, initial=0, where=~np.isnan(a))
    groups = Groups.of(difference, group, summary)
    icc, count = groups.icc(), groups.count
    estimate = weighted_mean(groups.centre, groups.weights(icc))
    low, high = t_interval(estimate, count >= LEAST)
    found = {"difference": estimate.mean, "low": low, "high": high}
    if level == "unit":
        p, statistic, smallest = signed_ranks(difference, alternative)
        return found | {"p": p, "statistic": statistic, "smallest_p": smallest, "icc": np.full(p.shape, np.nan)}, "none"
    weights = groups.weights(groups.icc_about_zero())
    statistic, p, smallest = flip_signs(groups.centre, weights, size, alternative, draws, seed)
    exact = all(exact_signs(int(n), draws) for n in np.unique(count))
    estimable = (count > 1) & (groups.worth.sum(axis=1) > count)
    found |= {
        "p": p,
        "statistic": statistic,
        "smallest_p": smallest,
        "icc": np.where(estimable, icc, np.nan),
    }
    return found, EXACT if exact else draws


def signed_ranks(difference: np.ndarray, alternative: Alternative) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return p, the sum of the ranks of positive differences and the smallest p that so many allow, of each cell.

    Parameters
    ----------
    difference
        Shape (cells, units), NaN where there is none.
    alternative
        As of ``compare``.
    """
    p, statistic, smallest = np.full((3, len(difference)), np.nan)
    for cell, values in enumerate(difference):
        known = values[~np.isnan(values)]
        differ = known[known != 0]
        if known.size:
            p[cell], statistic[cell] = 1.0, 0.0
            smallest[cell] = min(1.0, (2 if alternative == "two-sided" else 1) * 0.5**known.size)
        if differ.size:
            statistic[cell] = scipy.stats.rankdata(np.abs(differ))[differ > 0].sum()
            p[cell] = scipy.stats.wilcoxon(differ, alternative=alternative).pvalue
    return p, statistic, smallest


def _described(a: np.ndarray, b: np.ndarray, both: np.ndarray) -> dict[str, np.ndarray]:
    """Describe units that have a number in both, arrays of shape (cells, units)."""
    difference = a - b
    effect = np.full(len(both), np.nan)
    for cell, known in enumerate(both):
        differ = difference[cell, known]
        if differ.size:
            differ = differ[differ != 0]
            ranks = scipy.stats.rankdata(np.abs(differ))
            effect[cell] = np.sign(differ) @ ranks / ranks.sum() if differ.size else 0.0
    return {
        "effect": effect,
        "median_difference": quantiles(difference, [0.5])[0],
        "median_a": quantiles(a, [0.5])[0],
        "median_b": quantiles(b, [0.5])[0],
        "n": or_nan(both.sum(axis=1)),
    }


def _not_paired(alone: list[int], paired: int) -> list[str]:
    """Say how many units only one of the two has."""
    left = [n - paired for n in alone]
    words = f"left out: {counted(left[0], 'unit')} of the first and {left[1]} of the second, in one alone"
    return [words] if any(left) else []


def _not_compared(known: list[np.ndarray], both: np.ndarray) -> list[str]:
    """Say where one of the two has numbers and they are not compared, or that nothing is compared at all.

    Parameters
    ----------
    known
        Where those of the two that have all dimensions have a number; what is compared with many is missed nowhere.
    both
        Where both have; all of shape (cells, units).
    """
    compared = both.any(axis=1)
    if not compared.any():
        return ["nothing is compared: " + ("no unit has a number in both" if both.shape[1] else "there are no units")]
    there = np.any([of.any(axis=1) for of in known], axis=0)
    apart = np.count_nonzero(there & ~compared)
    return [f"{apart} of {apart + compared.sum()} are not compared: no unit has a number in both"] if apart else []
