"""Banded fits as ``open_together`` returns them, of simulated results."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import simulate_results


def together(networks=("whisper_tiny", "deepspeech2"), **simulated) -> xr.Dataset:
    """Fits of all layers of each network, of which the third has most of the variance."""
    settings = {"stimuli": ("timit",), "sessions": 6, "channels": 25, **simulated}
    ds = simulate_results(list(networks), spectrograms=(), **settings)
    rng = np.random.default_rng(2)
    parts = ds.r.copy(data=rng.gamma(2.0, size=ds.r.shape)).where(ds.r.notnull()) * xr.where(ds.layer == 2, 4, 1)
    share = parts / parts.sum("layer")
    best = ds[["r", "rho"]].max("layer", keep_attrs=True)
    return best.assign(share=share, **ds[["normaliser", "null_mean", "null_std"]].data_vars)
