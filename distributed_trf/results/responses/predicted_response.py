"""What one unit did while one sound played, and what a model says it would do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.stages.read_session import load_counts
from distributed_trf.pipeline.stages.read_sounds import load_sounds
from distributed_trf.recordings.find import some_of
from distributed_trf.results.attributes import study_of
from distributed_trf.results.open import open_results
from distributed_trf.results.responses.models import open_models
from distributed_trf.store.study_store import StudyStore


def predicted_response(
    path: str | Path,
    session: str,
    channel: str,
    *,
    network: str,
    layer: int,
    weights: str = "trained",
    stimulus: str | None = None,
    stimuli: str = "timit",
    bin_width: float = 50.0,
) -> xr.Dataset:
    """Put the counts of one unit in all repeats of a test stimulus beside their prediction.

    Parameters
    ----------
    path
        The output folder of a study with ``save_models: true``.
    session, channel
        Of the unit.
    network, layer, weights, stimuli, bin_width
        Of the model; bin width in ms. Spectrograms have layer 0 and weights ``fixed``.
    stimulus
        Id of a test stimulus; by default the first.

    Returns
    -------
    xarray.Dataset
        ``count`` over (repeat, time) and ``predicted`` over time, in counts per bin; ``time`` is the start of each bin,
        seconds from sound onset. ``sound`` over sample_time. ``r`` and ``rho`` of the unit over all test stimuli.

    Raises
    ------
    StoreError
        If there is no such model, unit or test stimulus, or the folder holds no responses.

    Notes
    -----
    Bin k of the prediction is bin k of the counts: the silence before the sound, of which the first lags need the
    features, is cut off. (In the code of Ahmed et al. 2025 predictions kept it, 7 bins at 50 ms.)
    """
    store, ds = StudyStore.open(Path(path)), open_results(path)
    model = open_models(path)[stimuli, network, weights, layer, bin_width]
    if not store.counts(stimuli, bin_width, session).is_dir():
        raise StoreError(f"{store.root}: no responses of session {session} to {stimuli} at {bin_width:g} ms")
    counts = load_counts(store, stimuli, bin_width, session)
    stimulus = counts.test_ids[0] if stimulus is None else stimulus
    if stimulus not in counts.test_ids:
        raise StoreError(
            f"{store.root}: {stimulus!r} is no test stimulus of {stimuli}, which alone are repeated; there are "
            f"{some_of(counts.test_ids)}"
        )
    predicted = model.predict([stimulus], [session], [channel]).isel({names.UNIT: 0})
    of_session = np.flatnonzero(ds["session"].values == session)
    index = ds["channel"].values[of_session].tolist().index(channel)
    place = dict(zip(names.GRID, model.stored.place, strict=True))
    measured = ds[["r", "rho"]].sel(place).isel({names.UNIT: of_session[index]}).load()
    (sound,), sfreq = load_sounds(store, stimuli, [stimulus])
    study = study_of(ds)
    assert study is not None  # models are of studies only
    time = study["delay"] + predicted["time"].values
    seconds = {"units": "s", "long_name": "time from sound onset"}
    return xr.Dataset(
        {
            "count": (("repeat", "time"), counts.test_trials[stimulus][:, :, index], {"long_name": "count per bin"}),
            "predicted": ("time", predicted.values, {"long_name": "predicted count per bin"}),
            "sound": ("sample_time", sound),
            "r": measured["r"],
            "rho": measured["rho"],
        },
        coords={
            "time": ("time", time, {**seconds, "comment": "start of the bin"}),
            "sample_time": ("sample_time", np.arange(sound.size) / sfreq, seconds),
            "stimulus": stimulus,
        },
        attrs={"sfreq": sfreq},
    )
