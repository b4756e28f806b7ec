"""The folder of a study that has everything that figures are drawn from, of simulated results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names, simulate_results
from distributed_trf.figures.spectrogram_boxes import PUBLISHED
from distributed_trf.store.analyses import allocate_analysis
from distributed_trf.store.result_allocation import allocate_result_arrays, record_digests
from distributed_trf.store.result_grid import Grid
from distributed_trf.store.results import write_reliability
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import open_group
from tests.figures.low_passed import low_passed
from tests.figures.shared_variance import partitioned, together

NETWORKS = ("whisper_tiny", "wav2vec2", "w2v2_audioset", "cochresnet50")
SIZE = {"sessions": 4, "channels": 50}
UNITS = ("session", "channel", "area", "subject", "x", "y")


def write_results(root: Path, ds: xr.Dataset) -> StudyStore:
    """Write results as a study does."""
    layers = {
        str(network): {
            str(layer): (str(ds.layer_name.sel(network=network, layer=layer).item()), str(kind))
            for layer, kind in zip(ds.layer.values, ds.layer_type.sel(network=network).values, strict=True)
            if kind
        }
        for network in ds.network.values
    }
    grid = Grid(
        axes={dim: tuple(ds[dim].values.tolist()) for dim in names.GRID},
        units={name: tuple(ds[name].values.tolist()) for name in UNITS},
        layers=layers,
    )
    store = StudyStore.create(root)
    allocate_result_arrays(
        store.results, grid, [], {"study": {"name": "whole", "recordings": {"format": "ucsf", "path": "recordings"}}}
    )
    group = open_group(store.results, mode="r+")
    for name in [name for name in names.RESULTS if name in ds]:
        group[name][...] = ds[name].transpose(*names.RESULT_DIMS).values
    for stimuli in ds.stimuli.values:
        for bin_width in ds.bin_width.values:
            of = ds.sel(stimuli=stimuli, bin_width=bin_width)
            values = {name: of[name].values for name in names.RELIABILITY if name in ds}
            write_reliability(store.results, str(stimuli), float(bin_width), values)
    record_digests(store.results)
    return store


def write_whole_study(root: Path) -> Path:
    """Write fits, fits on low-passed features fits of all layers as one model and a partition; return the folder."""
    ds = simulate_results(
        NETWORKS,
        spectrograms=PUBLISHED,
        weights=("trained", "reset", "permuted"),
        better={network: [1, 2, 3] for network in NETWORKS},
        depth=(0.2, 0.6),
        **SIZE,
    )
    store = write_results(root, ds)
    lowpass = low_passed(**SIZE).sel(network=["whisper_tiny"], layer=[2]).assign_coords(bin_width=[50.0])
    for width in lowpass.lowpass_bin.values:
        of = lowpass[["r"]].sel(lowpass_bin=[width])
        _write(store, f"lowpass-{width}", of.assign_coords(unit=np.arange(of.sizes["unit"])))
    shares = together(("whisper_tiny",), **SIZE)[["r", "share"]].drop_vars(["layer_name", "layer_type"])
    for weights in ("trained", "reset"):
        of = shares.sel(weights=[weights]).dropna("layer", how="all", subset=["share"])
        _write(store, f"together-{weights}", of.assign_coords(unit=np.arange(of.sizes["unit"])))
    parts = partitioned(**SIZE)[["r2", "r", "unique", "shared", "product"]]
    _write(store, "partition-parts", parts.assign_coords(unit=np.arange(parts.sizes["unit"])))
    return store.root


def _write(store: StudyStore, key: str, ds: xr.Dataset) -> None:
    """Write an analysis of one place."""
    place = {dim: ds[dim].values.item() for dim in ds.r.dims if dim not in (names.UNIT, names.SUBSET)}
    allocate_analysis(store, key, ds.isel(dict.fromkeys(place, 0), drop=True), place)
