"""Results as a table with one row per fit and unit, for other programs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError


def to_dataframe(ds: xr.Dataset) -> pd.DataFrame:
    """Write results as a tidy table.

    Parameters
    ----------
    ds
        Results of ``open_results``, of an analysis beside them, or what ``peak_layer``, ``compare``, ``layer_tests``
        and the like make of them; selected or not.

    Returns
    -------
    pandas.DataFrame
        A row per combination of labels for which any variable of all the dimensions has a number, in the order of the
        dataset; a column per dimension, per label along them (``session``, ``channel``, ``area``, ...), and per
        variable. Variables of fewer dimensions, such as ``normaliser``, are repeated. The number of a unit, which is no
        label, is left out. ``to_csv`` and ``to_parquet`` write it to files.

    Raises
    ------
    DataError
        If the dataset has no variable.
    """
    if not ds.data_vars:
        raise DataError("this dataset has no variable, so there is nothing to put into a table")
    dims = max((v.dims for v in ds.data_vars.values()), key=len)
    ds = ds.transpose(*dims, ...)
    shape = tuple(ds.sizes[dim] for dim in dims)
    whole = [v for v in ds.data_vars.values() if set(v.dims) == set(dims)]
    kept = np.zeros(shape, dtype=bool)
    for variable in whole:
        kept |= variable.notnull().values
    rows = np.nonzero(kept)
    columns = {}
    labels = [name for name in ds.coords if name != names.UNIT]
    # Dimensions first, then what lies along them, then the numbers.
    for name in sorted(labels, key=lambda name: (name not in dims, list(ds.coords).index(name))) + list(ds.data_vars):
        of = ds[name]
        if set(of.dims) <= set(dims):
            values = of.transpose(*[dim for dim in dims if dim in of.dims]).values
            columns[name] = (
                values[tuple(rows[dims.index(dim)] for dim in dims if dim in of.dims)] if of.dims else of.item()
            )
    return pd.DataFrame(columns, index=pd.RangeIndex(rows[0].size))
