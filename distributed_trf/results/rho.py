"""The normalised test correlation, from r and what the units' own repeatability allows."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf import names


def with_rho(ds: xr.Dataset) -> xr.Dataset:
    """Add ``rho = r / sqrt(normaliser)``, NaN where the normaliser is not positive; lazy where ``ds`` is.

    Parameters
    ----------
    ds
        With ``r`` and ``normaliser`` over the same units.
    """
    rho = ds["r"] / np.sqrt(ds["normaliser"].where(ds["normaliser"] > 0))
    return ds.assign(rho=rho.transpose(*ds["r"].dims).assign_attrs(names.RHO.attrs))
