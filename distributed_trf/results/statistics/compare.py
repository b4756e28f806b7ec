"""Two sets of fits of the same units, compared unit by unit.

Medians over units, and how far they would move if other sessions had been recorded.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.results.layers import unit_values
from distributed_trf.results.statistics.session_bootstrap import draw_sessions, drawn_medians, interval
from distributed_trf.results.units import pair_units

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
