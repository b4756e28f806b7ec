"""The fit stage: all units of all sessions on one layer, in one work item."""

from __future__ import annotations

from typing import Any

import numpy as np

from distributed_trf.arrays import Array, to_device, to_numpy
from distributed_trf.config.study import StudySettings
from distributed_trf.features.resample import to_bins
from distributed_trf.pipeline.items import Fit, ReadCounts
from distributed_trf.pipeline.read import load_counts
from distributed_trf.recordings.binning import Counts, n_bins
from distributed_trf.store.features import NetworkFeatures
from distributed_trf.store.receipts import read_receipt
from distributed_trf.store.results import session_units, write_fit
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.crossval import assign_folds, fit_folds
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.moments import moments_of
from distributed_trf.trf.predict import drive

REVISION = 1
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def fit_layer(item: Fit, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    """Fit and test all units on one layer, and store r, alpha and cross-validated R^2.

    Sessions that heard the same training stimuli are columns of one response matrix and share every decomposition.
    """
    units = session_units(store.results)
    counts = {
        session: load_counts(store, item.stimuli, item.bin_width, session)
        for session in units
        if read_receipt(store, ReadCounts.stage, ReadCounts(item.stimuli, item.bin_width, session).key)
    }
    stored = NetworkFeatures(store.features(item.stimuli, item.network, item.weights))
    features = _binned_features(item, study, stored, counts, device)
    test_ids = next(iter(counts.values())).test_ids
    fold_of = _folds([i for i in stored.layout.stimuli if i not in test_ids], study)

    n_units = max(place.stop for place in units.values())
    results = {name: np.full(n_units, np.nan) for name in ("r", "alpha", "cv_score")}
    for group in _groups(counts):
        found = _fit_group({s: counts[s] for s in group}, features, fold_of, item, study, device)
        for session, columns in found.items():
            for name, column in columns.items():
                results[name][units[session]] = column
    write_fit(store.results, item.place, results)
    fitted = np.concatenate([np.arange(n_units)[units[s]] for s in counts])
    r = results["r"][fitted]
    return {
        "units": int(fitted.size),
        "constant_units": int(np.isnan(r).sum()),
        "median_r": float(np.nanmedian(r)) if np.isfinite(r).any() else None,
    }


def _fit_group(
    sessions: dict[str, Counts],
    features: dict[str, Array],
    fold_of: dict[str, int],
    item: Fit,
    study: StudySettings,
    device: str,
) -> dict[str, dict[str, np.ndarray]]:
    """Fit the sessions that heard the same training stimuli; results by session."""
    lags, lead_in = lag_samples(study.lags.tmin, study.lags.tmax, 1000 / item.bin_width), _lead_in(study, item)
    one = next(iter(sessions.values()))
    Y = {i: to_device(np.hstack([c.train_trials[i] for c in sessions.values()]), device) for i in one.train_ids}
    folds = [[i for i in one.train_ids if fold_of[i] == k] for k in range(study.ridge.n_folds)]
    if not all(folds):  # too few stimuli of its own: the common deal leaves a fold empty
        own = _folds(list(one.train_ids), study)
        folds = [[i for i in one.train_ids if own[i] == k] for k in range(study.ridge.n_folds)]
    moments = [moments_of([features[i] for i in fold], [Y[i] for i in fold], lags, lead_in) for fold in folds]
    ridge = study.ridge
    fit = fit_folds(moments, ridge.penalties, standardize=ridge.standardize, unit_block=ridge.unit_block)
    predicted = drive([features[i] for i in one.test_ids], fit.weights, lags, lead_in)
    alpha, scores = to_numpy(fit.alpha), to_numpy(fit.cv_scores)

    results, start = {}, 0
    for session, counts in sessions.items():
        stop = start + counts.train.shape[1]
        r = mean_over_repeats(to_device(counts.test.astype(np.float64), device), predicted[:, start:stop])
        best = scores[:, start:stop].max(axis=0)
        results[session] = {"r": to_numpy(r), "alpha": alpha[start:stop], "cv_score": best}
        start = stop
    return results


def _binned_features(
    item: Fit, study: StudySettings, stored: NetworkFeatures, counts: dict[str, Counts], device: str
) -> dict[str, Array]:
    """Features on the bins of the responses, each of shape (lead_in + bins, features), by stimulus."""
    bins = {i: n for c in counts.values() for i, n in c.bins.items()}
    lead_in = _lead_in(study, item)
    return {
        stimulus: to_device(to_bins(frames, lead_in + bins[stimulus]), device)
        for stimulus, frames in stored.iterate(item.layer)
        if stimulus in bins
    }


def _lead_in(study: StudySettings, item: Fit) -> int:
    return n_bins(study.lags.lead_in, item.bin_width)


def _folds(ids: list[str], study: StudySettings) -> dict[str, int]:
    """Deal stimuli into folds."""
    dealt = assign_folds(len(ids), study.ridge.n_folds, study.ridge.seed)
    return {ids[i]: k for k, fold in enumerate(dealt) for i in fold}


def _groups(counts: dict[str, Counts]) -> list[list[str]]:
    """Sessions that heard the same training stimuli, in order of first appearance."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for session, c in counts.items():
        groups.setdefault(c.train_ids, []).append(session)
    return list(groups.values())
