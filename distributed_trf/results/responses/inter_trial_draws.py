"""The distributions behind a unit's normaliser, drawn again: a study keeps their means and medians only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.study import ReliabilitySettings
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.stages.read_session import load_counts
from distributed_trf.reliability.distributions import inter_trial_distributions
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.results.attributes import study_of
from distributed_trf.results.open import open_results
from distributed_trf.store.study_store import StudyStore

ROUNDING = 1e-9
"""How far the mean of the draws may be from the normaliser in the results; other draws are much further away."""


def inter_trial_draws(
    path: str | Path, session: str, channel: str, *, stimuli: str = "timit", bin_width: float = 50.0
) -> xr.Dataset:
    """Draw the inter-trial correlations of one unit as the study drew them.

    Parameters
    ----------
    path
        The study's output folder, in which the binned responses still are.
    session, channel
        Of the unit.
    stimuli, bin_width
        Stimulus set, and bin width in ms.

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
    if not store.counts(stimuli, bin_width, session).is_dir():
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
    counts = load_counts(store, stimuli, bin_width, session)
    tables = PairTables.of([trial[:, :, [unit]] for trial in counts.test_trials.values()])
    asked = ReliabilitySettings.model_validate(settings)
    true, null = inter_trial_distributions(
        tables, draws=asked.draws, null_shift=asked.null_shift, seed=asked.seed, key=(stimuli, session, bin_width)
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
