"""Along the layers of a network: how well each predicts, which predicts best, and which each unit prefers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DataError

SPECTROGRAM = "spectrogram"
"""The ``layer_type`` of what is no network."""
CHOOSER = "cv_score"
"""The number that chooses among layers unless another is named: that of held-out folds of the training stimuli."""


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
        where nothing was fitted; ``attrs["note"]`` says so where it is so of all.
    """
    of = unit_values(ds, variable)
    values = of.values
    q25, median, q75, maximum = quantiles(values, [0.25, 0.5, 0.75, 1.0])
    found = {"median": median, "q25": q25, "q75": q75, "maximum": maximum, "n": (~np.isnan(values)).sum(axis=-1)}
    dims = of.dims[:-1]
    attrs = {"variable": variable, "units": of.attrs.get("units", "1"), "note": nothing_known(of)}
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


def best_layer(ds: xr.Dataset, variable: str = "rho", by: str = CHOOSER) -> xr.Dataset:
    """Find the layer of each network whose median of one number over units is highest, and report another there.

    Parameters
    ----------
    ds, variable
        As of ``layer_profile``.
    by
        The number that chooses. By default the score of the folds of the training stimuli: test responses then have no
        say in which layer is best, and what is reported there is as good as that of any layer named beforehand. In a
        study with folds, splits or groups the training stimuli of one split are tested in another, so that a part of
        the optimism stays. Published: ``by="rho"``, the highest of many noisy medians, which is higher than the same
        layer would reach with new responses.

    Returns
    -------
    xarray.Dataset
        ``best_layer``, its number (the first of equals; of units that have both numbers); ``median`` over units of
        ``variable`` there; ``maximum``, the highest ``variable`` of any unit in any layer, and ``maximum_layer``, where
        that is. Over the dimensions of a fit but for layers, NaN where nothing was fitted or ``by`` is not known.
        ``attrs["by"]`` is the number that chose, ``attrs["note"]`` says of what it is not known.

    Raises
    ------
    DataError
        If no fit has the number that chooses, or there is one layer only.
    """
    profile, scores = layer_profile(ds, variable), choosing_values(ds, variable, by)
    bare = profile.reset_coords(drop=True)
    median = bare["median"].copy(data=quantiles(scores.values, [0.5])[0])
    _, label, index = _highest(median, names.LAYER)
    found = {"best_layer": label, "median": _at(bare["median"], index)}
    found["maximum"], found["maximum_layer"], _ = _highest(bare["maximum"], names.LAYER)
    best = xr.Dataset(found, attrs=profile.attrs | {"by": by, "note": _unknown(unit_values(ds, variable), scores, by)})
    best["median"].attrs = profile["median"].attrs
    best["best_layer"].attrs = {"long_name": f"layer whose median {by} over units is highest", "units": "1"}
    return best.assign_coords({n: c for n, c in profile.coords.items() if names.LAYER not in c.dims})


def peak_layer(ds: xr.Dataset, variable: str = "rho", by: str = CHOOSER) -> xr.Dataset:
    """Find the layer of each network that predicts each unit best.

    Parameters
    ----------
    ds, variable
        As of ``layer_profile``.
    by
        The number of the unit that chooses, as of ``best_layer``. Published: ``by="rho"``.

    Returns
    -------
    xarray.Dataset
        Over the dimensions of a fit but for layers, and unit: ``peak_layer``, the number of the layer (the first of
        equals; of layers where the unit has both numbers); ``peak``, the ``variable`` that it reaches there;
        ``position``, how many of the network's layers come before it over how many there are (Ahmed et al. 2025,
        Fig 5). NaN for a unit without a number; where there is one layer only, such as of spectrograms, no unit has a
        position. ``attrs["by"]`` is the number that chose, ``attrs["note"]`` says of what it is not known.

    Raises
    ------
    DataError
        If no fit has the number that chooses, or there is one layer only.
    """
    of, scores = unit_values(ds, variable), choosing_values(ds, variable, by)
    bare = of.reset_coords(drop=True)
    _, layer, index = _highest(scores.reset_coords(drop=True), names.LAYER)
    peak, fitted = _at(bare, index), bare.notnull().any(names.UNIT)
    before = _at(fitted.cumsum(names.LAYER) - 1, index)
    n_layers = fitted.sum(names.LAYER)
    position = (before / n_layers).where(peak.notnull() & (n_layers > 1))
    found = xr.Dataset({"peak_layer": layer, "peak": peak, "position": position})
    found["peak_layer"].attrs = {"long_name": f"layer of the unit's highest {by}", "units": "1"}
    found["peak"].attrs = of.attrs
    found["position"].attrs = {"long_name": "part of the layers that come before it", "units": "1"}
    coords = {n: c for n, c in of.coords.items() if names.LAYER not in c.dims}
    note = _unknown(of, scores, by)
    return found.transpose(..., names.UNIT).assign_coords(coords).assign_attrs(variable=variable, by=by, note=note)


