"""How fast must features be? The tests of Figs 4 and S9 on fits of low-passed features."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf.errors import DataError
from distributed_trf.results.layers import layer_profile, unit_values
from distributed_trf.results.statistics.compare import DRAWS, compare

LOWPASS_BIN = "lowpass_bin"


def cutoff_tests(
    ds: xr.Dataset, variable: str = "rho", *, alpha: float = 0.01, draws: int = DRAWS, seed: int = 0
) -> xr.Dataset:
    """Find the cut-off of highest median, and those that units are predicted as well with.

    Parameters
    ----------
    ds
        What ``open_lowpass`` returns, of all units or of those of ``select_units``.
    variable
        What to compare.
    alpha
        A cut-off is as good as the best if a two-sided test between them has p > alpha, as published.
    draws, seed
        Of sessions, for the intervals.

    Returns
    -------
    xarray.Dataset
        ``median``, ``q25``, ``q75``, ``maximum`` and ``n`` over the dimensions of a fit and ``lowpass_bin``, with
        ``cutoff``, ``500 / lowpass_bin`` in hertz, beside it; ``is_best``; what ``compare`` returns for the best (a)
        against each (b), two-sided; and ``as_good``, where that has p > alpha. No correction for the number of cut-offs
        is made: it would only call more of them as good.

    Raises
    ------
    DataError
        If these are no fits on low-passed features.
    """
    if LOWPASS_BIN not in ds.dims:
        raise DataError(f"no dimension {LOWPASS_BIN!r}; take the dataset that open_lowpass returns")
    ds = unit_values(ds, variable).to_dataset(name=variable)
    profile = layer_profile(ds, variable)
    place = profile["median"].fillna(-np.inf).argmax(LOWPASS_BIN)
    is_best = (xr.DataArray(np.arange(ds.sizes[LOWPASS_BIN]), dims=LOWPASS_BIN) == place) & profile["median"].notnull()
    best = ds[[variable]].where(is_best).max(LOWPASS_BIN)
    labels = {name: coord for name, coord in ds.coords.items() if LOWPASS_BIN not in coord.dims}
    tested = compare(best.assign_coords(labels), ds, variable, alternative="two-sided", draws=draws, seed=seed)
    found = profile.merge(tested.drop_vars(["n"]), compat="override", join="exact")
    found = found.assign(is_best=is_best, as_good=(found["p"] > alpha) & ~is_best & found["median"].notnull())
    cutoff = (LOWPASS_BIN, 500 / ds[LOWPASS_BIN].values, {"long_name": "what is slower is kept", "units": "Hz"})
    return found.assign_coords(cutoff=cutoff).assign_attrs(tested.attrs, alpha=alpha).transpose(..., LOWPASS_BIN)
