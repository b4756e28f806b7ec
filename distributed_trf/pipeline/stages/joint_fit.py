"""Several layers of a network as one model: one penalty for all, or one for each layer (banded ridge)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from distributed_trf.arrays import take_columns, to_numpy
from distributed_trf.config.analyses import TogetherSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.features.network_table import NetworkTable, chosen_layers
from distributed_trf.names import LAYER, UNIT
from distributed_trf.pipeline.items import FitTogether
from distributed_trf.pipeline.stages.design_data import LayerData
from distributed_trf.pipeline.stages.extract import network_settings
from distributed_trf.pipeline.stages.fit import collect, edges
from distributed_trf.store.analyses import store_analysis
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed
from distributed_trf.trf.banded import band_candidates, band_drives, fit_banded, lagged_bands, variance_shares
from distributed_trf.trf.correlation import mean_over_repeats
from distributed_trf.trf.lags import drive_rounding

REVISION = 2
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def layers(study: StudySettings, table: NetworkTable, item: FitTogether) -> list[int]:
    """Ids of the layers that are fitted together, of those that the study asks for."""
    settings, asked = settings_of(study, item), chosen_layers(table, network_settings(study, item.network))
    return [layer.id for layer in asked if settings.layers == "all" or layer.id in settings.layers]


def settings_of(study: StudySettings, item: FitTogether) -> TogetherSettings:
    """Return what the study asks of an item."""
    return next(t for t in study.together if t.network == item.network)


def fit_together(
    item: FitTogether, study: StudySettings, table: NetworkTable, store: StudyStore, device: str
) -> dict[str, Any]:
    """Fit and test all units on the layers side by side, and store r and each layer's share of the explained variance.

    Without bands there is one penalty for all layers, which are then equal-weighted bands: the shares are told as well.
    """
    settings, ids = settings_of(study, item), layers(study, table, item)
    data = LayerData(item, ids, study, store, device)
    bands = lagged_bands(data.widths, len(data.lags))
    candidates = band_candidates(len(ids), settings.candidates if settings.bands == "layer" else 1, settings.seed)
    with data.room_told():
        collected, test, left_out = collect(data, study, device)
    of_unit = {name: np.full(data.n_units, np.nan) for name in ("r", "alpha", "cv_score")}
    of_layer = {name: np.full((len(ids), data.n_units), np.nan) for name in ("share", "band_weight")}
    fallbacks: list[str] = []
    with data.room_told():
        while collected:  # each fold group's sums are let go before the next is solved
            fold_group, folds = collected.pop(0)
            fit = fit_banded(folds, study.ridge.penalties, bands, candidates, unit_block=study.ridge.unit_block)
            fallbacks += fit.fallbacks
            with timed("test"):
                parts = band_drives(test, fit.weights, data.lags, data.lead_in, data.widths)
                rounding = drive_rounding(test, fit.weights, len(data.lags), fit.inverse).sum(axis=0)
                alpha, scores, weights = (to_numpy(a) for a in (fit.alpha, fit.cv_scores, fit.band_weights))
                for recorded, columns, units in data.recorded(fold_group.columns()):
                    own, off = take_columns(parts, columns), take_columns(rounding, columns)
                    of_unit["r"][units] = to_numpy(mean_over_repeats(recorded, own.sum(axis=0), off))
                    of_unit["alpha"][units], of_unit["cv_score"][units] = alpha[columns], scores.max(axis=0)[columns]
                    of_layer["share"][:, units] = to_numpy(variance_shares(recorded, own, off)[1])
                    of_layer["band_weight"][:, units] = weights[:, columns]
    ds = xr.Dataset(
        {name: (UNIT, column) for name, column in of_unit.items()}
        | {name: ((LAYER, UNIT), table) for name, table in of_layer.items()},
        coords={LAYER: ids},
        attrs={"seed": settings.seed, "bands": settings.bands},
    )
    place = {
        "stimuli": item.stimuli,
        "network": item.network,
        "weights": item.weights,
        "bin_width": item.bin_width,
    }
    files = store_analysis(store, item.key, ds, place)
    r = of_unit["r"]
    return {
        "layers": ids,
        "median_r": float(np.nanmedian(r)) if np.isfinite(r).any() else None,
        **edges(of_unit["alpha"], study),
        "fallbacks": fallbacks,
        "left_out": left_out,
        "files": files,
    }
