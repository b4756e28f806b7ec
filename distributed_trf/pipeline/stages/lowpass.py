"""Fits on low-passed features: how fast what a layer tells of the responses is (Ahmed et al. 2025, Fig 4)."""

from __future__ import annotations

from typing import Any

import xarray as xr

from distributed_trf.config.analyses import LowpassSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError
from distributed_trf.names import UNIT
from distributed_trf.pipeline.items import FitLowpass
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.fit import fit_units
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS, Stimulus, rows
from distributed_trf.store.analyses import store_analysis
from distributed_trf.store.study_store import StudyStore

REVISION = 2
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def fit_lowpass(item: FitLowpass, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    """Fit and test all units on one layer, its features low-passed, and store r, alpha and cross-validated R^2."""
    data = LayerData(item, [item.layer], study, store, device, lowpass_bin=item.lowpass_bin)
    results, _, details = fit_units(data, study, device)
    ds = xr.Dataset({name: (UNIT, column) for name, column in results.items()})
    place = {
        "stimuli": item.stimuli,
        "network": item.network,
        "weights": item.weights,
        "layer": item.layer,
        "bin_width": item.bin_width,
        "lowpass_bin": item.lowpass_bin,
    }
    return {**details, "files": store_analysis(store, item.key, ds, place)}


def check_lowpass(asked: LowpassSettings, study: StudySettings, stimuli: dict[str, tuple[Stimulus, ...]]) -> None:
    """Check that features can go through bins of the widths that are asked for.

    Raises
    ------
    ConfigError
        If a width is below a bin width of the study or is that of whole stimuli, or a stimulus has no bin of it.
    """
    for cut in asked.lowpass_bins:
        field = f"lowpass: {asked.network}: lowpass_bins: {cut:g} ms"
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
        for name, sounds in stimuli.items():
            short = [s for s in sounds if rows(s.duration, study.lags.lead_in, cut) < 1]
            if short:
                raise ConfigError(
                    f"{field}: stimulus {short[0].id} of {name}, of {short[0].duration:.3f} s, and the silence before "
                    "it are both shorter than half such a bin; leave it out of lowpass_bins"
                )
