"""The fit stage: all units of all sessions on one layer, in one work item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distributed_trf.arrays import Array, all_to_device, namespace, to_numpy
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import RecordingError
from distributed_trf.pipeline.items import Fit
from distributed_trf.pipeline.stages.cohort import Cohort, cohorts
from distributed_trf.pipeline.stages.layer_data import LayerData
from distributed_trf.pipeline.stages.save_model import save_model
from distributed_trf.store.results import write_fit
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed
from distributed_trf.trf.crossval import Fit as Solution
from distributed_trf.trf.crossval import Folds, at_edges, fit_folds
from distributed_trf.trf.fold_collector import FoldCollector
from distributed_trf.trf.lags import drive, drive_rounding

REVISION = 3
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def fit_layer(item: Fit, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    """Fit and test all units on one layer, and store r, alpha and cross-validated R^2."""
    results, solved, details = fit_units(LayerData(item, [item.layer], study, store, device), study, device)
    files = {store.name(store.results): write_fit(store.results, item.place, results)}
    if study.save_models:
        files |= save_model(store, item, study, solved)
    return {**details, "files": files}


def fit_units(
    data: LayerData, study: StudySettings, device: str
) -> tuple[dict[str, np.ndarray], list[tuple[Cohort, Solution]], dict[str, Any]]:
    """Fit and test all units.

    Returns
    -------
    results, solved, details
        ``r``, ``alpha`` and ``cv_score`` of each unit of the study; the fit of each cohort; what the receipt tells.

    Raises
    ------
    RecordingError
        If no session can be fitted.
    """
    with data.room_told():
        collected, test, left_out = collect(data, study, device)
        ridge, solved = study.ridge, []
        while collected:  # each cohort's sums are let go before the next is solved
            cohort, folds = collected.pop(0)
            solved.append((cohort, fit_folds(folds, ridge.penalties, all_scores=False, unit_block=ridge.unit_block)))
        results = {name: np.full(data.n_units, np.nan) for name in ("r", "alpha", "cv_score")}
        for cohort, solution in solved:
            units, found = _test(cohort, solution, test, data)
            for name, column in found.items():
                results[name][units] = column
    details = _summary(results, data, study, left_out, [solution for _, solution in solved])
    details["unused_presentations"] = data.further if study.training == "first" else 0
    return results, solved, details


def collect(
    data: LayerData, study: StudySettings, device: str
) -> tuple[list[tuple[Cohort, Folds]], list[Array], dict[str, str]]:
    """Read features once and sum up the training stimuli for each cohort of sessions.

    Returns
    -------
    collected, test, left_out
        Cohorts with the sums of their folds; the test stimuli's features; why sessions are left out.

    Raises
    ------
    RecordingError
        If no session is left.
    """
    found, left_out = cohorts(data.counts, data.training, study.ridge, study.training)
    if not found:
        raise RecordingError(f"no session can be fitted: {'; '.join(f'{s}: {why}' for s, why in left_out.items())}")
    collectors = [_collector(cohort, data, study, device) for cohort in found]
    test: dict[str, Array] = {}
    for batch in data.batches():
        # Copies, lest they keep all of a batch in memory.
        test |= {i: namespace(x).asarray(x, copy=True) for i, x in batch.items() if i in data.test_ids}
        training = [i for i in batch if i not in test]
        if not training:
            continue
        for cohort, collector in zip(found, collectors, strict=True):
            responses, heard = zip(*(cohort.responses(i, data.bins[i]) for i in training), strict=True)
            for i, trials, groups in zip(training, all_to_device(responses, device), heard, strict=True):
                for k in range(trials.shape[0]):
                    collector.add(cohort.fold_of[i], batch[i], trials[k, :, :], groups)
    sums = [collector.folds() for collector in collectors]
    return list(zip(found, sums, strict=True)), [test[i] for i in data.test_ids], left_out


def _collector(cohort: Cohort, data: LayerData, study: StudySettings, device: str) -> FoldCollector:
    """Prepare the sums of a cohort; the solver is chosen by shape alone, the same on every machine."""
    ridge = study.ridge
    collector = FoldCollector(
        data.lags,
        data.lead_in,
        ridge.n_folds,
        cohort.groups,
        standardize=ridge.standardize,
        scaling=ridge.scaling,
        solver=ridge.solver,
        precision=ridge.precision,
    )
    rows = sum(data.bins[i] * cohort.times[i] for i in data.training)
    collector.choose(rows, sum(data.widths), len(ridge.penalties), device=device, free=float("inf"))
    return collector


@timed("test")
def _test(
    cohort: Cohort, solution: Solution, test: Sequence[Array], data: LayerData
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Correlate predictions with sessions' repeats; where units lie on the results' axis, and results by variable."""
    predicted = drive(test, solution.weights, data.lags, data.lead_in)
    rounding = drive_rounding(test, solution.weights, len(data.lags), solution.inverse).sum(axis=0)
    r, columns, units = data.correlate(cohort.columns(), predicted, rounding)
    alpha, best = to_numpy(solution.alpha)[columns], np.max(_nothing_is_worst(to_numpy(solution.cv_scores)), axis=0)
    return units, {"r": r, "alpha": alpha, "cv_score": np.where(np.isnan(alpha), np.nan, best[columns])}


def _nothing_is_worst(scores: np.ndarray) -> np.ndarray:
    """Penalties that screening ruled out have no score."""
    return np.where(np.isnan(scores), -np.inf, scores)


def _summary(
    results: dict[str, np.ndarray],
    data: LayerData,
    study: StudySettings,
    left_out: dict[str, str],
    solutions: Sequence[Solution],
) -> dict[str, Any]:
    """What the receipt tells of the fit."""
    r = np.concatenate([results["r"][data.units[s]] for s in data.counts if s not in left_out])
    return {
        "units": int(r.size),
        "constant_units": int(np.isnan(r).sum()),
        **edges(results["alpha"], study),
        "constant_columns": max((scaling.n_constant for s in solutions for scaling in s.scalings), default=0),
        "median_r": float(np.nanmedian(r)) if np.isfinite(r).any() else None,
        "solver": sorted({s.solver for s in solutions}),
        "fallbacks": [line for s in solutions for line in s.fallbacks],
        "left_out": left_out,
    }


def edges(alpha: np.ndarray, study: StudySettings) -> dict[str, int]:
    """How many units chose the first and the last penalty of the grid, for a receipt."""
    first, last = at_edges(alpha, study.ridge.penalties)
    return {"units_at_first_alpha": first, "units_at_last_alpha": last}
