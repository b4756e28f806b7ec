"""Fits of subsets of feature spaces in a study, and their tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from distributed_trf.arrays import Array, take_columns, to_numpy
from distributed_trf.config.joint import SpacesSettings
from distributed_trf.names import Variable
from distributed_trf.pipeline.costs import Cost, fit_cost
from distributed_trf.pipeline.items import FeatureSpace, FitBeyond, FitPartition
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.fit import median_r
from distributed_trf.pipeline.stages.fold_groups import collect
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work_kind import Files, Finding, Job, Remarks
from distributed_trf.timing import timed
from distributed_trf.trf.banded import band_drives, variance_shares
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.lags import drive, drive_rounding
from distributed_trf.trf.partition import Subset, SubsetFit, fit_subsets, n_candidates

SMALLER = "fewer feature spaces or layers in them, or a smaller `ridge.unit_block`"


@dataclass(frozen=True)
class SubsetsFitted(Finding):
    """The fits of all units on subsets of feature spaces."""

    subsets: int = 0
    median_r: float | None = None
    """Of the largest subset, over units; None if no unit varies."""
    fallbacks: list[str] = field(default_factory=list)
    """Factorisations that failed their check."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that could not be cross-validated, and why."""
    files: Files = field(default_factory=dict)

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks(fitted=True, median_r=self.median_r, left_out=self.left_out, fallbacks=self.fallbacks)


def fit_and_test(
    item: FitPartition | FitBeyond,
    job: Job,
    spaces: Sequence[FeatureSpace],
    subsets: Sequence[Subset],
    settings: SpacesSettings,
) -> tuple[dict[str, np.ndarray], SubsetsFitted]:
    """Fit all units on subsets of spaces, and test them.

    Returns
    -------
    tested, finding
        ``r``, ``r2`` and ``cv_score`` of each subset and ``product`` of each space (NaN unless all spaces are a
        subset), each with the units of the study as its last axis; what the receipt holds, without the files.
    """
    study, device = job.study, job.device
    data = LayerData(item, spaces, study, job.store, device)
    tested: dict[str, np.ndarray] = {
        name: np.full((len(subsets), data.n_units), np.nan) for name in ("r", "r2", "cv_score")
    }
    tested["product"] = np.full((len(spaces), data.n_units), np.nan)
    fallbacks: list[str] = []
    with data.explained_memory():
        collected, test, left_out = collect(data, study, device)
        while collected:  # the sums of each fold group are freed before the next group is solved
            fold_group, folds = collected.pop(0)
            fits = fit_subsets(
                folds,
                study.ridge.penalties,
                data.widths,
                len(data.lags),
                subsets,
                candidates=settings.candidates,
                seed=settings.seed,
                unit_block=study.ridge.unit_block,
            )
            for k, fitted in enumerate(fits):
                fallbacks += fitted.fit.fallbacks
                with timed("test"):
                    drives, rounding = _drives(fitted, test, data)
                    best = to_numpy(fitted.fit.cv_scores).max(axis=0)
                    for recorded, columns, units in data.recorded(fold_group.columns()):
                        parts, error = take_columns(drives, columns), take_columns(rounding, columns)
                        r2 = to_numpy(variance_shares(recorded, parts, error)[0])
                        tested["r"][k, units] = to_numpy(mean_over_repeats(recorded, parts.sum(axis=0), error))
                        tested["r2"][k, units], tested["cv_score"][k, units] = r2.sum(axis=0), best[columns]
                        if len(fitted.subset) == len(spaces):
                            tested["product"][:, units] = r2
    largest = max(range(len(subsets)), key=lambda k: len(subsets[k]))
    return tested, SubsetsFitted(len(subsets), median_r(tested["r"][largest]), fallbacks, left_out)


def _drives(fitted: SubsetFit, test: Sequence[Array], data: LayerData) -> tuple[Array, Array]:
    """Predict the test from each space if all are fitted, else from all of the subset, (parts, bins, U); rounding."""
    features = [take_columns(x, fitted.features) for x in test]
    weights = fitted.fit.weights
    rounding = drive_rounding(features, weights, len(data.lags), fitted.fit.inverse).sum(axis=0)
    if len(fitted.subset) == len(data.widths):
        return band_drives(features, weights, data.lags, data.lead_in, data.widths), rounding
    return drive(features, weights, data.lags, data.lead_in)[None, :, :], rounding


def described(
    variable: Variable, dims: tuple[str, ...], values: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """Describe a variable of a dataset."""
    return dims, values, variable.attrs


def subsets_cost(
    context: Context,
    item: FitPartition | FitBeyond,
    spaces: Sequence[FeatureSpace],
    subsets: Sequence[Subset],
    candidates: int,
    device: str,
) -> Cost:
    """Count the memory of all spaces as one model, and the operations of each subset."""
    whole = fit_cost(context, item, spaces, device)
    operations = whole.operations * 0
    for subset in subsets:
        of = fit_cost(context, item, [spaces[space] for space in subset], device).operations
        operations = operations + of * n_candidates(len(subset), len(spaces), candidates)
    return replace(whole, operations=operations, written=whole.written * len(subsets), files=whole.files + 6)
