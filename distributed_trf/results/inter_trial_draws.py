"""The distributions behind a unit's normaliser, drawn again: a study keeps their means and medians only.

For simulated recordings also how close predictions come to what the known firing rates allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.study import ReliabilitySettings
from distributed_trf.errors import StoreError
from distributed_trf.recordings.recording_set import TIMIT
from distributed_trf.recordings.simulation.session import open_truth
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.reliability.selection import inter_trial_distributions
from distributed_trf.results.open_results import open_results, study_of
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore

ROUNDING = 1e-9
"""How far the mean of the draws may be from the normaliser in the results; other draws are much further away."""


def inter_trial_draws(
    path: str | Path, session: str, channel: str, *, stimuli: str | None = None, bin_width: float = 50.0
) -> xr.Dataset:
    """Draw the inter-trial correlations of one unit as the study drew them.

    Parameters
    ----------
    path
        The study's output folder, in which the binned responses still are.
    session, channel
        Of the unit.
    stimuli, bin_width
        Stimulus set, by default the only one there, and bin width in ms.

    Returns
    -------
    xarray.Dataset
        ``true`` and ``null`` over ``draw``: Pearson's r of each pairing of presentations, and with one side shifted.
        Means, medians and standard deviation are those in the results.

    Raises
    ------
    StoreError
        If the folder holds no responses (imported results have none), no reliability of this unit, as of one without
        a spike, or draws of other settings or responses than those in the results.

    Examples
    --------
    >>> draws = inter_trial_draws("quickstart/study", "180413", "Ch2")  # doctest: +SKIP
    >>> draws.true.mean(), draws.null.std()  # doctest: +SKIP
    """
    store, ds = StudyStore.open(Path(path)), open_results(path)
    stimuli = store.stimulus_set(stimuli)
    if not store.responses(stimuli, bin_width, session).is_dir():
        raise StoreError(
            f"{store.root}: no responses of session {session} to {stimuli} at {bin_width:g} ms, from which "
            "correlations of single pairings follow; imported results have none, those of a study are read by: "
            "dtrf run STUDY"
        )
    settings = (study_of(ds) or {}).get("reliability")
    if settings is None:
        raise StoreError(f"{store.root}: this study measured no reliability; set `reliability` and run it")
    of_session = (ds["session"].values == session).nonzero()[0]
    channels = ds["channel"].values[of_session].tolist()
    if channel not in channels:
        raise StoreError(f"{store.root}: session {session} has no channel {channel!r}; there are {', '.join(channels)}")
    unit = channels.index(channel)
    counts = load_responses(store, stimuli, bin_width, session)
    tables = PairTables.of([trial[:, :, [unit]] for trial in counts.repeated_trials.values()])
    reliability = ReliabilitySettings.model_validate(settings)
    true, null = inter_trial_distributions(
        tables,
        draws=reliability.draws,
        null_shift=reliability.null_shift,
        seed=reliability.seed,
        key=(stimuli, session, bin_width),
    )
    stored = float(ds["normaliser"].sel({names.STIMULI: stimuli, names.BIN_WIDTH: bin_width})[of_session[unit]])
    if not tables.vary()[0]:
        raise StoreError(
            f"{store.root}: session {session}, channel {channel} never varies in the test stimuli of {stimuli} at "
            f"{bin_width:g} ms, as a unit without a spike there; it has no inter-trial correlation"
        )
    if not abs(true.mean() - stored) < ROUNDING:
        raise StoreError(
            f"{store.root}: the normaliser of session {session}, channel {channel} is {stored:g} in the results, but "
            f"the mean of its draws is {true.mean():g}; run the study again"
        )
    label = {"units": "1"}
    return xr.Dataset(
        {
            "true": ("draw", np.ravel(true), {"long_name": "inter-trial correlation of a draw", **label}),
            "null": ("draw", np.ravel(null), {"long_name": "the same with one side shifted in time", **label}),
        },
        coords={"session": session, "channel": channel, names.STIMULI: stimuli, names.BIN_WIDTH: bin_width},
    )


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
