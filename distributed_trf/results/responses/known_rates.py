"""How close simulated recordings' predictions come to what their known firing rates allow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf.recordings.recording_set import TIMIT
from distributed_trf.recordings.simulation.truth import open_truth
from distributed_trf.results.attributes import study_of


@dataclass(frozen=True)
class CeilingDistance:
    """The driving feature against the ceiling on sentences, over driven units; and what units of pure noise got."""

    feature: str
    ceiling: float
    """Median correlation that the known rates have with the recorded counts."""
    r: float
    """Median test correlation of the driving feature."""
    distance: float
    """Median over units of ceiling minus r."""
    noise: float
    """Largest ``|r|`` of a unit that nothing drives."""


def ceiling_distance(ds: xr.Dataset) -> CeilingDistance | None:
    """Compare with the truth that a simulation keeps; None for real recordings or without the driving feature.

    The ceiling of a unit is the correlation of its known expected counts with the counts of each test repeat, averaged
    over repeats: what a perfect predictor would get on the same test.
    """
    recordings = (study_of(ds) or {}).get("recordings", {}).get("path")
    truth = None if recordings is None else open_truth(Path(recordings))
    if truth is None:
        return None
    feature, bin_width = truth.attrs["feature"], float(truth.attrs["bin_width"])
    if feature not in ds["network"].values or bin_width not in ds["bin_width"].values:
        return None
    same = [list(ds[name].values) == list(truth[name].values) for name in ("session", "channel")]
    if not all(same):
        return None
    r = ds["r"].sel(stimuli=TIMIT, network=feature, weights="fixed", layer=0, bin_width=bin_width).values
    driven, ceiling = truth["driven"].values, truth["ceiling"].sel(stimuli=TIMIT).values
    if not np.isfinite(r[driven]).any():
        return None
    return CeilingDistance(
        feature=feature,
        ceiling=float(np.nanmedian(ceiling[driven])),
        r=float(np.nanmedian(r[driven])),
        distance=float(np.nanmedian((ceiling - r)[driven])),
        noise=float(np.nanmax(np.abs(r[~driven]))) if (~driven).any() else float("nan"),
    )
