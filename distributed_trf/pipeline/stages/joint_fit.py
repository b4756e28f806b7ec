"""Several layers of a network as one model: one penalty for all, or one for each layer (banded ridge)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from distributed_trf.arrays import take_columns, to_numpy
from distributed_trf.config.analyses import TogetherSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.features.table import NetworkTable, chosen_layers
from distributed_trf.names import LAYER, UNIT
from distributed_trf.pipeline.costs import Cost, fit_cost
from distributed_trf.pipeline.items import FitTogether
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.extract import network_settings
from distributed_trf.pipeline.stages.fit import fit_inputs, median_r
from distributed_trf.pipeline.stages.fold_groups import collect
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
SMALLER = "fewer layers in each of `together`, or a smaller `ridge.unit_block`"


@dataclass(frozen=True)
class JointlyFitted(Finding):
    """The fits of all units on several layers as one model."""

    layers: list[int] = field(default_factory=list)
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


def joint_layers(study: StudySettings, table: NetworkTable, item: FitTogether) -> list[int]:
    """Return the ids of the study's layers that are fitted as one model."""
    settings, chosen = settings_of(study, item), chosen_layers(table, network_settings(study, item.network))
    return [layer.id for layer in chosen if settings.layers == "all" or layer.id in settings.layers]


def settings_of(study: StudySettings, item: FitTogether) -> TogetherSettings:
    """Return the settings of an item."""
    return next(t for t in study.together if t.network == item.network)


def fit_together(item: FitTogether, job: Job) -> JointlyFitted:
    """Fit and test all units on the layers side by side, and store r and each layer's share of the explained variance.

    Without bands all layers have one penalty, as bands of equal weight, so that shares are stored as well.
    """
    study, store, device = job.study, job.store, job.device
    settings, ids = settings_of(study, item), joint_layers(study, job.tables[item.network], item)
    data = LayerData(item, ids, study, store, device)
    bands = lagged_bands(data.widths, len(data.lags))
    candidates = band_candidates(len(ids), settings.candidates if settings.bands == "layer" else 1, settings.seed)
    with data.explained_memory():
        collected, test, left_out = collect(data, study, device)
    unit_values = {name: np.full(data.n_units, np.nan) for name in ("r", "alpha", "cv_score")}
    layer_values = {name: np.full((len(ids), data.n_units), np.nan) for name in ("share", "band_weight")}
    fallbacks: list[str] = []
    with data.explained_memory():
        while collected:  # the sums of each fold group are freed before the next group is solved
            fold_group, folds = collected.pop(0)
            fit = fit_banded(folds, study.ridge.penalties, bands, candidates, unit_block=study.ridge.unit_block)
            fallbacks += fit.fallbacks
            with timed("test"):
                parts = band_drives(test, fit.weights, data.lags, data.lead_in, data.widths)
                rounding = drive_rounding(test, fit.weights, len(data.lags), fit.inverse).sum(axis=0)
                alpha, scores, weights = (to_numpy(a) for a in (fit.alpha, fit.cv_scores, fit.band_weights))
                for recorded, columns, units in data.recorded(fold_group.columns()):
                    drives, error = take_columns(parts, columns), take_columns(rounding, columns)
                    unit_values["r"][units] = to_numpy(mean_over_repeats(recorded, drives.sum(axis=0), error))
                    unit_values["alpha"][units], unit_values["cv_score"][units] = (
                        alpha[columns],
                        scores.max(axis=0)[columns],
                    )
                    layer_values["share"][:, units] = to_numpy(variance_shares(recorded, drives, error)[1])
                    layer_values["band_weight"][:, units] = weights[:, columns]
    ds = xr.Dataset(
        {name: (UNIT, column) for name, column in unit_values.items()}
        | {name: ((LAYER, UNIT), table) for name, table in layer_values.items()},
        coords={LAYER: ids},
        attrs={"seed": settings.seed, "bands": settings.bands},
    )
    first, last = at_edges(unit_values["alpha"], study.ridge.penalties)
    return JointlyFitted(
        layers=ids,
        median_r=median_r(unit_values["r"]),
        units_at_first_alpha=first,
        units_at_last_alpha=last,
        fallbacks=fallbacks,
        left_out=left_out,
        files=store_analysis(store, item.key, ds, item.cell),
    )


def _items(scope: ItemSource) -> Iterator[FitTogether]:
    study = scope.study
    for together in study.together:
        for weights in scope.weights(network_settings(study, together.network)):
            for stimuli in study.stimuli:
                for bin_width in study.bin_widths:
                    yield FitTogether(stimuli, together.network, weights, bin_width)


def _inputs(item: FitTogether, upstream: Upstream) -> Inputs:
    study, table = upstream.context.study, upstream.context.tables[item.network]
    inputs = fit_inputs(item, upstream, joint_layers(study, table, item), REVISION)
    return inputs | {"together": settings_of(study, item).model_dump()}


def _cost(context: Context, item: FitTogether, device: str) -> Cost:
    settings = settings_of(context.study, item)
    fits = settings.candidates if settings.bands == "layer" else 1
    layers = joint_layers(context.study, context.tables[item.network], item)
    return fit_cost(context, item, layers, device, fits=fits)


JOINT_FITS = WorkKind(
    item=FitTogether,
    finding=JointlyFitted,
    items=_items,
    inputs=_inputs,
    outputs=analysis_group,
    cost=_cost,
    run=fit_together,
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
)
