"""Analyses other than the grid of fits, each opened as one labelled dataset, and all of a study's results as one tree.

All but drawn normalisers also hold the reliability of the units (``normaliser`` and the like) and ``rho``, so that
``select_units`` chooses from them as from the results.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.analyses import analysis_branches
from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.results.open_results import open_results, portable, study_of, with_rho
from distributed_trf.results.units import unit_keys
from distributed_trf.store.analyses import imported_analyses, open_analysis, unit_coords
from distributed_trf.store.receipts import ANALYSE, ASSESS, written_groups
from distributed_trf.store.results import (
    ANALYSES_ATTR,
    has_results,
    open_grid,
    requested_grid,
    session_units,
    stored_attributes,
)
from distributed_trf.store.study_store import StudyStore

DRAWN = "normaliser_drawn"
"""Variable of an assessment: the normaliser of drawn stimuli and repeats."""


def open_branch(path: str | Path, branch: str) -> xr.Dataset:
    """Open any analysis of a study that is of single networks.

    Parameters
    ----------
    path
        The study's output folder.
    branch
        Its place in what ``open_tree`` returns, such as ``lowpass``.

    Returns
    -------
    xarray.Dataset
        What its work items wrote, side by side along the labels of the items, with the reliability of the units, and
        ``rho`` beside ``r``.

    Raises
    ------
    StoreError
        If there is none.
    DamagedError
        If a file of it is not what was written.
    """
    kind, field = analysis_branches()[branch]
    return _open(Path(path), kind, field)


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
        n_repeats, draw, unit); NaN for sessions that the study lacks. The seed is in ``attrs``. Or ``normaliser`` over
        (stimuli, bin_width, percent_duration, n_repeats, draw, unit); NaN for repeats that a session lacks.

    Raises
    ------
    StoreError
        If there are none.
    DamagedError
        If a file of them is not what was written.
    """
    if of == "normaliser":
        return _open_normalisers(Path(path))
    if of not in ("training", "test"):
        raise StoreError(f"of={of!r} must be 'training', 'test' or 'normaliser'")
    return open_branch(path, f"bootstraps/{of}")


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
    DamagedError
        If a file of them is not what was written.
    """
    return open_branch(path, "together")


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
    DamagedError
        If a file of them is not what was written.
    """
    return open_branch(path, "lowpass")


def has_lowpass(path: str | Path) -> bool:
    """Return whether fits on low-passed features are in store, for ``open_lowpass``."""
    return bool(_stored(StudyStore.open(Path(path)), "lowpass"))


def has_bootstraps(path: str | Path, of: str) -> bool:
    """Return whether bootstraps ``of`` training or test stimuli are in store, for ``open_bootstraps``."""
    return bool(_stored(StudyStore.open(Path(path)), f"bootstrap-{of}"))


def _open_normalisers(path: Path) -> xr.Dataset:
    """Put the drawn normalisers of all sessions on the unit axis of the results."""
    store = StudyStore.open(path)
    unit_slices = session_units(store.results) if has_results(store) else {}
    found = []
    for file, files in _assessed(store).items():
        ds = open_analysis(file, files) if file.stem in unit_slices else xr.Dataset()
        if DRAWN in ds:
            units = range(unit_slices[file.stem].start, unit_slices[file.stem].stop)
            found.append(ds[[DRAWN]].squeeze("session", drop=True).assign_coords({names.UNIT: units}))
    if not found:
        raise StoreError(
            f"{store.root}: no normaliser was drawn; set it under `reliability: {{bootstrap: ...}}` in the study"
        )
    merged = xr.combine_by_coords(found, join="outer", combine_attrs="drop_conflicts")
    assert isinstance(merged, xr.Dataset)
    labels = unit_coords(store.results).sel({names.UNIT: merged[names.UNIT]})
    return portable(merged.rename({DRAWN: "normaliser"}).assign_coords(labels.coords))


def _assessed(store: StudyStore) -> dict[Path, dict[str, str]]:
    """List the assessments of the study, with drawn normalisers if the study has them."""
    if not has_results(store):
        return {}
    results = open_grid(store.results)
    if not ((study_of(results) or {}).get("reliability") or {}).get("bootstrap"):
        return {}
    axes = requested_grid(store.results).axes
    folders = {store.reliability(s, w, "").parent for s in axes[names.STIMULI] for w in axes[names.BIN_WIDTH]}
    return {path: files for path, files in written_groups(store, ASSESS).items() if path.parent in folders}


def _open(path: Path, kind: str, field: str) -> xr.Dataset:
    """Put all analyses of a kind together, with the reliability of the units at their stimulus sets and bin widths."""
    store = StudyStore.open(path)
    found = _stored(store, kind)
    if not found:
        raise StoreError(f"{store.root}: no {kind} analysis is in store; set it under `{field}` in the study")
    results, units = open_grid(store.results), unit_coords(store.results)
    merged = xr.merge(
        [_on_units(open_analysis(p, files), units) for p, files in found.items()],
        join="outer",
        compat="no_conflicts",
        combine_attrs="drop_conflicts",
    )
    measured = results[list(names.RELIABILITY)].reset_coords(drop=True).load()
    labels = {dim: merged[dim] for dim in (names.STIMULI, names.BIN_WIDTH)}
    return portable(with_rho(merged.assign(measured.reindex(labels).assign_coords(units.coords).data_vars)))


def _on_units(ds: xr.Dataset, units: xr.Dataset) -> xr.Dataset:
    """Put an analysis on the units of the results: sessions may have come or gone since that its stimulus set lacks."""
    there, wanted = unit_keys(ds), unit_keys(units)
    if not there.equals(wanted):
        of_units = [name for name, coord in ds.coords.items() if names.UNIT in coord.dims]
        ds = ds.drop_vars(of_units).assign_coords({names.UNIT: np.arange(len(there))})
        ds = ds.reindex({names.UNIT: there.get_indexer(wanted)})  # -1 is no unit's number
    return ds.assign_coords(units.coords)


def _stored(store: StudyStore, kind: str) -> dict[Path, dict[str, str]]:
    """Return the analyses of a kind that the study has and that are done, all of an import, with their digests."""
    asked = stored_attributes(store.results).get(ANALYSES_ATTR) if has_results(store) else None
    done = {
        p: files for p, files in written_groups(store, ANALYSE, f"{kind}-").items() if asked is None or p.stem in asked
    }
    return done | imported_analyses(store, f"{kind}-")


def open_tree(path: str | Path) -> xr.DataTree:
    """Open everything that a study found, lazily.

    Parameters
    ----------
    path
        The study's output folder.

    Returns
    -------
    xarray.DataTree
        ``fits``, the dataset of ``open_results``, and those of ``lowpass``, ``together``, ``bootstraps/training``,
        ``bootstraps/test``, ``bootstraps/normaliser`` and any further analysis that the study has.
        ``tree["lowpass"].dataset`` is one.

    Raises
    ------
    StoreError
        If there is no study, or it has no results yet.
    DamagedError
        If a file of what it found is not what was written.
    """
    found = {"fits": open_results(path)}
    openers = {branch: partial(open_branch, branch=branch) for branch in analysis_branches()}
    for name, opened in {**openers, "bootstraps/normaliser": partial(open_bootstraps, of="normaliser")}.items():
        try:
            found[name] = opened(path)
        except DamagedError:
            raise
        except StoreError:  # the study did not ask for it
            continue
    return xr.DataTree.from_dict(found)
