"""Fits on low-passed features as ``open_lowpass`` returns them, of simulated results."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import simulate_results

BINS = (20, 40, 100, 400)
"""Milliseconds: 25, 12.5, 5 and 1.25 Hz."""
BEST = {"whisper_tiny": 40, "deepspeech2": 20}
"""At which units are predicted best; for the first, the next finer bins are as good."""


def low_passed(**simulated) -> xr.Dataset:
    """Fits of two networks on two layers each, the higher one better."""
    settings = {"stimuli": ("timit",), "sessions": 18, "channels": 40, "preference": 0.0, "seed": 1, **simulated}
    ds = simulate_results(list(BEST), **settings)
    ds = ds.sel(network=list(BEST), weights=["trained"], layer=[1, 2]).assign_coords(bin_width=[20.0])
    ds = ds.drop_vars(["layer_name", "layer_type"])
    rng = np.random.default_rng(1)
    of_network = xr.DataArray([list(BEST.values())], dims=("one", "network")).squeeze("one")
    found = []
    for width in BINS:
        worse = xr.where(width > of_network, np.log(width / of_network), 0.0) * 0.15
        worse = worse + xr.where((of_network == 20) & (width == 40), 0.1, 0.0) + 0.02 * (ds.layer == 1)
        noise = ds.rho.copy(data=rng.normal(0, 0.01, ds.rho.shape))
        # The same units without noise of their own at the two finest, where one is as good as the other.
        as_good = xr.where((of_network == 40) & (width == 20), 0.0002, 0.0)
        rho = ds.rho - worse + noise - as_good
        score = rho - noise
        found.append(ds[["r", "rho"]].assign(rho=rho, r=rho * np.sqrt(ds.normaliser), cv_score=score))
    merged = xr.concat(found, xr.DataArray(list(BINS), dims="lowpass_bin", name="lowpass_bin"))
    return merged.assign(ds[["normaliser", "null_mean", "null_std"]].data_vars).transpose(..., "unit")
