"""Results of several studies as one dataset, where their settings agree.

Also the mean over seeds of networks whose weights were drawn several times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import SEEDED, kind_of
from distributed_trf.errors import DataError
from distributed_trf.results.open_results import portable, study_of, unpacked, with_rho
from distributed_trf.results.units import unit_keys
from distributed_trf.store.results import EVALUATION_TABLES_ATTR

MUST_AGREE = {
    "delay": None,
    "feature_window": None,
    "training": None,
    "lags": None,
    "ridge": ("alphas", "n_folds", "seed", "standardize", "scaling", "folds", "precision"),
    "reliability": ("draws", "null_shift", "shifts", "splits", "seed"),
    "test": ("set", "folds", "leave_out"),
    EVALUATION_TABLES_ATTR: None,
}
"""Settings of a study that decide what its numbers mean; of some only these fields."""
NOT_AVERAGED = ("alpha", names.FOLD_ALPHA, "r_p", "r2_er_low", "r2_er_high")
UNSAID = {"training": "first", "test": {"set": "test"}}
"""What holds of results made before there was such a setting."""


def combine_results(*datasets: xr.Dataset) -> xr.Dataset:
    """Put results of several studies of the same recordings side by side.

    Parameters
    ----------
    *datasets
        Results of ``open_results``, of all units; of other networks, weights, layers, stimulus sets, bin widths or
        sessions.

    Returns
    -------
    xarray.Dataset
        Labels of all along every dimension, NaN for combinations that none has; units by (session, channel), those of
        the first before new ones of the second. ``attrs["studies"]`` lists what each was made with, as JSON.

    Raises
    ------
    DataError
        If lags, delay, trials, folds, penalties or the measure of reliability differ, or if two have other numbers for
        the same fit or the same unit's reliability, as they would of other recordings; the first such setting or fit
        is named.

    Notes
    -----
    How work was done (solver, blocks of units, batches) may differ, since it changes no number that counts.
    """
    if not datasets:
        raise DataError("there are no results to combine; give at least one dataset of open_results")
    settings = [_settings(ds) for ds in datasets]
    for k, other in enumerate(settings[1:], start=2):
        _check_settings(settings[0], other, k)
    keys = unit_keys(datasets[0])
    for ds in datasets[1:]:
        keys = keys.append(unit_keys(ds).difference(keys, sort=False))
    axes = {dim: _labels(datasets, dim) for dim in names.GRID}
    if all(names.SPLIT in ds.dims for ds in datasets):
        axes[names.SPLIT] = _labels(datasets, names.SPLIT)
    whole = [_spread(ds, keys, axes) for ds in datasets]
    combined = whole[0]
    for k, ds in enumerate(whole[1:], start=2):
        for name in combined.variables:
            if name in ds.variables and name not in combined.dims:
                _check_equal(str(name), combined[name], ds[name], k)
        combined = combined.combine_first(ds)
    combined = combined.assign({name: combined[name].fillna("") for name in _texts(combined)})
    combined = combined.set_coords([name for name in (*names.COORDS, *names.UNIT_COORDS) if name in combined])
    studies = [unpacked(ds.attrs) for ds in datasets]
    return portable(with_rho(combined).assign_attrs(studies=studies, method=datasets[0].attrs.get("method", "")))


def _settings(ds: xr.Dataset) -> dict[str, Any]:
    study = study_of(ds)
    if study is None:
        raise DataError(
            "one of the datasets does not say which study made it (attrs['study']), so it is not known whether it may "
            "be combined with the others; take datasets of open_results, and compare(a, b) for others"
        )
    test = study.get("test") or {}
    by_table = test.get("splits") or test.get("table")
    return study | {EVALUATION_TABLES_ATTR: unpacked(ds.attrs).get(EVALUATION_TABLES_ATTR, {}) if by_table else {}}


def _check_settings(first: dict[str, Any], other: dict[str, Any], k: int) -> None:
    for field, parts in MUST_AGREE.items():
        a, b = (of.get(field, UNSAID.get(field)) for of in (first, other))
        if field == "reliability" and (a is None or b is None):
            continue
        if parts is not None:
            a, b = ({part: of.get(part) for part in parts} for of in (a or {}, b or {}))
        if field == EVALUATION_TABLES_ATTR:  # of stimulus sets that both have
            a, b = ({name: of[name] for name in (a or {}).keys() & (b or {}).keys()} for of in (a or {}, b or {}))
        if a != b:
            raise DataError(f"{field} is {a} in the first study and {b} in study {k}; they must agree to be combined")


def _labels(datasets: tuple[xr.Dataset, ...], dim: str) -> list[Any]:
    labels = list(dict.fromkeys(label for ds in datasets for label in ds[dim].values.tolist()))
    return sorted(labels) if dim in (names.LAYER, names.BIN_WIDTH) else labels


def _spread(ds: xr.Dataset, keys: Any, axes: dict[str, list[Any]]) -> xr.Dataset:
    """Put a dataset onto the axes of all; NaN, or an empty label, where it has nothing."""
    there = unit_keys(ds).get_indexer(keys)
    variables = (*names.RESULTS, *names.SPLIT_RESULTS, *names.RELIABILITY)
    ds = ds[[name for name in variables if name in ds]].compute().reset_coords()
    # An empty label says nothing, so it may give way to that of another study.
    ds = ds.assign({name: ds[name].astype(object).where(ds[name] != "") for name in _texts(ds)})
    ds = ds.assign_coords({names.UNIT: np.arange(ds.sizes[names.UNIT])})
    ds = ds.reindex({names.UNIT: there}).drop_vars(names.UNIT).reindex(axes)  # -1 is no unit's number
    return ds.assign({name: (names.UNIT, keys.get_level_values(name), ds[name].attrs) for name in keys.names})


def _texts(ds: xr.Dataset) -> list[str]:
    return [str(name) for name, v in ds.data_vars.items() if v.dtype.kind not in "fiub"]


def _check_equal(name: str, a: xr.DataArray, b: xr.DataArray, k: int) -> None:
    """Make sure that two arrays on the same axes agree where both have something."""
    differ = a.notnull() & b.notnull() & (a != b)
    if differ.any():
        at = {dim: int(i[0]) for dim, i in zip(differ.dims, np.nonzero(differ.values), strict=True)}
        labels = [f"{dim} {a[dim].values[i]}" if dim in a.coords else f"{dim} {i}" for dim, i in at.items()]
        raise DataError(
            f"{name} is {a.isel(at).item()!r} in the first study and {b.isel(at).item()!r} in study {k} at "
            f"{', '.join(labels)}; results of other recordings or settings cannot be combined, only compared"
        )


def average_seeds(ds: xr.Dataset) -> xr.Dataset:
    """Average what each unit reaches over the seeds of each kind of weights, such as ``reset`` and ``reset-1``.

    Parameters
    ----------
    ds
        Results of ``open_results``.

    Returns
    -------
    xarray.Dataset
        As ``ds``, with kinds along weights in the order of their first seed; ``trained``, ``fixed`` and each factor of
        ``scaled`` stay as they are. ``r``, ``cv_score`` and ``rho`` are means over the seeds of which a fit has a
        number for any unit, and NaN for a unit that lacks one in one of them, so that all units of a fit average the
        same seeds; ``n_seeds`` (over the dimensions of a fit) counts those. ``alpha``, ``fold_alpha``, ``r_p`` and
        the limits of ``r2_er``, of which a mean says nothing, are left out.

    Raises
    ------
    DataError
        If one kind of weights was selected before.
    """
    if names.WEIGHTS not in ds.dims:
        raise DataError("one kind of weights was selected from these results; average seeds before you select one")
    kinds = [kind_of(w) if kind_of(w) in SEEDED else w for w in ds[names.WEIGHTS].values]
    numbers = ds[[name for name in ds.data_vars if names.WEIGHTS in ds[name].dims and name not in NOT_AVERAGED]]
    fitted = ds["r"].notnull().any(names.UNIT)
    averaged = []
    for kind in dict.fromkeys(kinds):
        seeds = {names.WEIGHTS: [k for k, other in enumerate(kinds) if other == kind]}
        n_seeds = fitted.isel(seeds).sum(names.WEIGHTS)
        # A seed without a fit counts as zero; a unit that lacks a number in one of the others stays without.
        total = numbers.isel(seeds).where(fitted.isel(seeds), 0.0).sum(names.WEIGHTS, skipna=False)
        averaged.append((total / n_seeds.where(n_seeds > 0)).assign(n_seeds=n_seeds))
    weights = ds[names.WEIGHTS].isel({names.WEIGHTS: [kinds.index(kind) for kind in dict.fromkeys(kinds)]})
    found = xr.concat(averaged, weights.copy(data=list(dict.fromkeys(kinds))))
    found["n_seeds"].attrs = {"long_name": "seeds that a mean is over", "units": "1"}
    whole = ds[names.FOLD_R if names.FOLD_R in ds else "r"]
    return ds.drop_dims(names.WEIGHTS).assign(found.transpose(*whole.dims))
