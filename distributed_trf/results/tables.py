"""Tables for people: medians per network and layer."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from distributed_trf import names


def layer_table(ds: xr.Dataset) -> pd.DataFrame:
    """Summarise the test correlation over units, one row per fit.

    Parameters
    ----------
    ds
        Results of ``open_results``.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, network, weights, layer, bin_width, layer_name, layer_type, median, q25, q75 (of ``r`` over
        units) and n, the number of units that have one; sorted as the dataset is. Fits without any unit are left out.
    """
    r = ds["r"].stack(fit=names.GRID, create_index=False).dropna("fit", how="all")
    # pandas, because xarray's quantile fails where nothing is fitted yet.
    low, median, high = pd.DataFrame(r.transpose("fit", names.UNIT).values).quantile([0.25, 0.5, 0.75], axis=1).values
    labels = {name: r[name].values for name in (*names.GRID, "layer_name", "layer_type")}
    numbers = {"median": median, "q25": low, "q75": high, "n": r.count(names.UNIT).values}
    return pd.DataFrame({**labels, **numbers})
