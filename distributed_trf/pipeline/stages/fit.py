"""The fit stage: all units of all sessions on one layer, in one work item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from distributed_trf.arrays import Array, all_to_device, namespace, to_numpy
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import RecordingError
from distributed_trf.pipeline.items import Fit
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.fold_groups import FoldGroup, fold_groups
from distributed_trf.store.models import unit_labels, write_model
from distributed_trf.store.results import session_units, write_fit
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed
from distributed_trf.trf.crossval import Fit as Solution
from distributed_trf.trf.crossval import Folds, at_edges, fit_folds
from distributed_trf.trf.fold_collector import FoldCollector
from distributed_trf.trf.lags import drive, drive_rounding, lag_samples

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
) -> tuple[dict[str, np.ndarray], list[tuple[FoldGroup, Solution]], dict[str, Any]]:
    """Fit and test all units.

    Returns
    -------
    results, solved, details
        ``r``, ``alpha`` and ``cv_score`` of each unit of the study; the fit of each fold group; what the receipt tells.

    Raises
    ------
    RecordingError
        If no session can be fitted.
    """
    with data.room_told():
        collected, test, left_out = collect(data, study, device)
        ridge, solved = study.ridge, []
        while collected:  # each fold group's sums are let go before the next is solved
            fold_group, folds = collected.pop(0)
            solved.append(
                (fold_group, fit_folds(folds, ridge.penalties, all_scores=False, unit_block=ridge.unit_block))
            )
        results = {name: np.full(data.n_units, np.nan) for name in ("r", "alpha", "cv_score")}
        for fold_group, solution in solved:
            units, found = _test(fold_group, solution, test, data)
            for name, column in found.items():
                results[name][units] = column
    details = _summary(results, data, study, left_out, [solution for _, solution in solved])
    details["unused_presentations"] = data.further if study.training == "first" else 0
    return results, solved, details


def collect(
    data: LayerData, study: StudySettings, device: str
) -> tuple[list[tuple[FoldGroup, Folds]], list[Array], dict[str, str]]:
    """Read features once and sum up the training stimuli for each fold group of sessions.

    Returns
    -------
    collected, test, left_out
        Cohorts with the sums of their folds; the test stimuli's features; why sessions are left out.

    Raises
    ------
    RecordingError
        If no session is left.
    """
    found, left_out = fold_groups(data.counts, data.training, study.ridge, study.training)
    if not found:
        raise RecordingError(f"no session can be fitted: {'; '.join(f'{s}: {why}' for s, why in left_out.items())}")
    collectors = [_collector(fold_group, data, study, device) for fold_group in found]
    test: dict[str, Array] = {}
    for batch in data.batches():
        # Copies, lest they keep all of a batch in memory.
        test |= {i: namespace(x).asarray(x, copy=True) for i, x in batch.items() if i in data.test_ids}
        training = [i for i in batch if i not in test]
        if not training:
            continue
        for fold_group, collector in zip(found, collectors, strict=True):
            responses, heard = zip(*(fold_group.responses(i, data.bins[i]) for i in training), strict=True)
            for i, trials, groups in zip(training, all_to_device(responses, device), heard, strict=True):
                for k in range(trials.shape[0]):
                    collector.add(fold_group.fold_of[i], batch[i], trials[k, :, :], groups)
    sums = [collector.folds() for collector in collectors]
    return list(zip(found, sums, strict=True)), [test[i] for i in data.test_ids], left_out


def _collector(fold_group: FoldGroup, data: LayerData, study: StudySettings, device: str) -> FoldCollector:
    """Prepare the sums of a fold group; the solver is chosen by shape alone, the same on every machine."""
    ridge = study.ridge
    collector = FoldCollector(
        data.lags,
        data.lead_in,
        ridge.n_folds,
        fold_group.groups,
        standardize=ridge.standardize,
        scaling=ridge.scaling,
        solver=ridge.solver,
        precision=ridge.precision,
    )
    rows = sum(data.bins[i] * fold_group.times[i] for i in data.training)
    collector.choose(rows, sum(data.widths), len(ridge.penalties), device=device, free=float("inf"))
    return collector


@timed("test")
def _test(
    fold_group: FoldGroup, solution: Solution, test: Sequence[Array], data: LayerData
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Correlate predictions with sessions' repeats; where units lie on the results' axis, and results by variable."""
    predicted = drive(test, solution.weights, data.lags, data.lead_in)
    rounding = drive_rounding(test, solution.weights, len(data.lags), solution.inverse).sum(axis=0)
    r, columns, units = data.correlate(fold_group.columns(), predicted, rounding)
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


@timed("write")
def save_model(
    store: StudyStore, item: Fit, study: StudySettings, fitted: Sequence[tuple[FoldGroup, Solution]]
) -> dict[str, dict[str, str]]:
    """Write the weights of all units on one layer, and return the digests of their files."""
    units = session_units(store.results)
    n_units, d = max(place.stop for place in units.values()), fitted[0][1].weights.shape[0]
    weights = np.full((d, n_units), np.nan)
    intercept, alpha = np.full(n_units, np.nan), np.full(n_units, np.nan)
    for fold_group, solution in fitted:
        solved = [to_numpy(a) for a in (solution.weights, solution.intercept, solution.alpha)]
        for session, columns in fold_group.columns().items():
            weights[:, units[session]] = solved[0][:, columns]
            intercept[units[session]], alpha[units[session]] = solved[1][columns], solved[2][columns]
    mean, scale = _scaling(study, fitted)
    one = next(iter(fitted[0][0].sessions.values()))
    path = store.model(*item.place)
    files = write_model(
        path,
        item.place,
        weights=weights,
        intercept=intercept,
        alpha=alpha,
        x_mean=mean,
        x_scale=scale,
        lags_seconds=[
            lag * item.bin_width / 1000 for lag in lag_samples(study.lags.tmin, study.lags.tmax, 1000 / item.bin_width)
        ],
        units=unit_labels(store.results),
        bins=one.bins,
        settings={
            "lags": study.lags.model_dump(),
            "ridge": study.ridge.model_dump(exclude={"unit_block"}),
            "training": study.training,
        },
    )
    return {store.name(path): files}


def _scaling(study: StudySettings, fitted: Sequence[tuple[FoldGroup, Solution]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of each lagged column, shape (d,); NaN where sessions have their own."""
    scalings = [scaling for _, solution in fitted for scaling in solution.scalings]
    mean, inverse = to_numpy(scalings[0].mean), to_numpy(scalings[0].inverse)
    counted_alike = all(fold_group.times == fitted[0][0].times for fold_group, _ in fitted)
    if not counted_alike or (study.ridge.scaling == "per_session" and len(scalings) > 1):
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    return mean, np.where(inverse == 0, 0, 1 / np.where(inverse == 0, 1, inverse))
