"""Results as one table in a file for other programs."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from distributed_trf.errors import ConfigError, MissingExtraError
from distributed_trf.results.tables.dataframe import to_dataframe
from distributed_trf.store.atomic import new_file

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
        If a parquet file is asked for without pyarrow.
    """
    suffix = next((s for s in SUFFIXES if path.name.endswith(s)), None)
    if suffix is None:
        raise ConfigError(f"{path}: the name of a table ends with {', '.join(SUFFIXES)}; name the file so")
    table = to_dataframe(ds)
    with new_file(path) as file:
        if suffix == ".parquet":
            try:
                import pyarrow  # noqa: F401  pandas tells a broken one and one that is not there alike
            except ImportError as error:
                raise MissingExtraError("pyarrow", "parquet", error) from error
            table.to_parquet(file, index=False, engine="pyarrow")
        else:
            table.to_csv(file, index=False, compression="gzip" if suffix.endswith(".gz") else None)
    return len(table)
