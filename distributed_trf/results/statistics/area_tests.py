"""Do units of one area prefer deeper layers than those of another? The tests of Figs 5, S6 and S10."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError, shown
from distributed_trf.results.layers import quantiles
from distributed_trf.results.measured_units import listed
from distributed_trf.results.statistics.area_groups import compare_group_means
from distributed_trf.results.statistics.checks import check_draws
from distributed_trf.results.statistics.groups import (
    Level,
    Summary,
    count_groups,
    group_of_units,
    unknown_subjects,
)
from distributed_trf.results.statistics.intervals import few_groups, told_of_test
from distributed_trf.results.statistics.permutations import DRAWS, Alternative, known_side

AREAS = ("core", "non-primary")
AREA_STATISTICS = {
    "p": "p-value, not corrected for the number of tests",
    "statistic": "difference over its standard error, weighted sum of differences in groups, or U of the first area",
    "smallest_p": "smallest p-value that so many groups allow",
    "difference": "weighted mean over groups, second area minus first",
    "low": "lower end of the interval of the difference",
    "high": "upper end of the interval of the difference",
    "effect": "rank-biserial correlation over numbers, 1 where all of the second area are higher",
    "icc": "intraclass correlation of units within groups",
}
OF_AREA = {
    "median": "median over numbers",
    "n": "numbers, which are units times what is pooled",
    "n_units": "units",
    "n_sessions": "sessions of those units",
    "n_subjects": "subjects of those units",
}
OPPOSITE: dict[Alternative, Alternative] = {"less": "greater", "greater": "less", "two-sided": "two-sided"}
"""Side of the second area minus the first, by side of the first."""


def compare_areas(
    peaks: xr.Dataset,
    variable: str = "position",
    *,
    areas: tuple[str, str] | None = None,
    pool: str | Sequence[str] = (names.NETWORK,),
    alternative: Alternative = "less",
    level: Level = "session",
    summary: Summary = "mean",
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Test whether a number of units is lower in one area than in another.

    Parameters
    ----------
    peaks
        What ``peak_layer`` returns, or any dataset with a variable over units.
    variable
        What to compare.
    areas
        The two areas; by default ``core`` and ``non-primary``, or else the only two that there are.
    pool
        Dimension or several whose labels are taken together, such as all networks in Fig 5; none for a test each, as in
        Fig S6.
    alternative
        ``less`` (the first area lower), ``greater`` or ``two-sided``.
    level
        What is taken for independent: sessions, subjects, or every number of every unit as in Ahmed et al. (2025).
    summary
        What the units of a group are summed up by, ``mean`` or ``median``.
    draws
        Rearrangements that are drawn where there are more; else all are taken, and p is exact.
    seed
        Of those draws.

    Returns
    -------
    xarray.Dataset
        Over the other dimensions: ``p``, ``statistic`` and ``smallest_p``, the smallest p that so many groups allow;
        ``difference``, second area minus first, with the 95 % interval ``low`` to ``high``; ``effect``, how much more
        often a number of the second area is higher than one of the first than lower (rank-biserial correlation, -1 to
        1); ``icc``, how alike the units of a group are; of each area (``_a``, ``_b``) ``median``, ``n`` (numbers),
        ``n_units``, ``n_sessions``, ``n_subjects``. NaN where an area has none; ``attrs["note"]`` says what is missing,
        and why.

    Raises
    ------
    DataError
        If there are units and none is of one of the areas, or the dataset has no such variable or dimension; if a
        setting cannot be used.

    Notes
    -----
    A unit's number is its mean over what is pooled, a session's the mean of its units. Sessions have weights as in
    ``compare``, of one intraclass correlation for both areas, and their labels are dealt anew: the difference of the
    weighted means over its standard error is compared with those of all ways to deal. A test takes two sessions in each
    area, an interval four. Where most groups have units in both areas (subjects, arrays across areas), signs of the
    differences within groups are flipped instead. Groups of the rarer kind are left out, and counted.

    At level ``unit`` p is that of ``scipy.stats.mannwhitneyu`` by default. Pooled over networks each unit counts once
    per network, as published; those numbers are no independent samples, and neither are units of one session.
    """
    if variable not in peaks or names.UNIT not in peaks[variable].dims:
        raise DataError(f"{variable!r} is no variable of units in this dataset; take the one that peak_layer returns")
    check_draws(draws, seed)
    areas = _areas_of(peaks) if areas is None else areas
    if isinstance(areas, str) or len(set(areas)) != 2 or len(areas) != 2:
        raise DataError(f"areas are {shown(areas)}; expected two that differ, such as {AREAS}")
    pool = listed(pool)
    unknown = [dim for dim in pool if dim not in (*peaks.dims, *names.GRID)]
    if unknown:
        there = [str(dim) for dim in peaks[variable].dims if dim != names.UNIT]
        raise DataError(f"pool: {unknown[0]!r} is no dimension of {variable}, which has {', '.join(there) or 'none'}")
    area = peaks["area"].values
    for name in areas if area.size else ():
        if name not in area:
            raise DataError(
                f"no unit is in area {name!r}; there are {', '.join(map(str, dict.fromkeys(area))) or 'none'}"
            )
    pooled = [dim for dim in pool if dim in peaks[variable].dims]
    of = peaks[variable].transpose(..., *pooled, names.UNIT)
    dims = of.dims[: of.ndim - 1 - len(pooled)]
    shape = of.shape[: len(dims)]
    cells = math.prod(shape)
    values = of.values.reshape(cells, math.prod(of.shape[len(dims) : -1]), area.size)
    group, side = group_of_units(peaks, level), known_side(alternative)
    sides = [np.where((area == name) & (group >= 0), values, np.nan) for name in areas]
    units = [_unit_means(of) for of in sides]
    found, test, drawn, left_out = compare_group_means(units, group, level, summary, OPPOSITE[side], draws, seed)
    numbers = found | _ranks(
        [of.reshape(cells, math.prod(of.shape[1:])) for of in sides], side, of_units=level == "unit"
    )
    for letter, of_side, of_units in zip("ab", sides, units, strict=True):
        known = ~np.isnan(of_units)
        numbers |= {
            f"median_{letter}": quantiles(of_side.reshape(cells, math.prod(of_side.shape[1:])), [0.5])[0],
            f"n_{letter}": np.count_nonzero(~np.isnan(of_side), axis=(1, 2)),
            f"n_units_{letter}": np.count_nonzero(known, axis=1),
            f"n_sessions_{letter}": count_groups(peaks, "session", known),
            f"n_subjects_{letter}": count_groups(peaks, "subject", known),
        }
    words = AREA_STATISTICS | {
        f"{name}_{letter}": f"{text}, {which} area"
        for name, text in OF_AREA.items()
        for letter, which in zip("ab", ("first", "second"), strict=True)
    }
    coords = {n: c for n, c in of.coords.items() if not {names.UNIT, *pooled} & set(c.dims)}
    draws_of = "none" if level == "unit" else drawn
    attrs = {"variable": variable, "alternative": alternative, "summary": summary, "seed": seed, "draws": draws_of}
    attrs |= {"area_a": areas[0], "area_b": areas[1], "pooled": ", ".join(pooled)}
    notes = [*unknown_subjects(group, level), *left_out, *_notes(numbers, level)]
    attrs |= told_of_test(level, "Mann-Whitney U" if level == "unit" else test, notes)
    return xr.Dataset(
        {name: (dims, numbers[name].reshape(shape), {"long_name": text}) for name, text in words.items()}, coords, attrs
    )


