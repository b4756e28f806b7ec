"""Networks that were drawn several times, as one."""

from __future__ import annotations

import xarray as xr

from distributed_trf import names
from distributed_trf.config.weights import SEEDED, kind_of


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
        same seeds; ``n_seeds`` (over the dimensions of a fit) counts those. ``alpha``, of which a mean says nothing, is
        left out.
    """
    kinds = [kind_of(w) if kind_of(w) in SEEDED else w for w in ds[names.WEIGHTS].values]
    numbers = ds[[name for name in ds.data_vars if names.WEIGHTS in ds[name].dims and name != "alpha"]]
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
    return ds.drop_dims(names.WEIGHTS).assign(found.transpose(*ds["r"].dims))
