"""Medians over units, and how far they would move if other sessions had been recorded."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.results.layers import unit_values
from distributed_trf.results.statistics.compare import DRAWS, LEVEL
from distributed_trf.results.statistics.session_bootstrap import draw_sessions, drawn_medians, interval


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
