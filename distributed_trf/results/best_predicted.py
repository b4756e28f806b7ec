"""Units that are predicted best, and the response of one unit to one sound beside its prediction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.results.layers import spectrograms, usual_chooser
from distributed_trf.results.models import open_models
from distributed_trf.results.open_results import open_results, study_of
from distributed_trf.store.result_grid import Cell
from distributed_trf.store.stored_recordings import SPIKES, load_responses, load_sounds
from distributed_trf.store.study_store import StudyStore

FIXED_ONLY = "predictions beside responses are those of studies with `test: {set: test}`"


@dataclass(frozen=True)
class Example:
    """One unit, and one fit that predicts it."""

    session: str
    channel: str
    network: str
    layer: int
    weights: str = "trained"
    stimulus: str | None = None
    """A test stimulus; None for the first."""


def best_predicted(ds: xr.Dataset, cells: Iterable[Cell], n: int = 2, by: str | None = None) -> list[Example]:
    """Choose the unit of highest rho in the best layer of each of several networks: examples, not estimates.

    Parameters
    ----------
    ds
        Results of ``open_results``, of units whose rho can be trusted: see ``select_units`` and its ``delta``.
    cells
        Fits to choose among: (stimuli, network, weights, layer, bin width in ms).
    n
        How many examples.
    by
        The number whose median over units says which fit of a network is best, and which network: by default
        ``cv_score``, and ``rho`` where results have none.

    Returns
    -------
    list of Example
        Of the networks whose best layer has the highest median over units, of each with the weights and layer that
        reach it; spectrograms only where there are fewer than ``n`` networks. Each network has another unit. Fewer
        than ``n`` where networks or units are fewer.
    """
    best: dict[str, tuple[float, Cell]] = {}
    by = by or usual_chooser(ds, "rho")[0]
    for cell in cells:
        values = np.where(np.isfinite(_of_cell(ds, "rho", cell)), _of_cell(ds, by, cell), np.nan)
        if np.isfinite(values).any():
            median = float(np.nanmedian(values))
            if cell[1] not in best or median > best[cell[1]][0]:
                best[cell[1]] = median, cell
    last = spectrograms(ds)
    chosen: list[Example] = []
    taken = np.zeros(ds.sizes[names.UNIT], dtype=bool)
    for network in sorted(best, key=lambda network: (network in last, -best[network][0])):
        _, cell = best[network]
        rho = np.where(taken, np.nan, _of_cell(ds, "rho", cell))
        if len(chosen) == n or not np.isfinite(rho).any():
            break
        unit = int(np.nanargmax(rho))
        taken[unit] = True
        session, channel = (str(ds[name].values[unit]) for name in ("session", "channel"))
        chosen.append(Example(session, channel, network, cell[3], cell[2]))
    return chosen


def _of_cell(ds: xr.Dataset, variable: str, cell: Cell) -> np.ndarray:
    return ds[variable].sel(dict(zip(names.GRID, cell, strict=True))).values


def predicted_response(
    path: str | Path,
    session: str,
    channel: str,
    *,
    network: str,
    layer: int,
    weights: str = "trained",
    stimulus: str | None = None,
    stimuli: str | None = None,
    bin_width: float = 50.0,
) -> xr.Dataset:
    """Put the responses of one unit to all repeats of a test stimulus beside their prediction.

    Parameters
    ----------
    path
        The output folder of a study with ``save_models: true``.
    session, channel
        Of the unit.
    network, layer, weights, stimuli, bin_width
        Of the model; bin width in ms, the stimulus set by default the only one there. Spectrograms have layer 0 and
        weights ``fixed``.
    stimulus
        Id of a test stimulus; by default the first.

    Returns
    -------
    xarray.Dataset
        ``count`` (of spikes) or ``response`` (of others) over (repeat, time), and ``predicted`` over time, in the same
        unit, which for spikes is counts per bin; ``time`` is the start of each bin, seconds from sound onset.
        ``sound`` over sample_time. ``r`` and ``rho`` of the unit over all test stimuli.

    Raises
    ------
    StoreError
        If there is no such model, unit or test stimulus, or the folder holds no responses.

    Notes
    -----
    Bin k of the prediction is bin k of the responses: the silence before the sound, of which the first lags need the
    features, is cut off. (In the code of Ahmed et al. 2025 predictions kept it, 7 bins at 50 ms.)
    """
    store, ds = StudyStore.open(Path(path)), open_results(path)
    stimuli = store.stimulus_set(stimuli)
    model = open_models(path)[stimuli, network, weights, layer, bin_width]
    if not store.responses(stimuli, bin_width, session).is_dir():
        raise StoreError(f"{store.root}: no responses of session {session} to {stimuli} at {bin_width:g} ms")
    counts = load_responses(store, stimuli, bin_width, session)
    if not counts.test_ids:
        raise StoreError(
            f"{store.root}: the study tests all stimuli in turn, and its models were fitted on all of them at once, so "
            f"that none predicts a stimulus that it has not seen; {FIXED_ONLY}"
        )
    stimulus = counts.test_ids[0] if stimulus is None else stimulus
    if stimulus not in counts.test_ids:
        raise StoreError(
            f"{store.root}: {stimulus!r} is no test stimulus of {stimuli}, which alone are repeated; there are "
            f"{some_of(counts.test_ids)}"
        )
    predicted = model.predict([stimulus], [session], [channel]).isel({names.UNIT: 0})
    of_session = np.flatnonzero(ds["session"].values == session)
    index = ds["channel"].values[of_session].tolist().index(channel)
    cell = dict(zip(names.GRID, model.stored.cell, strict=True))
    measured = ds[["r", "rho"]].sel(cell).isel({names.UNIT: of_session[index]}).load()
    (sound,), sfreq = load_sounds(store, stimuli, [stimulus])
    study = study_of(ds)
    assert study is not None  # models are of studies only
    time = study["delay"] + predicted["time"].values
    seconds = {"units": "s", "long_name": "time from sound onset"}
    recorded, unit = ("count", "count per bin") if counts.response == SPIKES else ("response", counts.response)
    return xr.Dataset(
        {
            recorded: (("repeat", "time"), counts.test_trials[stimulus][:, :, index], {"long_name": unit}),
            "predicted": ("time", predicted.values, {"long_name": f"predicted {unit}"}),
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
