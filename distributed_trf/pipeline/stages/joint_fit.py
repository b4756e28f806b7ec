"""Feature spaces as one model: layers of a network, or spaces of several; one penalty for all, or for each space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from distributed_trf.arrays import take_columns, to_numpy
from distributed_trf.config.joint import JointSettings, TogetherSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.features.table import NetworkTable, chosen_layers
from distributed_trf.names import LAYER, SPACE, UNIT
from distributed_trf.pipeline.costs import Cost, fit_cost
from distributed_trf.pipeline.items import FeatureSpace, FitJoint, FitTogether
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.extract import network_settings
from distributed_trf.pipeline.stages.feature_spaces import feature_spaces, in_field, texts
from distributed_trf.pipeline.stages.fit import fit_inputs, median_r
from distributed_trf.pipeline.stages.fold_groups import collect_splits
from distributed_trf.pipeline.stages.tested_fits import at_rows, geometric_mean
from distributed_trf.pipeline.stages.unit_scores import mean_of_defined
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Files, Finding, Inputs, Job, Remarks, Upstream, WorkKind, analysis_group
from distributed_trf.store.analyses import store_analysis
from distributed_trf.timing import timed
from distributed_trf.trf.banded import band_candidates, band_drives, fit_banded, lagged_bands, variance_shares
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.crossval import at_edges
from distributed_trf.trf.lags import drive_rounding

REVISION = 2
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""
SMALLER = "fewer layers in each of `together` and `joint`, or a smaller `ridge.unit_block`"


@dataclass(frozen=True)
class JointlyFitted(Finding):
    """The fits of all units on several feature spaces as one model."""

    layers: list[int] = field(default_factory=list)
    """Ids of the layers, each of which is a space, where they are of one network."""
    median_r: float | None = None
    """Over units; None if no unit varies."""
    units_at_first_alpha: int = 0
    units_at_last_alpha: int = 0
    fallbacks: list[str] = field(default_factory=list)
    """Factorisations that failed their check."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that could not be cross-validated, and why."""
    files: Files = field(default_factory=dict)

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks(fitted=True, median_r=self.median_r, left_out=self.left_out, fallbacks=self.fallbacks)


def settings_of(study: StudySettings, item: FitTogether | FitJoint) -> TogetherSettings | JointSettings:
    """Return the settings of an item."""
    if isinstance(item, FitTogether):
        return next(t for t in study.together if t.network == item.network)
    return next(j for j in study.joint if j.name == item.joint)


def joint_spaces(
    study: StudySettings, tables: Mapping[str, NetworkTable], item: FitTogether | FitJoint
) -> tuple[FeatureSpace, ...]:
    """Return the feature spaces that are fitted as one model: of layers of one network each is a space."""
    settings = settings_of(study, item)
    if isinstance(settings, JointSettings):
        return feature_spaces(study, tables, settings.spaces)
    assert isinstance(item, FitTogether)  # as its settings are
    chosen = chosen_layers(tables[item.network], network_settings(study, item.network))
    ids = [layer.id for layer in chosen if settings.layers == "all" or layer.id in settings.layers]
    return tuple(FeatureSpace(item.network, item.weights, (layer,)) for layer in ids)


def n_candidates(settings: TogetherSettings | JointSettings) -> int:
    """Return how many band weights are tried; one, equal weights, is one penalty for all spaces."""
    return 1 if settings.bands == "none" else settings.candidates


