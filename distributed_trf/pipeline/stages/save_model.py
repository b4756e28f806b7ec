"""The models of a fit, of all cohorts as one, with what it takes to predict from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distributed_trf.arrays import to_numpy
from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.items import Fit
from distributed_trf.pipeline.stages.cohort import Cohort
from distributed_trf.store.models import unit_labels, write_model
from distributed_trf.store.results import session_units
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed
from distributed_trf.trf.crossval import Fit as Solution
from distributed_trf.trf.lags import lag_samples


@timed("write")
def save_model(
    store: StudyStore, item: Fit, study: StudySettings, fitted: Sequence[tuple[Cohort, Solution]]
) -> dict[str, dict[str, str]]:
    """Write the weights of all units on one layer, and return the digests of their files."""
    units = session_units(store.results)
    n_units, d = max(place.stop for place in units.values()), fitted[0][1].weights.shape[0]
    weights = np.full((d, n_units), np.nan)
    intercept, alpha = np.full(n_units, np.nan), np.full(n_units, np.nan)
    for cohort, solution in fitted:
        solved = [to_numpy(a) for a in (solution.weights, solution.intercept, solution.alpha)]
        for session, columns in cohort.columns().items():
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


def _scaling(study: StudySettings, fitted: Sequence[tuple[Cohort, Solution]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of each lagged column, shape (d,); NaN where sessions have their own."""
    scalings = [scaling for _, solution in fitted for scaling in solution.scalings]
    mean, inverse = to_numpy(scalings[0].mean), to_numpy(scalings[0].inverse)
    counted_alike = all(cohort.times == fitted[0][0].times for cohort, _ in fitted)
    if not counted_alike or (study.ridge.scaling == "per_session" and len(scalings) > 1):
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    return mean, np.where(inverse == 0, 0, 1 / np.where(inverse == 0, 1, inverse))
