"""Results that were drawn by ``simulate_results``, in a folder, as imported ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.store.result_allocation import allocate_result_arrays, record_digests
from distributed_trf.store.result_grid import Grid
from distributed_trf.store.results import write_fit, write_reliability
from distributed_trf.store.study_store import StudyStore


def store_results(ds: xr.Dataset, root: Path, attrs: dict) -> Path:
    """Write every fit and reliability of a dataset; return the folder."""
    store = StudyStore.create(root)
    allocate_result_arrays(store.results, _grid(ds), [], attrs)
    stored = [name for name in names.RESULTS if name in ds]
    fits = ds[stored].load().stack(fit=names.GRID, create_index=False).transpose("fit", names.UNIT)
    for k in np.flatnonzero(fits["r"].notnull().any(names.UNIT)):
        of = fits.isel(fit=k)
        place = tuple(of[dim].item() for dim in names.GRID)
        write_fit(store.results, place, {name: of[name].values for name in stored})
    for stimuli in ds[names.STIMULI].values:
        for bin_width in ds[names.BIN_WIDTH].values:
            of = ds.sel({names.STIMULI: stimuli, names.BIN_WIDTH: bin_width})
            measured = {name: of[name].values for name in names.RELIABILITY if name in ds}
            write_reliability(store.results, str(stimuli), float(bin_width), measured)
    record_digests(store.results)
    return store.root


def _grid(ds: xr.Dataset) -> Grid:
    layers = {
        str(n): {
            str(layer): (str(ds["layer_name"].sel(network=n, layer=layer).item()), str(kind))
            for layer in ds[names.LAYER].values
            if (kind := ds["layer_type"].sel(network=n, layer=layer).item())
        }
        for n in ds[names.NETWORK].values
    }
    columns = ("session", "channel", "area", "subject", "x", "y")
    return Grid(
        axes={dim: tuple(ds[dim].values.tolist()) for dim in names.GRID},
        units={name: tuple(ds[name].values.tolist()) for name in columns},
        layers=layers,
    )
