"""What each layer adds to some feature spaces: fits of these with and without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

import numpy as np

from distributed_trf.config.joint import BeyondSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError
from distributed_trf.features.table import NetworkTable
from distributed_trf.names import BEYOND, UNIT
from distributed_trf.pipeline.costs import Cost
from distributed_trf.pipeline.items import FeatureSpace, FitBeyond
from distributed_trf.pipeline.stages.feature_spaces import feature_spaces, in_field
from distributed_trf.pipeline.stages.fit import fit_inputs
from distributed_trf.pipeline.stages.subset_fits import SMALLER, SubsetsFitted, described, fit_and_test, subsets_cost
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Inputs, Job, Upstream, WorkKind, analysis_group
from distributed_trf.store.analyses import store_analysis
from distributed_trf.trf.partition import MOST_SPACES

REVISION = 1
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""


def settings_of(study: StudySettings, item: FitBeyond) -> BeyondSettings:
    """Return the settings of an item."""
    return next(b for b in study.beyond if b.name == item.beyond)


def spaces_of(study: StudySettings, tables: Mapping[str, NetworkTable], item: FitBeyond) -> tuple[FeatureSpace, ...]:
    """Return the spaces that a layer is compared with, and the layer."""
    return (*feature_spaces(study, tables, settings_of(study, item).spaces), item.space)


def fit_beyond(item: FitBeyond, job: Job) -> SubsetsFitted:
    """Fit and test all units with and without a layer, and store what the layer adds."""
    import xarray as xr

    settings, spaces = settings_of(job.study, item), spaces_of(job.study, job.tables, item)
    every = tuple(range(len(spaces)))
    tested, finding = fit_and_test(item, job, spaces, [every[:-1], every], settings)
    (r_without, r), (r2_without, r2) = tested["r"], tested["r2"]
    known = ~np.isnan(r) | ~np.isnan(r_without)
    values = {
        "r": r,
        "r_without": r_without,
        "gain": np.where(known, np.nan_to_num(r) - np.nan_to_num(r_without), np.nan),
        "r2": r2,
        "r2_without": r2_without,
        "unique": r2 - r2_without,
        "cv_score": tested["cv_score"][1],
    }
    ds = xr.Dataset(
        {name: described(BEYOND[name], (UNIT,), column) for name, column in values.items()},
        attrs={"seed": settings.seed, "candidates": settings.candidates},
    )
    return replace(finding, files=store_analysis(job.store, item.key, ds, item.cell))


def _items(scope: ItemSource) -> Iterator[FitBeyond]:
    """List the layers of the grid that are not among the features that they would be compared with."""
    study = scope.study
    for beyond in study.beyond:
        spaces = feature_spaces(study, scope.tables, beyond.spaces)
        known = {(space.network, space.weights, layer) for space in spaces for layer in space.layers}
        for stimuli, network in product(study.stimuli, study.networks):
            for weights, layer in product(scope.weights(network), scope.layers(network)):
                if (network.name, weights, layer.id) not in known:
                    for bin_width in study.bin_widths:
                        yield FitBeyond(stimuli, network.name, weights, layer.id, bin_width, beyond.name)


def _inputs(item: FitBeyond, upstream: Upstream) -> Inputs:
    study = upstream.context.study
    spaces = spaces_of(study, upstream.context.tables, item)
    return fit_inputs(item, upstream, spaces, REVISION) | {item.kind: settings_of(study, item).model_dump()}


def _cost(context: Context, item: FitBeyond, device: str) -> Cost:
    spaces = spaces_of(context.study, context.tables, item)
    every = tuple(range(len(spaces)))
    candidates = settings_of(context.study, item).candidates
    return subsets_cost(context, item, spaces, [every[:-1], every], candidates, device)


def _check(context: Context) -> None:
    """Check that the spaces that layers are compared with are clear, and few; raises ConfigError."""
    for settings in context.study.beyond:
        with in_field(f"beyond: {settings.name}"):
            if len(settings.spaces) >= MOST_SPACES:
                raise ConfigError(
                    f"{len(settings.spaces)} feature spaces; expected {MOST_SPACES - 1} at most beside a layer"
                )
            feature_spaces(context.study, context.tables, settings.spaces)


FITS_BEYOND = WorkKind(
    item=FitBeyond,
    finding=SubsetsFitted,
    items=_items,
    inputs=_inputs,
    outputs=analysis_group,
    cost=_cost,
    run=fit_beyond,
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
    check=_check,
)
