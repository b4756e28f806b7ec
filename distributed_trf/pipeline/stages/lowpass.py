"""Fits on low-passed features: the time scale of what a layer predicts (Ahmed et al. 2025, Fig 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from distributed_trf.errors import ConfigError
from distributed_trf.names import SPLIT, UNIT
from distributed_trf.pipeline.costs import fit_cost
from distributed_trf.pipeline.items import FitLowpass
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.feature_spaces import texts
from distributed_trf.pipeline.stages.fit import Fitted, fit_inputs, fit_units
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Inputs, Job, Upstream, WorkKind, analysis_group
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS, rows
from distributed_trf.store.analyses import store_analysis

REVISION = 2
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""


def fit_lowpass(item: FitLowpass, job: Job) -> Fitted:
    """Fit and test all units on one layer, its features low-passed, and store r, alpha and cross-validated R^2."""
    import xarray as xr

    data = LayerData(item, [item.space], job.study, job.store, job.device, lowpass_bin=item.lowpass_bin)
    data.evaluation.check_unchanged(job.fingerprint)
    results, _, fitted = fit_units(data, job.study, job.device)
    ds = xr.Dataset({name: ((SPLIT, UNIT)[-column.ndim :], column) for name, column in results.items()})
    if SPLIT in ds.dims:
        ds = ds.assign_coords({SPLIT: texts(data.evaluation.labels)})
    return replace(fitted, files=store_analysis(job.store, item.key, ds, item.cell))


def _items(scope: ItemSource) -> Iterator[FitLowpass]:
    study = scope.study
    for p in study.lowpass:
        for stimuli in study.stimuli:
            for bin_width in study.bin_widths:
                for lowpass_bin in p.lowpass_bins:
                    yield FitLowpass(stimuli, p.network, p.weights, p.layer, bin_width, lowpass_bin)


def _inputs(item: FitLowpass, upstream: Upstream) -> Inputs:
    return fit_inputs(item, upstream, [item.space], REVISION) | {"lowpass": item.lowpass_bin}


def _check(context: Context) -> None:
    """Check that features can be low-passed by bins of the given widths.

    Raises
    ------
    ConfigError
        If a width is below a bin width of the study or is that of whole stimuli, or a stimulus has no bin of it.
    """
    study = context.study
    for settings, cut in ((p, cut) for p in study.lowpass for cut in p.lowpass_bins):
        field = f"lowpass: {settings.network}: lowpass_bins: {cut:g} ms"
        if WHOLE_STIMULUS in (cut, *study.bin_widths):
            raise ConfigError(
                f"{field}: at {WHOLE_STIMULUS:g} ms a stimulus is one bin, which has no time course to low-pass; leave "
                f"{WHOLE_STIMULUS:g} out of lowpass_bins and bin_widths"
            )
        if cut < max(study.bin_widths):
            raise ConfigError(
                f"{field} is below the bin width of {max(study.bin_widths):g} ms that features are fitted at; choose "
                "wider ones, or finer bin_widths"
            )
        for name, sounds in context.stimuli.items():
            short = [s for s in sounds if rows(s.duration, study.lags.lead_in, cut) < 1]
            if short:
                raise ConfigError(
                    f"{field}: stimulus {short[0].id} of {name}, of {short[0].duration:.3f} s, and the silence before "
                    "it are both shorter than half such a bin; leave it out of lowpass_bins"
                )


LOWPASS_FITS = WorkKind(
    item=FitLowpass,
    finding=Fitted,
    items=_items,
    inputs=_inputs,
    outputs=analysis_group,
    cost=lambda context, item, device: fit_cost(context, item, [item.space], device),
    run=fit_lowpass,
    check=_check,
)
