"""The fit stage: all units of all sessions on one layer, in one work item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from distributed_trf.arrays import Array, to_device, to_numpy
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import RecordingError
from distributed_trf.features.resample import to_bins
from distributed_trf.pipeline.cohort import Cohort, cohorts
from distributed_trf.pipeline.items import Fit, ReadCounts
from distributed_trf.pipeline.read import load_counts
from distributed_trf.pipeline.save_model import save_model
from distributed_trf.recordings.binning import Counts, n_bins
from distributed_trf.store.features import NetworkFeatures
from distributed_trf.store.receipts import read_receipt
from distributed_trf.store.results import session_units, write_fit
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.collect import FoldCollector
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.crossval import Fit as Solution
from distributed_trf.trf.crossval import fit_folds
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.predict import drive

REVISION = 2
"""Raise when this code gives other numbers than before, so that old ones become stale."""


@dataclass(frozen=True)
class Layer:
    """One layer to be fitted, and on which device."""

    item: Fit
    study: StudySettings
    device: str

    @property
    def lags(self) -> tuple[int, ...]:
        """Lags in bins."""
        return lag_samples(self.study.lags.tmin, self.study.lags.tmax, 1000 / self.item.bin_width)

    @property
    def lead_in(self) -> int:
        """Bins of silence before each sound."""
        return n_bins(self.study.lags.lead_in, self.item.bin_width)

    def collector(self, cohort: Cohort, rows: int, n_features: int) -> FoldCollector:
        """Prepare the sums of a cohort; the solver is chosen by shape alone, the same on every machine."""
        ridge = self.study.ridge
        collector = FoldCollector(
            self.lags,
            self.lead_in,
            ridge.n_folds,
            cohort.groups,
            standardize=ridge.standardize,
            scaling=ridge.scaling,
            solver=ridge.solver,
            precision=ridge.precision,
        )
        collector.choose(rows, n_features, len(ridge.penalties), device=self.device, free=float("inf"))
        return collector


def fit_layer(item: Fit, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    """Fit and test all units on one layer, and store r, alpha and cross-validated R^2.

    Features are read once, a batch of stimuli at a time; of the training stimuli only sums are kept.
    """
    layer, ridge = Layer(item, study, device), study.ridge
    units = session_units(store.results)
    counts = {
        session: load_counts(store, item.stimuli, item.bin_width, session)
        for session in units
        if read_receipt(store, ReadCounts.stage, ReadCounts(item.stimuli, item.bin_width, session).key)
    }
    one = next(iter(counts.values()))
    stored = NetworkFeatures(store.features(item.stimuli, item.network, item.weights))
    training = [i for i in stored.layout.stimuli if i not in one.test_ids]
    fitted_together, left_out = cohorts(counts, training, ridge)
    if not fitted_together:
        raise RecordingError(f"no session can be fitted: {'; '.join(f'{s}: {why}' for s, why in left_out.items())}")

    rows, width = sum(one.bins[i] for i in training), stored.layer(item.layer).width
    collectors = [layer.collector(cohort, rows, width) for cohort in fitted_together]
    test: dict[str, Array] = {}
    for stimulus, frames in stored.iterate(item.layer):
        bins = one.bins[stimulus]
        x = to_device(to_bins(frames, layer.lead_in + bins), device)
        if stimulus in one.test_ids:
            test[stimulus] = x
            continue
        for cohort, collector in zip(fitted_together, collectors, strict=True):
            y, heard = cohort.responses(stimulus, bins)
            collector.add(cohort.fold_of[stimulus], x, to_device(y, device), heard)

    n_units = max(place.stop for place in units.values())
    results = {name: np.full(n_units, np.nan) for name in ("r", "alpha", "cv_score")}
    solutions = []
    while collectors:  # each is let go before the next is solved
        folds = collectors.pop(0).folds()
        solutions.append(fit_folds(folds, ridge.penalties, all_scores=False, unit_block=ridge.unit_block))
        del folds
    for cohort, solution in zip(fitted_together, solutions, strict=True):
        found = _test(cohort, solution, [test[i] for i in one.test_ids], layer)
        for name, by_session in found.items():
            for session, column in by_session.items():
                results[name][units[session]] = column
    write_fit(store.results, item.place, results)
    details = _summary(results, units, counts, left_out, solutions)
    if study.save_models:
        details["model"] = save_model(store, item, study, list(zip(fitted_together, solutions, strict=True)))
    return details


def _test(cohort: Cohort, solution: Solution, test: list[Array], layer: Layer) -> dict[str, dict[str, np.ndarray]]:
    """Correlate predictions with each session's repeats; results by variable and session."""
    predicted = drive(test, solution.weights, layer.lags, layer.lead_in)
    alpha, best = to_numpy(solution.alpha), np.nanmax(_nothing_is_worst(to_numpy(solution.cv_scores)), axis=0)
    found: dict[str, dict[str, np.ndarray]] = {"r": {}, "alpha": {}, "cv_score": {}}
    for session, columns in cohort.columns().items():
        recorded = to_device(cohort.sessions[session].test.astype(np.float64), layer.device)
        found["r"][session] = to_numpy(mean_over_repeats(recorded, predicted[:, columns]))
        found["alpha"][session] = alpha[columns]
        found["cv_score"][session] = np.where(np.isnan(alpha[columns]), np.nan, best[columns])
    return found


def _nothing_is_worst(scores: np.ndarray) -> np.ndarray:
    """Penalties that screening ruled out have no score."""
    return np.where(np.isnan(scores), -np.inf, scores)


def _summary(
    results: dict[str, np.ndarray],
    units: dict[str, slice],
    counts: dict[str, Counts],
    left_out: dict[str, str],
    solutions: list[Solution],
) -> dict[str, Any]:
    """What the receipt tells of the fit."""
    fitted = [np.arange(units[s].start, units[s].stop) for s in counts if s not in left_out]
    r = results["r"][np.concatenate(fitted)] if fitted else np.empty(0)
    return {
        "units": int(r.size),
        "constant_units": int(np.isnan(r).sum()),
        "constant_columns": max((scaling.n_constant for s in solutions for scaling in s.scalings), default=0),
        "median_r": float(np.nanmedian(r)) if np.isfinite(r).any() else None,
        "solver": sorted({s.solver for s in solutions}),
        "fallbacks": [line for s in solutions for line in s.fallbacks],
        "left_out": left_out,
    }
