"""Analyses beside the grid of fits, opened as one labelled dataset each.

All but drawn normalisers also hold the reliability of the units (``normaliser`` and the like) and ``rho``, so that
``select_units`` chooses from them as from the results.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.results.rho import with_rho
from distributed_trf.store.analyses import open_analysis, unit_coords
from distributed_trf.store.results import session_units
from distributed_trf.store.study_store import StudyStore

DRAWN = "normaliser_drawn"
"""Variable of an assessment: the normaliser of drawn stimuli and repeats."""


def open_bootstraps(path: str | Path, of: str) -> xr.Dataset:
    """Open the bootstraps of a study.

    Parameters
    ----------
    path
        The study's output folder.
    of
        ``training``: fitted on drawn training stimuli; ``test``: tested on drawn test stimuli and repeats;
        ``normaliser``: of drawn test stimuli and repeats.

    Returns
    -------
    xarray.Dataset
        ``r`` over (stimuli, network, weights, layer, bin_width, training_percent, draw, unit), or (..., test_percent,
        n_repeats, draw, unit); NaN for sessions that were not asked for. The seed is in ``attrs``. Or ``normaliser``
        over (stimuli, bin_width, percent_duration, n_repeats, draw, unit); NaN for repeats that a session lacks.

    Raises
    ------
    StoreError
        If there are none.
    """
    if of == "normaliser":
        return _open_normalisers(Path(path))
    if of not in ("training", "test"):
        raise StoreError(f"of={of!r} must be 'training', 'test' or 'normaliser'")
    return _open(Path(path), f"bootstrap-{of}", "bootstraps")


def open_together(path: str | Path) -> xr.Dataset:
    """Open the fits of several layers as one model.

    Returns
    -------
    xarray.Dataset
        ``r``, ``alpha`` and ``cv_score`` over (stimuli, network, weights, bin_width, unit); ``share`` (of the explained
        variance of the test responses, product measure) and ``band_weight`` over layers as well, for banded ridge.

    Raises
    ------
    StoreError
        If there are none.
    """
    return _open(Path(path), "together", "together")


def open_lowpass(path: str | Path) -> xr.Dataset:
    """Open the fits on low-passed features.

    Returns
    -------
    xarray.Dataset
        ``r``, ``alpha`` and ``cv_score`` over (stimuli, network, weights, layer, bin_width, lowpass_bin, unit); the
        features went through bins of ``lowpass_bin`` milliseconds, and hold what is slower than ``500 / lowpass_bin``
        hertz.

    Raises
    ------
    StoreError
        If there are none.
    """
    return _open(Path(path), "lowpass", "lowpass")


def has_lowpass(path: str | Path) -> bool:
    """Tell whether fits on low-passed features are in store, for ``open_lowpass``."""
    return bool(_stored(StudyStore.open(Path(path)), "lowpass"))


def has_bootstraps(path: str | Path, of: str) -> bool:
    """Tell whether bootstraps ``of`` training or test stimuli are in store, for ``open_bootstraps``."""
    return bool(_stored(StudyStore.open(Path(path)), f"bootstrap-{of}"))


def _open_normalisers(path: Path) -> xr.Dataset:
    """Put the drawn normalisers of all sessions on the unit axis of the results."""
    store = StudyStore.open(path)
    places = session_units(store.results) if store.results.is_dir() else {}
    found = []
    for file in sorted((store.root / "reliability").glob("*/*/*.zarr")):
        ds = open_analysis(file)
        if DRAWN in ds and file.stem in places:
            units = range(places[file.stem].start, places[file.stem].stop)
            found.append(ds[[DRAWN]].squeeze("session", drop=True).assign_coords({names.UNIT: units}))
    if not found:
        raise StoreError(
            f"{store.root}: no normaliser was drawn; ask for it under `reliability: {{bootstrap: ...}}` in the study"
        )
    merged = xr.combine_by_coords(found, combine_attrs="drop_conflicts")
    assert isinstance(merged, xr.Dataset)
    labels = unit_coords(store.results).sel({names.UNIT: merged[names.UNIT]})
    return merged.rename({DRAWN: "normaliser"}).assign_coords(labels.coords)


def _open(path: Path, kind: str, field: str) -> xr.Dataset:
    """Put all analyses of a kind together, with the reliability of the units at their stimulus sets and bin widths."""
    store = StudyStore.open(path)
    found = _stored(store, kind)
    if not found:
        raise StoreError(f"{store.root}: no {kind} analysis is in store; ask for it under `{field}` in the study")
    merged = xr.merge(
        [open_analysis(p) for p in found], join="outer", compat="no_conflicts", combine_attrs="drop_conflicts"
    )
    results = xr.open_zarr(store.results, consolidated=False, chunks=None, zarr_format=3)
    measured = results[list(names.RELIABILITY)].reset_coords(drop=True).load()
    places = {dim: merged[dim] for dim in (names.STIMULI, names.BIN_WIDTH, names.UNIT)}
    of_units = measured.assign_coords({names.UNIT: range(measured.sizes[names.UNIT])}).reindex(places)
    return with_rho(merged.assign(of_units.data_vars))


def _stored(store: StudyStore, kind: str) -> list[Path]:
    return sorted((store.root / "analyses").glob(f"{kind}-*.zarr"))
