"""Tables for people: medians per network and layer."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from distributed_trf.results.layers import layer_profile
from distributed_trf.results.tables.dataframe import to_dataframe


def layer_table(ds: xr.Dataset, variable: str = "r") -> pd.DataFrame:
    """Summarise over units how well every layer predicts them, one row per fit.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    variable
        What to summarise.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, network, weights, layer, bin_width, layer_name, layer_type, median, q25, q75, maximum and n,
        the number of units that have one; sorted as the dataset is. Fits without any unit are left out.
    """
    return to_dataframe(layer_profile(ds, variable))
