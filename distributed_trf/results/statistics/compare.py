"""Two sets of fits of the same units, compared unit by unit, and medians over units with intervals over sessions.

Intervals say how far numbers would move if other sessions had been recorded: whole sessions are drawn with replacement.
Units of one session share an animal, a day and a recording site, so they are not independent samples; sessions are
closer to that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.results.layers import unit_values
from distributed_trf.results.units import pair_units


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


def drawn_medians(values: np.ndarray, session: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Compute the median over the units of each draw of sessions.

    Parameters
    ----------
    values
        Of each unit, without NaN, shape (n,).
    session
        Which session each unit is of, 0 to n_sessions - 1, shape (n,).
    drawn
        How often each session was drawn, shape (n_boot, n_sessions).

    Returns
    -------
    np.ndarray of shape (n_boot,)
        NaN for a draw without units.

    Notes
    -----
    Values are sorted once. How many units of each session are among the k smallest is tabulated, so that a draw needs
    the logarithm of n steps to find its median.
    """
    order = np.argsort(values)
    smallest = np.zeros((values.size + 1, drawn.shape[1]), dtype=np.float32)  # whole numbers, and quicker to multiply
    smallest[np.arange(1, values.size + 1), session[order]] = 1
    smallest = smallest.cumsum(axis=0)
    weights = drawn.astype(np.float32)
    total = weights @ smallest[-1]
    ranks = np.stack([(total - 1) // 2, total // 2])
    low, high = np.zeros(ranks.shape, dtype=np.int64), np.full(ranks.shape, values.size)
    while (low < high).any():
        middle = (low + high) // 2
        enough = np.einsum("bs,kbs->kb", weights, smallest[middle]) > ranks
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return np.where(total > 0, values[order][np.maximum(low - 1, 0)].mean(axis=0), np.nan)


def interval(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """Return the percentile interval of drawn numbers, NaN left out; NaN where all are."""
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


Alternative = Literal["greater", "less", "two-sided"]
DRAWS = 1000
"""Draws of sessions for an interval."""
LEVEL = 0.95
"""Coverage of intervals."""
STATISTICS = {
    "p": "p-value of the Wilcoxon signed-rank test, not corrected for the number of tests",
    "statistic": "sum of the ranks of positive differences",
    "effect": "matched-pairs rank-biserial correlation",
    "median_difference": "median over units of a minus b",
    "low": "lower end of the interval of the median difference",
    "high": "upper end of the interval of the median difference",
    "median_a": "median over paired units of a",
    "median_b": "median over paired units of b",
    "n": "units that have a number in both",
    "n_sessions": "sessions of those units",
}


def compare(
    a: xr.Dataset,
    b: xr.Dataset,
    variable: str = "rho",
    *,
    alternative: Alternative = "greater",
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Test whether units are predicted better in ``a`` than in ``b``, paired by (session, channel).

    Parameters
    ----------
    a, b
        Results, such as ``ds.sel(weights="trained")`` and ``ds.sel(weights="reset")``; of the same study or of others.
        Dimensions that only one of them has are combined with all of the other, shared ones by label.
    variable
        What to compare.
    alternative
        ``greater`` (a > b), ``less`` or ``two-sided``.
    draws
        Of sessions, for the interval.
    seed
        Of those draws.

    Returns
    -------
    xarray.Dataset
        Over the dimensions of both but unit: ``p``, ``statistic`` and ``effect`` of the Wilcoxon signed-rank test,
        ``median_difference`` with the 95 % interval ``low`` to ``high``, ``median_a``, ``median_b``, ``n`` and
        ``n_sessions``. NaN where no unit has a number in both.

    Raises
    ------
    DataError
        If no unit is in both, or a unit is there twice.

    Notes
    -----
    As in ``scipy.stats.wilcoxon`` by default, zero differences are left out, and p is exact up to 50 differences
    without ties, else from the normal approximation. The effect is ``(W+ - W-) / (W+ + W-)`` (Kerby 2014): 1 where a
    is better for every unit, -1 where b is. The interval is over sessions drawn with replacement, with all their units:
    the test takes units for independent samples, which those of one session are not.
    """
    a, b = pair_units(a, b)
    x, y = unit_values(a, variable), unit_values(b, variable)
    sessions = np.unique(a["session"].values, return_inverse=True)[1]
    y = y.drop_vars([name for name in y.coords if name not in y.dims or name == names.UNIT])  # a's labels are kept
    x, y = xr.broadcast(*xr.align(x, y, join="inner", exclude=[names.UNIT]))
    x = x.transpose(..., names.UNIT)
    y = y.transpose(*x.dims)
    cells = x.shape[:-1]
    found = {name: np.full(cells, np.nan) for name in STATISTICS}
    for cell in np.ndindex(cells):
        for name, number in _paired(x.values[cell], y.values[cell], sessions, alternative, draws, seed).items():
            found[name][cell] = number
    coords = {name: coord for name, coord in x.coords.items() if names.UNIT not in coord.dims}
    variables = {name: (x.dims[:-1], numbers, {"long_name": STATISTICS[name]}) for name, numbers in found.items()}
    return xr.Dataset(
        variables,
        coords,
        {
            "test": "Wilcoxon signed-rank, paired by (session, channel)",
            "alternative": alternative,
            "variable": variable,
            "interval": f"{LEVEL:.0%}, percentiles over {draws} draws of sessions, seed {seed}",
        },
    )


def _paired(
    a: np.ndarray, b: np.ndarray, session: np.ndarray, alternative: Alternative, draws: int, seed: int
) -> dict[str, float]:
    """Compare the units that have a number in both, arrays of shape (n,)."""
    both = ~(np.isnan(a) | np.isnan(b))
    if not both.any():
        return {}
    a, b = a[both], b[both]
    difference = a - b
    present, index = np.unique(session[both], return_inverse=True)
    drawn = drawn_medians(difference, index, draw_sessions(present.size, draws, seed))
    low, high = interval(drawn, LEVEL)
    differ = difference[difference != 0]
    p, positive, effect = 1.0, 0.0, 0.0
    if differ.size:
        ranks = scipy.stats.rankdata(np.abs(differ))
        positive = float(ranks[differ > 0].sum())
        effect = 2 * positive / float(ranks.sum()) - 1
        p = float(scipy.stats.wilcoxon(differ, alternative=alternative).pvalue)
    return {
        "p": p,
        "statistic": positive,
        "effect": effect,
        "median_difference": float(np.median(difference)),
        "low": low,
        "high": high,
        "median_a": float(np.median(a)),
        "median_b": float(np.median(b)),
        "n": int(both.sum()),
        "n_sessions": present.size,
    }


def median_intervals(ds: xr.Dataset, variable: str = "rho", *, draws: int = DRAWS, seed: int = 0) -> xr.Dataset:
    """Compute medians over units with intervals over sessions.

    Parameters
    ----------
    ds
        Results of ``open_results``, of all units or of those of ``select_units``.
    variable
        ``rho``, ``r`` or another that has a value per fit and unit.
    draws, seed
        Of sessions with replacement, each with all its units.

    Returns
    -------
    xarray.Dataset
        ``median``, the 95 % interval ``low`` to ``high``, and ``n``, units that have a number, over the dimensions of a
        fit; NaN where nothing was fitted.
    """
    of = unit_values(ds, variable)
    session = np.unique(ds["session"].values, return_inverse=True)[1]
    cells = of.shape[:-1]
    found = {name: np.full(cells, np.nan) for name in ("median", "low", "high")} | {"n": np.zeros(cells, dtype=int)}
    for cell in np.ndindex(cells):
        values = of.values[cell]
        known = ~np.isnan(values)
        found["n"][cell] = known.sum()
        if known.any():
            present, index = np.unique(session[known], return_inverse=True)
            drawn = drawn_medians(values[known], index, draw_sessions(present.size, draws, seed))
            found["median"][cell] = np.median(values[known])
            found["low"][cell], found["high"][cell] = interval(drawn, LEVEL)
    coords = {name: coord for name, coord in of.coords.items() if names.UNIT not in coord.dims}
    attrs = {"variable": variable, "interval": f"{LEVEL:.0%}, percentiles over {draws} draws of sessions, seed {seed}"}
    return xr.Dataset({name: (of.dims[:-1], numbers) for name, numbers in found.items()}, coords, attrs)