def fit_jointly(item: FitTogether | FitJoint, job: Job) -> JointlyFitted:
    """Fit and test all units on spaces side by side, and store r and each one's share of the explained variance.

    Without bands all spaces have one penalty, as bands of equal weight, so that shares are stored as well. Where
    a study tests by splits all numbers are means over splits.
    """
    study, store, device = job.study, job.store, job.device
    settings, spaces = settings_of(study, item), joint_spaces(study, job.tables, item)
    data = LayerData(item, spaces, study, store, device)
    data.evaluation.check_unchanged(job.fingerprint)
    bands = lagged_bands(data.widths, len(data.lags))
    candidates = band_candidates(len(spaces), n_candidates(settings), settings.seed)
    n_splits = len(data.evaluation.labels) or 1
    fallbacks: list[str] = []
    found = {name: np.full((n_splits, data.n_units), np.nan) for name in ("r", "alpha", "cv_score")}
    found |= {name: np.full((n_splits, len(spaces), data.n_units), np.nan) for name in ("share", "band_weight")}
    with data.explained_memory():
        collected = collect_splits(data, study, device)
        while collected.groups:  # the sums of each fold group are freed before the next group is solved
            group, collector = collected.groups.pop(0)
            for k in range(n_splits):
                folds, tested = collector.folds(k), group.tested(k)
                fit = fit_banded(folds, study.ridge.penalties, bands, candidates, unit_block=study.ridge.unit_block)
                fallbacks += fit.fallbacks
                with timed("test"):
                    test = [collected.tested[i] for i in tested]
                    parts = band_drives(test, fit.weights, data.lags, data.lead_in, data.widths)
                    rounding = drive_rounding(test, fit.weights, len(data.lags), fit.inverse).sum(axis=0)
                    alpha, scores, weights = (to_numpy(a) for a in (fit.alpha, fit.cv_scores, fit.band_weights))
                    for recorded in data.presented(group.columns(), tested):
                        columns, units, responses = recorded.columns, recorded.units, recorded.responses
                        drives = at_rows(take_columns(parts, columns), recorded.rows)
                        error = take_columns(rounding, columns)
                        found["r"][k, units] = to_numpy(mean_over_repeats(responses, drives.sum(axis=0), error))
                        found["alpha"][k, units], found["cv_score"][k, units] = (
                            alpha[columns],
                            scores.max(axis=0)[columns],
                        )
                        found["share"][k][:, units] = to_numpy(variance_shares(responses, drives, error)[1])
                        found["band_weight"][k][:, units] = weights[:, columns]
    import xarray as xr

    unit_values = {
        "r": mean_of_defined(found["r"]),
        "alpha": geometric_mean(found["alpha"]),
        "cv_score": mean_of_defined(found["cv_score"]),
    }
    space_values = {name: mean_of_defined(found[name]) for name in ("share", "band_weight")}
    layers = [layer for space in spaces for layer in space.layers] if isinstance(settings, TogetherSettings) else []
    axis, labels = (SPACE, texts(settings.spaces)) if isinstance(settings, JointSettings) else (LAYER, layers)
    ds = xr.Dataset(
        {name: (UNIT, column) for name, column in unit_values.items()}
        | {name: ((axis, UNIT), table) for name, table in space_values.items()},
        coords={axis: labels},
        attrs={"seed": settings.seed, "bands": settings.bands},
    )
    # A unit counts if any of its splits chose the first, or the last, penalty.
    first, _ = at_edges(found["alpha"].min(axis=0), study.ridge.penalties)
    _, last = at_edges(found["alpha"].max(axis=0), study.ridge.penalties)
    return JointlyFitted(
        layers=layers,
        median_r=median_r(unit_values["r"]),
        units_at_first_alpha=first,
        units_at_last_alpha=last,
        fallbacks=fallbacks,
        left_out=collected.left_out,
        files=store_analysis(store, item.key, ds, item.cell),
    )


def _together(scope: ItemSource) -> Iterator[FitTogether]:
    study = scope.study
    for together in study.together:
        for weights in scope.weights(network_settings(study, together.network)):
            for stimuli in study.stimuli:
                for bin_width in study.bin_widths:
                    yield FitTogether(stimuli, together.network, weights, bin_width)


def _joint(scope: ItemSource) -> Iterator[FitJoint]:
    study = scope.study
    for joint, stimuli, bin_width in product(study.joint, study.stimuli, study.bin_widths):
        yield FitJoint(stimuli, joint.name, bin_width)


def _inputs(item: FitTogether | FitJoint, upstream: Upstream) -> Inputs:
    context = upstream.context
    inputs = fit_inputs(item, upstream, joint_spaces(context.study, context.tables, item), REVISION)
    return inputs | {item.kind: settings_of(context.study, item).model_dump()}


def _cost(context: Context, item: FitTogether | FitJoint, device: str) -> Cost:
    spaces = joint_spaces(context.study, context.tables, item)
    return fit_cost(context, item, spaces, device, fits=n_candidates(settings_of(context.study, item)))


def _check(context: Context) -> None:
    """Check that the spaces of each joint fit are clear; raises ConfigError."""
    for settings in context.study.joint:
        with in_field(f"joint: {settings.name}"):
            feature_spaces(context.study, context.tables, settings.spaces)


JOINT_FITS = WorkKind(
    item=FitTogether,
    finding=JointlyFitted,
    items=_together,
    inputs=_inputs,
    outputs=analysis_group,
    cost=_cost,
    run=fit_jointly,
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
)
SPACES_JOINED = WorkKind(
    item=FitJoint,
    finding=JointlyFitted,
    items=_joint,
    inputs=_inputs,
    outputs=analysis_group,
    cost=_cost,
    run=fit_jointly,
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
    check=_check,
)
