"""Fits of several feature spaces as ``open_together`` and ``open_partition`` return them, of simulated results."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import simulate_results
from distributed_trf.trf.partition import all_subsets, parts_of_variance


def together(networks=("whisper_tiny", "deepspeech2"), **simulated) -> xr.Dataset:
    """Fits of all layers of each network, of which the third has most of the variance."""
    settings = {"stimuli": ("timit",), "sessions": 6, "channels": 25, **simulated}
    ds = simulate_results(list(networks), spectrograms=(), **settings)
    rng = np.random.default_rng(2)
    parts = ds.r.copy(data=rng.gamma(2.0, size=ds.r.shape)).where(ds.r.notnull()) * xr.where(ds.layer == 2, 4, 1)
    share = parts / parts.sum("layer")
    best = ds[["r", "rho"]].max("layer", keep_attrs=True)
    return best.assign(share=share, **ds[["normaliser", "null_mean", "null_std"]].data_vars)


def partitioned(labels=("mel", "phonemes", "network"), name="parts", **simulated) -> xr.Dataset:
    """A partition whose parts are known but for noise: each space 0.04, each pair 0.02, each larger set 0.01."""
    settings = {"stimuli": ("timit",), "sessions": 6, "channels": 25, "spectrograms": (), **simulated}
    ds = simulate_results(["whisper_tiny"], **settings)
    ds = ds.isel(layer=0, network=0, drop=True).sel(weights="trained", drop=True)
    parts, rng = all_subsets(len(labels)), np.random.default_rng(3)
    planted = np.array([{1: 0.04, 2: 0.02}.get(len(part), 0.01) for part in parts])
    shape = (*ds.r.shape[:-1], len(parts), ds.sizes["unit"])
    variance = planted[:, None] + 0.01 * rng.normal(size=shape)
    sums = np.array([[bool(set(p) & set(s)) for p in parts] for s in parts], dtype=float)
    r2 = (sums @ variance).reshape(-1, *shape[-2:])
    found = np.stack([parts_of_variance(of, parts, len(labels)) for of in r2]).reshape(shape)
    names = np.array(["+".join(labels[k] for k in part) for part in parts], dtype=object)
    dims = [*ds.r.dims[:-1], "subset", "unit"]
    out = xr.Dataset({"r2": (dims, r2.reshape(shape))}, coords=ds.coords | {"subset": names})
    parts_of = out.r2.copy(data=found)
    single = xr.DataArray([len(part) == 1 for part in parts], dims="subset")
    out["unique"], out["shared"] = parts_of.where(single), parts_of.where(~single)
    out["product"] = out.unique + 0.02
    out["r"] = np.sqrt(out.r2.clip(0, 1))
    out["rho"] = out.r / np.sqrt(ds.normaliser)
    return out.expand_dims(partition=[name]).assign(ds[["normaliser", "null_mean", "null_std"]].data_vars)
