"""Results small enough to summarise by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.store.result_allocation import allocate_result_arrays, record_digests
from distributed_trf.store.result_grid import Grid
from distributed_trf.store.results import write_fit, write_reliability
from distributed_trf.store.study_store import StudyStore

NAN = np.nan
FITS = {
    ("timit", "mel", "fixed", 0, 50.0): [0.1, 0.2, 0.4],
    ("timit", "net", "trained", 0, 50.0): [0.3, 0.1, 0.2],
    ("timit", "net", "trained", 2, 50.0): [0.6, NAN, 0.2],
    ("timit", "net", "trained", 2, 20.0): [0.5, 0.6, 0.7],
    ("timit", "net", "trained", 0, 20.0): [NAN, NAN, NAN],
    ("timit", "net", "reset", 0, 50.0): [0.0, 0.1, -0.1],
}
"""r of each unit of each fit."""
RELIABILITY = {
    "normaliser": [0.25, -0.01, 1.0],
    "silent_repeats": [0.5, 0.25, 0.0],
    "tuned_p": [0.001, 0.4, 0.02],
}
"""Of each unit, at 50 ms."""
GRID = Grid(
    axes={
        "stimuli": ("timit",),
        "network": ("mel", "net"),
        "weights": ("fixed", "reset", "trained"),
        "layer": (0, 2),
        "bin_width": (20.0, 50.0),
    },
    units={
        "session": ("s1", "s1", "s2"),
        "channel": ("1", "2", "1"),
        "area": ("core", "belt", "core"),
        "subject": ("A", "A", "B"),
        "x": (1.5, 0.0, None),
        "y": (2.0, 1.0, None),
    },
    layers={"mel": {"0": ("mel", "spectrogram")}, "net": {"0": ("conv1", "conv"), "2": ("block", "transformer")}},
)


def small_results() -> xr.Dataset:
    """The dataset, made without any store."""
    ds = GRID.coords()
    shape = (*(len(GRID.axes[dim]) for dim in names.GRID), 3)
    for name, variable in names.RESULTS.items():
        ds[name] = xr.DataArray(np.full(shape, np.nan), dims=names.RESULT_DIMS, attrs=variable.attrs)
    for place, values in FITS.items():
        where = dict(zip(names.GRID, place, strict=True))
        ds["r"].loc[where] = values
        ds["alpha"].loc[where] = np.where(np.isnan(values), np.nan, 10.0)
    for name, variable in names.RELIABILITY.items():
        ds[name] = xr.DataArray(np.full((1, 2, 3), np.nan), dims=names.RELIABILITY_DIMS, attrs=variable.attrs)
        ds[name].loc["timit", 50.0] = RELIABILITY.get(name, NAN)
    ds["rho"] = (ds.r / np.sqrt(ds.normaliser.where(ds.normaliser > 0))).assign_attrs(names.RHO.attrs)
    return ds


def write_small_study(root: Path) -> Path:
    """Write the fits as a study does; return its folder."""
    store = StudyStore.create(root)
    allocate_result_arrays(store.results, GRID, [], {"study": "small", "versions": {"numpy": "2"}})
    for place, values in FITS.items():
        r = np.array(values)
        fit = {"r": r, "alpha": np.where(np.isnan(r), np.nan, 10.0), "cv_score": np.full(3, np.nan)}
        write_fit(store.results, place, fit)
    write_reliability(store.results, "timit", 50.0, {name: np.array(values) for name, values in RELIABILITY.items()})
    record_digests(store.results)
    return store.root
