"""Results as a table with one row per fit and unit, in memory or in a file, for other programs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import ConfigError, DataError, MissingExtraError
from distributed_trf.store.atomic import new_file


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
        A row per combination of labels for which any variable of all the dimensions is not NaN, in the order of the
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
    ds = ds.transpose(*dims, ...).compute()  # each variable is looked at twice
    kept = np.zeros(tuple(ds.sizes[dim] for dim in dims), dtype=bool)
    for variable in ds.data_vars.values():
        if set(variable.dims) == set(dims) and variable.dtype.kind == "f":  # what is whole or logical is never missing
            kept |= variable.notnull().values
    rows = np.nonzero(kept) if dims else ()
    columns: dict[Hashable, np.ndarray] = {}
    for name in [*_labels(ds, dims), *ds.data_vars]:
        along = [dim for dim in dims if dim in ds[name].dims]
        if len(along) == ds[name].ndim:
            values = ds[name].transpose(*along).values
            columns[name] = values[tuple(rows[dims.index(dim)] for dim in along)] if along else values.item()
    return pd.DataFrame(columns, index=pd.RangeIndex(rows[0].size if dims else int(kept)))


def _labels(ds: xr.Dataset, dims: Sequence[Hashable]) -> list[Hashable]:
    """List coordinates: dimensions first, then what lies along them in the order in which results describe it."""
    known = [*dims, *names.COORDS]
    there = [name for name in ds.coords if name != names.UNIT]
    return sorted(there, key=lambda name: known.index(name) if name in known else len(known))


SUFFIXES = (".csv", ".csv.gz", ".parquet")
"""What the name of a table may end with."""


def save_table(ds: xr.Dataset, path: Path) -> int:
    """Write the table of ``to_dataframe``; it appears whole or not at all.

    Parameters
    ----------
    ds
        Results.
    path
        File that ends with one of ``SUFFIXES``; one that is there is replaced.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    ConfigError
        If the name ends otherwise.
    MissingExtraError
        If a parquet file is to be written without pyarrow.
    """
    suffix = next((s for s in SUFFIXES if path.name.endswith(s)), None)
    if suffix is None:
        raise ConfigError(f"{path}: the name of a table ends with {', '.join(SUFFIXES)}; name the file so")
    table = to_dataframe(ds)
    with new_file(path) as file:
        if suffix == ".parquet":
            try:
                import pyarrow  # noqa: F401  pandas reports a broken and a missing one alike
            except ImportError as error:
                raise MissingExtraError("pyarrow", "parquet", error) from error
            table.to_parquet(file, index=False, engine="pyarrow")
        else:
            table.to_csv(file, index=False, compression="gzip" if suffix.endswith(".gz") else None)
    return len(table)
