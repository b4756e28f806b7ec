"""Which stimulus set and bin width a figure shows unless it is told."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import NothingToDrawError

USUAL_BIN_WIDTH = 50.0
"""Milliseconds; that of most figures of Ahmed et al. (2025)."""


def chosen_place(ds: xr.Dataset, stimuli: str | None = None, bin_width: float | None = None) -> tuple[str, float]:
    """Return a stimulus set and a bin width (ms); by default the first set, and 50 ms or else the first.

    Raises
    ------
    NothingToDrawError
        If one is asked for that the results do not have.
    """
    sets = np.atleast_1d(ds[names.STIMULI].values).tolist()
    widths = np.atleast_1d(ds[names.BIN_WIDTH].values).tolist()
    if stimuli is None:
        stimuli = str(sets[0])
    if bin_width is None:
        bin_width = USUAL_BIN_WIDTH if USUAL_BIN_WIDTH in widths else float(widths[0])
    if stimuli not in sets or bin_width not in widths:
        raise NothingToDrawError(
            f"{stimuli} at {bin_width:g} ms is not in these results, which have {', '.join(map(str, sets))} at "
            f"{', '.join(f'{width:g}' for width in widths)} ms"
        )
    return stimuli, bin_width


def at_place(ds: xr.Dataset, stimuli: str, bin_width: float) -> xr.Dataset:
    """Select one stimulus set and bin width of results; a dataset that has only one need not have the dimension."""
    wanted = {names.STIMULI: stimuli, names.BIN_WIDTH: bin_width}
    return ds.sel({dim: label for dim, label in wanted.items() if dim in ds.dims})
