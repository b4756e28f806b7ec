"""Results as a table with one row per fit and unit, in memory or in a file, for other programs.

Tables of units: a session's reliability and best predictions by unit, and how many units repeat themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import ConfigError, DataError, MissingExtraError
from distributed_trf.names import BIN_WIDTH, STIMULI
from distributed_trf.reliability.selection import benjamini_hochberg, highly_tuned, holm
from distributed_trf.results.layers import CHOOSER, choosing_values
from distributed_trf.results.units import select_units
from distributed_trf.store.atomic import new_file


def to_dataframe(ds: xr.Dataset | xr.DataArray) -> pd.DataFrame:
    """Write results as a tidy table.

    Parameters
    ----------
    ds
        Results of ``open_results``, of an analysis beside them, or what ``peak_layer``, ``compare``, ``layer_tests``
        and the like make of them; selected or not. Or one variable, such as ``ds.r``.

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
        If the dataset has no variable, or is nothing of xarray.
    """
    if isinstance(ds, xr.DataArray):
        ds = ds.to_dataset(name=ds.name or "value")
    if not isinstance(ds, xr.Dataset):
        raise DataError(f"expected results as xarray has them, found {type(ds).__name__}")
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


MEASURES = (
    *("silent_repeats", "normaliser", "null_mean", "null_std", "tuned_p"),
    *("ceiling_signal_power", "ceiling_ccmax", "ceiling_split_half"),
)
OF_FIT = (names.NETWORK, names.WEIGHTS, names.LAYER)


def session_table(ds: xr.Dataset, session: str, by: str = CHOOSER) -> pd.DataFrame:
    """Describe each unit of a session, one row per stimulus set, bin width and unit.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    session
        One of them.
    by
        The number that chooses the unit's best fit, as of ``best_layer``; ``r``, which is then too high, where results
        have no other.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, bin_width, unit (its channel), silent_repeats, normaliser, null_mean, null_std, tuned_p, the
        three ceilings, as ``names.RELIABILITY`` describes them; network, weights and layer of the unit's best fit, by
        the number that chose it, and its r and rho. Measures that the results do not hold have no column. What was not
        fitted is missing (None, NaN). Stimulus sets and bin widths at which nothing was measured or fitted are left
        out.

    Raises
    ------
    DataError
        If there is no such session, or fits have r and none has the number that chooses.
    """
    of = select_units(ds, session=session)
    measures = [name for name in MEASURES if name in of]
    of = of[[name for name in dict.fromkeys((*measures, "r", "rho", by)) if name in of]].load()
    choosing_values(of, "r", by)
    of = of.expand_dims([dim for dim in names.GRID if dim not in of.dims])
    tables = []
    for stimuli in of[names.STIMULI].values:
        for bin_width in of[names.BIN_WIDTH].values:
            here = of.sel({names.STIMULI: stimuli, names.BIN_WIDTH: bin_width})
            measured = {name: _per_unit(here[name]) for name in measures}
            best = _best_fit(here, by)
            if all(np.isnan(values).all() for values in (*measured.values(), best["r"])):
                continue
            labels = {names.STIMULI: stimuli, names.BIN_WIDTH: bin_width, names.UNIT: here["channel"].values}
            tables.append(pd.DataFrame({**labels, **measured, **best}))
    columns = [names.STIMULI, names.BIN_WIDTH, names.UNIT, *measures, *OF_FIT, "by", "r", "rho"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _best_fit(here: xr.Dataset, by: str) -> dict[str, np.ndarray | pd.api.extensions.ExtensionArray]:
    """Which fit has the highest number of those that have an r, for each unit."""
    fits = here[list({"r", "rho", by})].stack(fit=OF_FIT, create_index=False).transpose("fit", names.UNIT)
    r, rho = fits["r"].values, fits["rho"].values
    scores = np.where(np.isnan(r), np.nan, fits[by].values)
    known = np.count_nonzero(~np.isnan(scores), axis=0) > 0
    best = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=0)
    found: dict[str, np.ndarray | pd.api.extensions.ExtensionArray] = {}
    for name in OF_FIT:
        labels = fits[name].values[best].astype(object)
        labels[~known] = None
        found[name] = pd.array(labels, dtype="Int64") if name == names.LAYER else labels
    units = np.arange(r.shape[1])
    of_best = {"r": r[best, units], "rho": rho[best, units]}
    found["by"] = np.array([by if k else None for k in known], dtype=object)
    return found | {name: np.where(known, values, np.nan) for name, values in of_best.items()}


def _per_unit(of: xr.DataArray) -> np.ndarray:
    """Values along units of a measure, from which stimulus set and bin width may have been selected before."""
    return of.isel({dim: 0 for dim in of.dims if dim != names.UNIT}).values


def reliability_table(ds: xr.Dataset, *, alpha: float = 0.05, delta: float = 0.5) -> pd.DataFrame:
    """Count tuned units, one row per stimulus set and bin width.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    alpha
        Level of the tests.
    delta
        Of the published rule for highly tuned units, see ``highly_tuned``.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, bin_width; n, units whose reliability was measured; silent_repeats, the fraction of their test
        repeats without a spike; normaliser, its median over them; tuned, tuned_holm, tuned_bh, units with p < alpha in
        the test by shifts, uncorrected and corrected over the n units by Holm (which takes more than n / alpha shifts
        to find any) and by Benjamini-Hochberg; tuned_published, by the published test with Holm's correction;
        highly_tuned.
        Rows without any unit are left out.
    """
    rows = []
    for stimuli in ds[STIMULI].values:
        for bin_width in ds[BIN_WIDTH].values:
            of = ds.sel({STIMULI: stimuli, BIN_WIDTH: bin_width})
            normaliser, p, published = (of[name].values for name in ("normaliser", "tuned_p", "tuned_p_published"))
            if np.isnan(normaliser).all():
                continue
            rows.append(
                {
                    "stimuli": stimuli,
                    "bin_width": bin_width,
                    "n": np.count_nonzero(~np.isnan(normaliser)),
                    "silent_repeats": float(of["silent_repeats"].where(of["normaliser"].notnull()).mean()),
                    "normaliser": np.nanmedian(normaliser),
                    "tuned": np.count_nonzero(p < alpha),
                    "tuned_holm": np.count_nonzero(holm(p) < alpha),
                    "tuned_bh": np.count_nonzero(benjamini_hochberg(p) < alpha),
                    "tuned_published": np.count_nonzero(holm(published) < alpha),
                    "highly_tuned": np.count_nonzero(
                        highly_tuned(normaliser, of["null_mean"].values, of["null_std"].values, delta)
                    ),
                }
            )
    columns = ["stimuli", "bin_width", "n", "silent_repeats", "normaliser"]
    counted = ["tuned", "tuned_holm", "tuned_bh", "tuned_published", "highly_tuned"]
    return pd.DataFrame(rows, columns=[*columns, *counted])
