"""Variance partitions: what is unique to feature spaces and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from distributed_trf.config.joint import PartitionSettings
from distributed_trf.config.spaces import BETWEEN
from distributed_trf.config.study import StudySettings
from distributed_trf.names import PARTITION, SUBSET, UNIT
from distributed_trf.pipeline.costs import Cost
from distributed_trf.pipeline.items import FitPartition
from distributed_trf.pipeline.stages.feature_spaces import feature_spaces, in_field, texts
from distributed_trf.pipeline.stages.fit import fit_inputs
from distributed_trf.pipeline.stages.subset_fits import SMALLER, SubsetsFitted, described, fit_and_test, subsets_cost
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Inputs, Job, Upstream, WorkKind, analysis_group
from distributed_trf.store.analyses import store_analysis
from distributed_trf.trf.partition import Subset, all_subsets, parts_of_variance

REVISION = 1
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""


def settings_of(study: StudySettings, item: FitPartition) -> PartitionSettings:
    """Return the settings of an item."""
    return next(p for p in study.partition if p.name == item.partition)


def chosen_subsets(settings: PartitionSettings) -> list[Subset]:
    """Return the subsets to fit, as indices of the spaces."""
    labels = list(settings.spaces)
    return [tuple(map(labels.index, names)) for names in settings.chosen] or all_subsets(len(labels))


def fit_partition(item: FitPartition, job: Job) -> SubsetsFitted:
    """Fit and test all units on each subset, and store R^2 of each, and unique and shared variance.

    All are along one dimension, the sets of spaces: of a set its own fit, and what is unique to it or shared by it.
    """
    import xarray as xr

    settings = settings_of(job.study, item)
    labels, fitted = list(settings.spaces), chosen_subsets(settings)
    spaces = feature_spaces(job.study, job.tables, settings.spaces)
    tested, finding = fit_and_test(item, job, spaces, fitted, settings)
    n, subsets = len(labels), all_subsets(len(labels))  # the first n are single spaces
    variance = parts_of_variance(tested["r2"], fitted, n)
    values = {name: np.full_like(variance, np.nan) for name in PARTITION}
    for name in ("r2", "r", "cv_score"):
        values[name][[subsets.index(subset) for subset in fitted]] = tested[name]
    values["unique"][:n], values["shared"][n:], values["product"][:n] = variance[:n], variance[n:], tested["product"]
    ds = xr.Dataset(
        {name: described(PARTITION[name], (SUBSET, UNIT), rows) for name, rows in values.items()},
        coords={SUBSET: texts(BETWEEN.join(labels[space] for space in subset) for subset in subsets)},
        attrs={"seed": settings.seed, "candidates": settings.candidates},
    )
    return replace(finding, files=store_analysis(job.store, item.key, ds, item.cell))


def _items(scope: ItemSource) -> Iterator[FitPartition]:
    study = scope.study
    for partition, stimuli, bin_width in product(study.partition, study.stimuli, study.bin_widths):
        yield FitPartition(stimuli, partition.name, bin_width)


def _inputs(item: FitPartition, upstream: Upstream) -> Inputs:
    study = upstream.context.study
    settings = settings_of(study, item)
    spaces = feature_spaces(study, upstream.context.tables, settings.spaces)
    return fit_inputs(item, upstream, spaces, REVISION) | {item.kind: settings.model_dump()}


def _cost(context: Context, item: FitPartition, device: str) -> Cost:
    settings = settings_of(context.study, item)
    spaces = feature_spaces(context.study, context.tables, settings.spaces)
    return subsets_cost(context, item, spaces, chosen_subsets(settings), settings.candidates, device)


def _check(context: Context) -> None:
    """Check that the spaces of each partition are clear, and few; raises ConfigError."""
    for settings in context.study.partition:
        with in_field(f"partition: {settings.name}"):
            all_subsets(len(settings.spaces))
            feature_spaces(context.study, context.tables, settings.spaces)


PARTITIONS = WorkKind(
    item=FitPartition,
    finding=SubsetsFitted,
    items=_items,
    inputs=_inputs,
    outputs=analysis_group,
    cost=_cost,
    run=fit_partition,
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
    check=_check,
)
