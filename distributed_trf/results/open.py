"""Everything that was fitted, as one labelled dataset."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.results.attributes import portable
from distributed_trf.results.rho import with_rho
from distributed_trf.store.results import has_results, open_grid
from distributed_trf.store.study_store import StudyStore


def open_results(path: str | Path) -> xr.Dataset:
    """Open the results of a study, lazily.

    Parameters
    ----------
    path
        The study's output folder.

    Returns
    -------
    xarray.Dataset
        ``r``, ``alpha`` and ``cv_score`` over (stimuli, network, weights, layer, bin_width, unit), NaN where a
        combination does not exist or is not fitted yet; ``normaliser``, ``null_mean``, ``null_std``, ``tuned_p``,
        ``ceiling_*`` and other measures of reliability over (stimuli, bin_width, unit), each with a ``comment``;
        ``rho = r / sqrt(normaliser)``, as a dask array. Coordinates ``session``, ``channel``, ``area``, ``subject``,
        ``x``, ``y`` along unit, and ``layer_name``, ``layer_type`` along (network, layer); settings, versions and
        method in ``attrs``, as text or, where they are mappings, as JSON. It can be written as netCDF and zarr.

    Raises
    ------
    StoreError
        If there is no study, or it has no results yet.
    DamagedError
        If a file of them is not what was written; all are read once now, and checked again when they are read later.

    Examples
    --------
    >>> ds = open_results("quickstart/study")  # doctest: +SKIP
    >>> ds.r.sel(network="whisper_tiny", weights="reset").median("unit")  # doctest: +SKIP
    """
    store = StudyStore.open(Path(path))
    if not has_results(store):
        raise StoreError(f"{store.root}: no results yet; run the study first: dtrf run STUDY")
    ds = open_grid(store.results)
    # A task for each network, not for each of thousands of fits: it is overhead that takes time.
    lazy = open_grid(store.results, chunks={names.WEIGHTS: -1, names.LAYER: -1, names.BIN_WIDTH: -1})
    return portable(ds.assign(rho=with_rho(lazy)["rho"]))
