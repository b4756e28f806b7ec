"""Along the layers of a network: how well each predicts, which predicts best, and which each unit prefers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError

SPECTROGRAM = "spectrogram"
"""The ``layer_type`` of what is no network."""


def layer_profile(ds: xr.Dataset, variable: str = "rho") -> xr.Dataset:
    """Summarise over units how well every layer predicts them.

    Parameters
    ----------
    ds
        Results of ``open_results``, of all units or of those of ``select_units``.
    variable
        ``rho``, ``r`` or another that has a value per fit and unit.

    Returns
    -------
    xarray.Dataset
        ``median``, ``q25``, ``q75``, ``maximum`` and ``n`` (units that have a number) over the dimensions of a fit; NaN
        where nothing was fitted.
    """
    of = unit_values(ds, variable)
    values = of.values
    q25, median, q75, maximum = quantiles(values, [0.25, 0.5, 0.75, 1.0])
    found = {"median": median, "q25": q25, "q75": q75, "maximum": maximum, "n": (~np.isnan(values)).sum(axis=-1)}
    dims = of.dims[:-1]
    attrs = {"variable": variable, "units": of.attrs.get("units", "1")}
    profile = xr.Dataset({name: (dims, numbers) for name, numbers in found.items()}, _without_units(of), attrs)
    for name, words in (
        ("median", "median"),
        ("q25", "lower quartile"),
        ("q75", "upper quartile"),
        ("maximum", "maximum"),
    ):
        profile[name].attrs = {
            "long_name": f"{words} over units of {of.attrs.get('long_name', variable)}",
            "units": "1",
        }
    profile["n"].attrs = {"long_name": "units that have a number", "units": "1"}
    return profile


def best_layer(ds: xr.Dataset, variable: str = "rho") -> xr.Dataset:
    """Find the layer of each network whose median over units is highest.

    Parameters
    ----------
    ds, variable
        As of ``layer_profile``.

    Returns
    -------
    xarray.Dataset
        ``best_layer`` (its number; the first of equals) and its ``median`` over units; ``maximum``, the highest of any
        unit in any layer, and ``maximum_layer``, where that is. Over the dimensions of a fit but for layers, NaN where
        nothing was fitted.
    """
    profile = layer_profile(ds, variable)
    found = {}
    for name, label in (("median", "best_layer"), ("maximum", "maximum_layer")):
        found[name], found[label], _ = _highest(profile[name], names.LAYER)
    best = xr.Dataset(found, attrs=profile.attrs)
    return best.assign_coords({n: c for n, c in profile.coords.items() if names.LAYER not in c.dims})


def peak_layer(ds: xr.Dataset, variable: str = "rho") -> xr.Dataset:
    """Find the layer of each network that predicts each unit best.

    Parameters
    ----------
    ds, variable
        As of ``layer_profile``.

    Returns
    -------
    xarray.Dataset
        Over the dimensions of a fit but for layers, and unit: ``peak_layer``, the number of the layer (the first of
        equals); ``peak``, what it reaches there; ``position``, how many of the network's layers come before it over how
        many there are (Ahmed et al. 2025, Fig 5). NaN for a unit without a number; where there is one layer only, such
        as of spectrograms, no unit has a position.
    """
    of = unit_values(ds, variable)
    peak, layer, index = _highest(of, names.LAYER)
    fitted = of.notnull().any(names.UNIT)
    before = (fitted.cumsum(names.LAYER) - 1).isel({names.LAYER: index.fillna(0).astype(int)})
    n_layers = fitted.sum(names.LAYER)
    position = (before / n_layers).where(peak.notnull() & (n_layers > 1))
    found = xr.Dataset({"peak_layer": layer, "peak": peak, "position": position})
    found["peak_layer"].attrs = {"long_name": "layer that predicts the unit best", "units": "1"}
    found["peak"].attrs = of.attrs
    found["position"].attrs = {"long_name": "part of the layers that come before it", "units": "1"}
    coords = {n: c for n, c in of.coords.items() if names.LAYER not in c.dims}
    return found.transpose(..., names.UNIT).assign_coords(coords).assign_attrs(variable=variable)


def spectrograms(ds: xr.Dataset) -> list[str]:
    """List the networks of a dataset that are spectrograms."""
    types = ds["layer_type"]
    of = (types == SPECTROGRAM).any([dim for dim in types.dims if dim != names.NETWORK])
    return [str(n) for n in np.atleast_1d(ds[names.NETWORK].values)[np.atleast_1d(of.values)]]


def _highest(of: xr.DataArray, dim: str) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return the highest value along a dimension, its label and its index; NaN where there is none."""
    if dim not in of.dims:
        raise DataError(f"these results have one {dim} only; the best of several is needed, so do not select one")
    index = of.fillna(-np.inf).argmax(dim)
    known = of.notnull().any(dim)
    return of.max(dim), of[dim].isel({dim: index}).drop_vars(dim).where(known), index.where(known)


def unit_values(ds: xr.Dataset, variable: str) -> xr.DataArray:
    """Return a variable with units last, in memory.

    Raises
    ------
    DataError
        If the dataset has no such variable of units.
    """
    if variable not in ds or names.UNIT not in ds[variable].dims:
        there = ", ".join(str(name) for name, v in ds.data_vars.items() if names.UNIT in v.dims)
        raise DataError(f"{variable!r} is no variable of units in this dataset, which has {there or 'none'}")
    return ds[variable].load().transpose(..., names.UNIT)  # loaded first, so that the dataset keeps it


def _without_units(of: xr.DataArray) -> dict[str, xr.DataArray]:
    return {str(name): coord for name, coord in of.coords.items() if names.UNIT not in coord.dims}


def quantiles(values: np.ndarray, q: Sequence[float | np.ndarray]) -> np.ndarray:
    """Return quantiles along the last axis by linear interpolation, NaN left out.

    ``numpy.nanquantile`` gives the same, a row at a time and with warnings where all are NaN.

    Parameters
    ----------
    values
        Shape (..., n).
    q
        Between 0 and 1, for all rows or an array of shape (...) of one for each.

    Returns
    -------
    np.ndarray of shape (len(q), ...)
        NaN where all are NaN.
    """
    if not values.shape[-1]:
        return np.full((len(q), *values.shape[:-1]), np.nan)
    ascending = np.sort(values, axis=-1)  # NaN last
    last = np.maximum(np.count_nonzero(~np.isnan(values), axis=-1) - 1, 0)
    found = []
    for fraction in q:
        position = fraction * last
        below = np.floor(position).astype(int)
        low, high = (
            np.take_along_axis(ascending, at[..., None], axis=-1)[..., 0] for at in (below, np.minimum(below + 1, last))
        )
        found.append(low + (position - below) * (high - low))
    return np.stack(found)
