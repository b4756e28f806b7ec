"""Features and responses of a study side by side, sound by sound, for models that this package does not fit.

What is read is what the study's own fits read: the same bins, the same lead-in, the same presentations, the same folds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.evaluation import NO_PART, TESTED, Evaluation
from distributed_trf.pipeline.provenance import study_of
from distributed_trf.recordings.binned_features import WHOLE_SOUND, binned_features
from distributed_trf.recordings.recording_set import lead_in_bins
from distributed_trf.results.open_results import portable
from distributed_trf.store.features import NetworkFeatures, open_features
from distributed_trf.store.results import has_results, requested_grid, session_units, stored_attributes
from distributed_trf.store.stored_recordings import SPIKES, BinnedResponses, load_responses
from distributed_trf.store.study_store import StudyStore

ROLES = ("unused", "test", "train")


def design(
    path: str | Path,
    session: str,
    network: str,
    layer: int = 0,
    *,
    weights: str = "fixed",
    stimuli: str | None = None,
    bin_width: float = 50.0,
) -> dict[str, xr.Dataset]:
    """Read the features of a layer beside the responses of a session, for each sound that was presented to it.

    Parameters
    ----------
    path
        The study's output folder, in which features and binned responses still are.
    session
        Its name.
    network, layer, weights
        Whose features.
    stimuli, bin_width
        Stimulus set, by default the only one there, and milliseconds of the bins; one of those of the study.

    Returns
    -------
    dict of str to xarray.Dataset
        By stimulus, in the order of the set. ``features`` over (time, feature), float64; ``response`` over (repeat,
        time, unit), float64 counts of spikes per bin, means of a signal, or values: all presentations, in the order in
        which they were recorded. ``time`` is the start of a bin in seconds from sound onset, below 0 in the lead-in:
        there features are those of the silence before the sound, and responses are NaN, since none were binned.
        ``ds.sel(time=slice(0, None))`` is without it. Along unit lie ``session``, ``channel`` and the other labels of
        the results.

        ``role`` is ``train``, ``test`` or ``unused``, and ``fold`` the number from 1 of the fold in which a training
        stimulus is held out while the penalty is chosen (0 for the others); in a study that tests by folds, groups or
        splits both lie along ``split``. The attribute ``lead_in`` is the number of bins before onset, ``training`` says
        which presentations of a training sound the study fits: ``first``, the ``mean`` or ``all``. Tested are the
        earliest repeats, as many as every tested stimulus has. All of it is in memory at once.

    Raises
    ------
    StoreError
        If the folder holds no study, or no such features or responses.

    Examples
    --------
    >>> sounds = design("quickstart/study", "180413", "mel_whisper")  # doctest: +SKIP
    >>> train = [ds for ds in sounds.values() if ds.role == "train"]  # doctest: +SKIP
    >>> X = [ds.features.values for ds in train]  # doctest: +SKIP
    >>> Y = [ds.response.sel(time=slice(0, None)).values[0] for ds in train]  # doctest: +SKIP
    >>> TRF(0, 0.2, sfreq=20, lead_in=train[0].lead_in).fit(X, Y)  # doctest: +SKIP
    """
    store = StudyStore.open(Path(path))
    if not has_results(store):
        raise StoreError(f"{store.root}: no results yet; run the study first: dtrf run STUDY")
    study = study_of(stored_attributes(store.results))
    if study is None:
        raise StoreError(
            f"{store.root}: the results hold no settings of a study, as imported ones do, from which lags and folds "
            "follow; give the output folder of a study"
        )
    stimuli = store.stimulus_set(stimuli)
    responses = _responses(store, stimuli, bin_width, session)
    features = open_features(path)[stimuli, network, weights]
    lead_in = lead_in_bins(study.lags.lead_in, bin_width)
    roles = _roles(study, stimuli, features, responses)
    of_session = session_units(store.results)[session]
    labels = portable(requested_grid(store.results).coords().isel({names.UNIT: of_session})).coords
    units = {name: label.drop_vars(label.coords) for name, label in labels.items() if label.dims == (names.UNIT,)}
    attrs = {
        names.STIMULI: stimuli,
        names.NETWORK: network,
        names.WEIGHTS: weights,
        names.LAYER: layer,
        names.BIN_WIDTH: bin_width,
        "lead_in": lead_in,
        "training": study.training,
    }
    average = None if responses.response == SPIKES else study.feature_window or WHOLE_SOUND
    found = {}
    for stimulus, x in binned_features(features, layer, bin_width, average=average):
        if stimulus in roles:
            found[stimulus] = xr.Dataset(
                {
                    "features": (("time", "feature"), x, {"long_name": f"{network}, layer {layer}"}),
                    "response": (("repeat", "time", names.UNIT), _after(lead_in, responses.trials(stimulus))),
                },
                coords={"time": _starts(x.shape[0], lead_in, bin_width), **units, **roles[stimulus]},
                attrs={**attrs, "stimulus": stimulus},
            )
            found[stimulus]["response"].attrs = _said_of(responses)
    return found


def _responses(store: StudyStore, stimuli: str, bin_width: float, session: str) -> BinnedResponses:
    known = session_units(store.results)
    if session not in known:
        raise StoreError(f"{store.root}: no session {session!r}; there are {', '.join(known)}")
    if not store.responses(stimuli, bin_width, session).is_dir():
        raise StoreError(
            f"{store.root}: no responses of session {session} to {stimuli} at {bin_width:g} ms; name a stimulus set "
            "that was presented to it and one of the `bin_widths` of the study, and run it first: dtrf run STUDY"
        )
    return load_responses(store, stimuli, bin_width, session)


def _roles(
    study: StudySettings, stimuli: str, features: NetworkFeatures, responses: BinnedResponses
) -> dict[str, dict[str, xr.DataArray]]:
    """Return ``role`` and ``fold`` of each stimulus that was presented, as the fits of the session deal them."""
    presented = (*responses.train_ids, *responses.test_ids)
    evaluation = Evaluation.of(study, stimuli, features.layout.stimuli, responses.test_ids)
    if reason := evaluation.shortage(presented):
        raise StoreError(f"the session is left out of the study's fits: {reason}; choose another")
    dealt = evaluation.for_session(presented, own=study.ridge.folds == "per_session")
    split = {"split": list(evaluation.labels)} if evaluation.labels else {}
    found = {}
    for stimulus, row in zip(evaluation.stimuli, dealt, strict=True):
        if stimulus in presented:
            role = [ROLES[(k != NO_PART) + (k > TESTED)] for k in row.tolist()]
            fold = np.maximum(row, 0)
            both = {"role": np.array(role, dtype=object).astype(str), "fold": fold}
            found[stimulus] = {
                name: xr.DataArray(values if split else values[0], coords=split, dims=list(split))
                for name, values in both.items()
            }
    return found


def _starts(n: int, lead_in: int, bin_width: float) -> xr.DataArray:
    times = (np.arange(n) - lead_in) * bin_width / 1000
    return xr.DataArray(times, dims="time", attrs={"units": "s", "long_name": "start of the bin, from sound onset"})


def _after(lead_in: int, trials: np.ndarray) -> np.ndarray:
    """Put NaN for the lead-in before responses of shape (repeats, bins, units)."""
    return np.pad(trials.astype(np.float64), ((0, 0), (lead_in, 0), (0, 0)), constant_values=np.nan)


def _said_of(responses: BinnedResponses) -> dict[str, str]:
    return {"long_name": "spikes per bin" if responses.response == SPIKES else responses.response, "units": "1"}