def _areas_of(peaks: xr.Dataset) -> tuple[str, str]:
    """Return the published pair if it is there, or the only two areas."""
    there = list(dict.fromkeys(peaks["area"].values.tolist()))
    if len(there) == 2 and not {*AREAS} <= {*there}:
        return there[0], there[1]
    return AREAS


def _unit_means(values: np.ndarray) -> np.ndarray:
    """Return the mean over what is pooled, shape (cells, units), of shape (cells, pooled, units); NaN left out."""
    known = ~np.isnan(values)
    n = np.count_nonzero(known, axis=1)
    total = np.where(known, values, 0).sum(axis=1)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def _ranks(sides: Sequence[np.ndarray], alternative: Alternative, *, of_units: bool) -> dict[str, np.ndarray]:
    """Compare numbers by rank, of shape (cells, numbers); with Mann-Whitney's test if they are the samples."""
    found = {name: np.full(len(sides[0]), np.nan) for name in ("effect", "p", "statistic", "smallest_p")}
    for cell, (x, y) in enumerate(zip(*sides, strict=True)):
        x, y = x[~np.isnan(x)], y[~np.isnan(y)]
        if not x.size or not y.size:
            continue
        u = scipy.stats.rankdata(np.concatenate([x, y]))[: x.size].sum() - x.size * (x.size + 1) / 2
        found["effect"][cell], found["statistic"][cell] = 1 - 2 * u / (x.size * y.size), u
        if of_units:
            found["p"][cell] = scipy.stats.mannwhitneyu(x, y, alternative=alternative).pvalue
            ways = math.comb(x.size + y.size, x.size)
            found["smallest_p"][cell] = min(1.0, (2 if alternative == "two-sided" else 1) / ways)
    return found if of_units else {"effect": found["effect"]}


def _notes(numbers: dict[str, np.ndarray], level: Level) -> list[str]:
    """Say what is missing, and why."""
    n_a, n_b, p = numbers["n_a"], numbers["n_b"], numbers["p"]
    compared = (n_a > 0) & (n_b > 0)
    if not compared.any():
        return ["nothing is compared: no units of both areas have a number"]
    notes = []
    apart = np.count_nonzero(((n_a > 0) | (n_b > 0)) & ~compared)
    if apart:
        notes.append(f"{apart} of {apart + compared.sum()} are not compared: units of one area have no number")
    untested = np.count_nonzero(compared & np.isnan(p))
    if untested:
        notes.append(f"no test in {untested} of {compared.sum()}: it takes two {level}s of each area")
    return [
        *notes,
        *(f"{text} of each area" for text in few_groups(np.where(compared, 0, np.nan), numbers["low"], level)),
    ]