def choosing_values(ds: xr.Dataset, variable: str, by: str = CHOOSER) -> xr.DataArray:
    """Return the numbers by which a layer is chosen, units last; NaN where ``variable``, the one to report, is NaN.

    Raises
    ------
    DataError
        If fits have the number to report but none has the one that chooses.
    """
    reported = unit_values(ds, variable)
    scores = unit_values(ds, by).where(reported.notnull()) if by in ds else None
    if scores is None or (reported.notnull().any() and not scores.notnull().any()):
        raise DataError(
            f"no fit in these results has a {by}, which is to choose the layer; results of a study have cv_score, "
            f"imported tables have not: choose by another number, such as by={variable!r}, and say that the {variable} "
            "of a layer that it chose itself is too high"
        )
    return scores.transpose(*reported.dims)


def usual_chooser(ds: xr.Dataset, variable: str) -> tuple[str, str]:
    """Return the number that chooses layers in figures and reports: ``cv_score`` if every network has it.

    Returns
    -------
    by, note
        Otherwise ``by`` is the number that is shown, and the note says why; else it is empty.
    """
    reported = unit_values(ds, variable).notnull()
    scores = unit_values(ds, CHOOSER).notnull() if CHOOSER in ds else xr.zeros_like(reported)
    within = [dim for dim in (names.LAYER, names.UNIT) if dim in reported.dims]
    without = reported.any(within) & ~(reported & scores).any(within)
    if CHOOSER in ds and not without.any():
        return CHOOSER, ""
    lacking = _networks(without) if scores.any() else ""
    return (
        variable,
        f"no {CHOOSER}{lacking} in these results: the {variable} that is shown chose the layers, and is too high",
    )


def nothing_known(of: xr.DataArray) -> str:
    """Say why there is no number at all; empty if there is any."""
    if not of.sizes[names.UNIT]:
        return "there are no units"
    return "" if of.notnull().any() else f"no unit has a {of.name}"


def _unknown(reported: xr.DataArray, scores: xr.DataArray, by: str) -> str:
    """Name the networks of which some fit has the number to report and none the one that chooses.

    If there is nothing to report, say why.
    """
    if nothing := nothing_known(reported):
        return nothing
    within = [dim for dim in reported.dims if dim != names.NETWORK]
    lacking = _networks(reported.notnull().any(within) & ~scores.notnull().any(within))
    return f"no {by}{lacking}" if lacking else ""


def _networks(which: xr.DataArray) -> str:
    """Name the networks for which something holds anywhere; empty if there is none, or one only in these results."""
    if names.NETWORK not in which.dims:
        return ""
    found = which[names.NETWORK].values[which.any([dim for dim in which.dims if dim != names.NETWORK]).values]
    return f" of {', '.join(map(str, found))}" if found.size else ""


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


def _at(of: xr.DataArray, index: xr.DataArray) -> xr.DataArray:
    """Return the values at an index of layers, NaN where that is NaN."""
    return of.isel({names.LAYER: index.fillna(0).astype(int)}).drop_vars(names.LAYER).where(index.notnull())


def unit_values(ds: xr.Dataset, variable: str) -> xr.DataArray:
    """Return a variable with units last, in memory.

    Raises
    ------
    DataError
        If the dataset has no such variable of units, or is none.
    """
    if not isinstance(ds, xr.Dataset):
        raise DataError(
            f"expected a dataset, found {type(ds).__name__}; keep variables as one, such as ds[[{variable!r}]]"
        )
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
