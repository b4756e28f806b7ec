"""The noise floor of a layer: r of predictions that are shifted in time, which no unit can follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from distributed_trf.arrays import namespace
from distributed_trf.names import UNIT
from distributed_trf.pipeline.costs.fit_cost import fit_cost
from distributed_trf.pipeline.findings import Files, Finding, Remarks
from distributed_trf.pipeline.items import LayerAnalysis
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.fit import fit_inputs, median_r
from distributed_trf.pipeline.stages.fold_groups import collect
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Job, Upstream, WorkKind, analysis_group
from distributed_trf.store.analyses import store_analysis
from distributed_trf.trf.crossval import fit_folds
from distributed_trf.trf.lags import drive, drive_rounding

REVISION = 1
"""Raise when this code gives other numbers than before, so that old ones become stale."""


@dataclass(frozen=True)
class NoiseFloor(LayerAnalysis):
    """Test all units on one layer with predictions that are shifted by half of each test stimulus."""

    kind: ClassVar[str] = "noise-floor"


@dataclass(frozen=True)
class NoiseFloorFound(Finding):
    """What shifted predictions reach."""

    median_r: float | None = None
    """Over units; None if none varies."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sessions that could not be cross-validated, and why."""
    files: Files = field(default_factory=dict)

    def remarks(self) -> Remarks:
        """Return what is told of the item beyond that it is done."""
        return Remarks(fitted=True, median_r=self.median_r, left_out=self.left_out)


def noise_floor(item: NoiseFloor, job: Job) -> NoiseFloorFound:
    """Fit all units on one layer, and correlate shifted predictions with their test responses."""
    ridge = job.study.ridge
    data = LayerData(item, [item.layer], job.study, job.store, job.device)
    r = np.full(data.n_units, np.nan)
    with data.room_told():
        collected, test, left_out = collect(data, job.study, job.device)
        for fold_group, folds in collected:
            solution = fit_folds(folds, ridge.penalties, all_scores=False, unit_block=ridge.unit_block)
            predicted = drive(test, solution.weights, data.lags, data.lead_in)
            rounding = drive_rounding(test, solution.weights, len(data.lags), solution.inverse).sum(axis=0)
            found, _, units = data.correlate(fold_group.columns(), _shifted(predicted, data), rounding)
            r[units] = found
    files = store_analysis(job.store, item.key, xr.Dataset({"r": (UNIT, r)}), item.place)
    return NoiseFloorFound(median_r=median_r(r), left_out=left_out, files=files)


def _shifted(predicted: Any, data: LayerData) -> Any:
    """Shift predictions, shape (bins of all test stimuli, units), by half of each stimulus, its end to its start."""
    xp = namespace(predicted)
    ends = np.cumsum([data.bins[i] for i in data.test_ids]).tolist()
    parts = [predicted[end - data.bins[i] : end, :] for i, end in zip(data.test_ids, ends, strict=True)]
    return xp.concat([xp.roll(part, part.shape[0] // 2, axis=0) for part in parts], axis=0)


def _items(scope: ItemSource) -> Iterator[NoiseFloor]:
    for asked in scope.study.noise_floor:
        for stimuli in scope.study.stimuli:
            for bin_width in scope.study.bin_widths:
                yield NoiseFloor(stimuli, asked.network, asked.weights, asked.layer, bin_width)


def _inputs(item: NoiseFloor, upstream: Upstream) -> dict[str, Any]:
    return fit_inputs(item, upstream, [item.layer], REVISION)


NOISE_FLOORS = WorkKind(
    item=NoiseFloor,
    finding=NoiseFloorFound,
    items=_items,
    inputs=_inputs,
    outputs=analysis_group,
    cost=lambda context, item, device: fit_cost(context, item, [item.layer], device),
    run=noise_floor,
)
