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
from distributed_trf.pipeline.stages.fold_groups import FoldGroup, collect_splits
from distributed_trf.pipeline.stages.tested_fits import at_rows
from distributed_trf.pipeline.stages.unit_scores import mean_of_defined
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
    """Fit all units on subsets of spaces in every split, and test them.

    Returns
    -------
    tested, finding
        ``r``, ``r2`` and ``cv_score`` of each subset and ``product`` of each space (NaN unless all spaces are a
        subset), each with the units of the study as its last axis, means over splits; what the receipt holds, without
        the files.
    """
    study, device = job.study, job.device
    data = LayerData(item, spaces, study, job.store, device)
    data.evaluation.check_unchanged(job.fingerprint)
    n_splits = len(data.evaluation.labels) or 1
    rows = {"r": len(subsets), "r2": len(subsets), "cv_score": len(subsets), "product": len(spaces)}
    found = {name: np.full((n_splits, n, data.n_units), np.nan) for name, n in rows.items()}
    fallbacks: list[str] = []
    with data.explained_memory():
        collected = collect_splits(data, study, device)
        while collected.groups:  # the sums of each fold group are freed before the next group is solved
            group, collector = collected.groups.pop(0)
            for k in range(n_splits):
                tested = group.tested(k)
                fits = fit_subsets(
                    collector.folds(k),
                    study.ridge.penalties,
                    data.widths,
                    len(data.lags),
                    subsets,
                    candidates=settings.candidates,
                    seed=settings.seed,
                    unit_block=study.ridge.unit_block,
                )
                for s, fitted in enumerate(fits):
                    fallbacks += fitted.fit.fallbacks
                    with timed("test"):
                        features = [collected.tested[i] for i in tested]
                        _test(fitted, features, group, tested, data, {name: of[k] for name, of in found.items()}, s)
    averaged = {name: mean_of_defined(of) for name, of in found.items()}
    largest = max(range(len(subsets)), key=lambda s: len(subsets[s]))
    median = median_r(averaged["r"][largest])
    return averaged, SubsetsFitted(len(subsets), median, fallbacks, collected.left_out)


def _test(
    fitted: SubsetFit,
    features: Sequence[Array],
    group: FoldGroup,
    tested: Sequence[str],
    data: LayerData,
    found: dict[str, np.ndarray],
    s: int,
) -> None:
    """Test the fit of subset s on the features of some stimuli, and enter the results of its units."""
    drives, rounding = _drives(fitted, features, data)
    best = to_numpy(fitted.fit.cv_scores).max(axis=0)
    for recorded in data.presented(group.columns(), tested):
        columns, units, responses = recorded.columns, recorded.units, recorded.responses
        parts, error = at_rows(take_columns(drives, columns), recorded.rows), take_columns(rounding, columns)
        r2 = to_numpy(variance_shares(responses, parts, error)[0])
        found["r"][s, units] = to_numpy(mean_over_repeats(responses, parts.sum(axis=0), error))
        found["r2"][s, units], found["cv_score"][s, units] = r2.sum(axis=0), best[columns]
        if len(fitted.subset) == len(data.widths):
            found["product"][:, units] = r2


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
