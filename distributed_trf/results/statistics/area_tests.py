"""Do units of one area prefer deeper layers than those of another? The tests of Figs 5, S6 and S10."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.results.statistics.permutations import Alternative


@lru_cache(maxsize=8)  # every layer of a network is drawn for the same sessions
def draw_sessions(n_sessions: int, n_boot: int, seed: int) -> np.ndarray:
    """Draw as many sessions as there are, with replacement.

    Returns
    -------
    np.ndarray of shape (n_boot, n_sessions)
        How often each session was drawn; not to be written to.
    """
    rng = np.random.default_rng([seed, n_sessions])
    drawn = rng.multinomial(n_sessions, np.full(n_sessions, 1 / n_sessions), size=n_boot)
    drawn.flags.writeable = False
    return drawn


def interval(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """Return the percentile interval of drawn numbers, NaN left out; NaN where all are."""
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


LEVEL = 0.95
AREAS = ("core", "non-primary")


def compare_areas(
    peaks: xr.Dataset,
    variable: str = "position",
    *,
    areas: tuple[str, str] = AREAS,
    pool: Sequence[str] = (names.NETWORK,),
    alternative: Alternative = "less",
    draws: int = 1000,
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
        The two areas.
    pool
        Dimensions whose labels are taken together, such as all networks in Fig 5; none for a test each, as in Fig S6.
    alternative
        ``less`` (the first area lower), ``greater`` or ``two-sided``.
    draws
        Of sessions, within each area, for the interval.
    seed
        Of those draws.

    Returns
    -------
    xarray.Dataset
        Over the other dimensions: ``p`` and ``statistic`` (U of the first area) of the Mann-Whitney U test; ``effect``,
        how much more often a number of the second area is higher than one of the first than lower (rank-biserial
        correlation, -1 to 1), with the 95 % interval ``low`` to ``high``; ``median_a``, ``median_b``; ``n_a``, ``n_b``,
        how many numbers each area has, ``n_sessions_a``, ``n_sessions_b``, of how many sessions. NaN where an area has
        none.

    Raises
    ------
    DataError
        If no unit is of one of the areas, or the dataset has no such variable.

    Notes
    -----
    p is that of ``scipy.stats.mannwhitneyu`` by default. Pooled over networks each unit counts once per network, as
    published; those numbers are no independent samples, and neither are units of one session. The interval, for which
    whole sessions are drawn with replacement, does not take them for such.
    """
    if variable not in peaks or names.UNIT not in peaks[variable].dims:
        raise DataError(f"{variable!r} is no variable of units in this dataset; take the one that peak_layer returns")
    area, session = peaks["area"].values, peaks["session"].values
    for name in areas:
        if name not in area:
            raise DataError(
                f"no unit is in area {name!r}; there are {', '.join(map(str, dict.fromkeys(area))) or 'none'}"
            )
    pooled = [dim for dim in pool if dim in peaks[variable].dims]
    of = peaks[variable].transpose(..., *pooled, names.UNIT)
    dims = of.dims[: of.ndim - 1 - len(pooled)]
    cells = of.shape[: len(dims)]
    found: dict[str, np.ndarray] = {}
    for cell in np.ndindex(cells):
        values = of.values[cell].reshape(-1, area.size)
        sides = [_side(values[:, area == name], session[area == name]) for name in areas]
        for name, number in _tested(sides[0], sides[1], alternative, draws, seed).items():
            found.setdefault(name, np.full(cells, np.nan))[cell] = number
    coords = {n: c for n, c in of.coords.items() if not {names.UNIT, *pooled} & set(c.dims)}
    attrs = {
        "test": "Mann-Whitney U",
        "alternative": alternative,
        "variable": variable,
        "area_a": areas[0],
        "area_b": areas[1],
        "pooled": ", ".join(pooled),
        "interval": f"{LEVEL:.0%}, percentiles over {draws} draws of sessions, seed {seed}",
    }
    return xr.Dataset({name: (dims, numbers) for name, numbers in found.items()}, coords, attrs)


def _side(values: np.ndarray, session: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the known numbers of an area and the session of each, counted from 0; values of shape (pooled, units)."""
    sessions = np.broadcast_to(session, values.shape)
    known = ~np.isnan(values)
    return values[known], np.unique(sessions[known], return_inverse=True)[1]


def _tested(
    a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], alternative: Alternative, draws: int, seed: int
) -> dict[str, float]:
    (x, session_x), (y, session_y) = a, b
    counted: dict[str, float] = {"n_a": x.size, "n_b": y.size}
    if not x.size or not y.size:
        return counted
    test = scipy.stats.mannwhitneyu(x, y, alternative=alternative)
    tables = _tables(x, session_x, y, session_y)
    drawn = [draw_sessions(table.shape[0], draws, seed + k) for k, table in enumerate(tables)]
    low, high = interval(_effects(*(d @ table for d, table in zip(drawn, tables, strict=True))), LEVEL)
    return counted | {
        "p": float(test.pvalue),
        "statistic": float(test.statistic),
        "effect": 1 - 2 * float(test.statistic) / (x.size * y.size),
        "low": low,
        "high": high,
        "median_a": float(np.median(x)),
        "median_b": float(np.median(y)),
        "n_sessions_a": tables[0].shape[0],
        "n_sessions_b": tables[1].shape[0],
    }


def _tables(
    x: np.ndarray, session_x: np.ndarray, y: np.ndarray, session_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count how often each session of each side has each of the values in ascending order: (sessions, values)."""
    values, index = np.unique(np.concatenate([x, y]), return_inverse=True)
    tables = []
    for session, of in ((session_x, index[: x.size]), (session_y, index[x.size :])):
        table = np.zeros((session.max() + 1, values.size))
        np.add.at(table, (session, of), 1)
        tables.append(table)
    return tables[0], tables[1]


def _effects(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rank-biserial correlation from how often each side has each value, in each draw: (draws, values)."""
    lower = x.cumsum(axis=1) - x  # numbers of x below each value
    higher = x.sum(axis=1, keepdims=True) - lower - x
    return (y * (lower - higher)).sum(axis=1) / (x.sum(axis=1) * y.sum(axis=1))
