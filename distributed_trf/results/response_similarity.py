"""How alike layers and responses are, by the dissimilarities of their patterns, with noise ceilings.

The pattern of a bin, or of a stimulus, is for a layer the values of its features and for a session or subject the
responses of its units. What a layer reaches is the mean over repeats, or over subjects, of its comparison with the
dissimilarities of each; so it can be held against the noise ceiling, which is such a mean too (Nili et al. 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from distributed_trf.arrays import Array, namespace, take_rows, to_device, to_numpy
from distributed_trf.errors import DataError
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS
from distributed_trf.results.representations import REPRESENTATION, StoredLayer, labels, stored_layers
from distributed_trf.similarity.rsa import Comparison, compare_dissimilarities, dissimilarities, rsa_ceiling
from distributed_trf.store.results import session_units
from distributed_trf.store.stored_recordings import BinnedResponses, load_responses
from distributed_trf.store.study_store import StudyStore

MOST_ITEMS = 8000
"""Bins or stimuli that are compared: 32 million pairs, 256 MB for each repeat or subject."""
SESSION = "session"


@dataclass(frozen=True)
class _Patterns:
    """Responses of one session."""

    stimuli: tuple[str, ...]
    trials: np.ndarray
    """Shape (repeats, bins of all stimuli, units)."""


def response_similarity(
    path: str | Path,
    *,
    stimuli: str | None = None,
    bin_width: float = 50.0,
    items: Literal["bins", "stimuli"] = "bins",
    over: Literal["repeats", "sessions"] = "repeats",
    how: Comparison = "spearman",
    lag: float = 0.0,
    networks: Sequence[str] | None = None,
    device: str = "cpu",
) -> xr.Dataset:
    """Compare the layers of a study with its responses by representational similarity.

    Parameters
    ----------
    path
        The study's output folder, with extracted features and responses.
    stimuli, bin_width
        Stimulus set, by default the only one there, and milliseconds of the bins; one of those of the study.
    items
        What has a pattern: each bin, or each stimulus, whose pattern is the mean over its bins.
    over
        ``repeats``: in each session by itself, to the stimuli that were repeated there, over as many repeats as all of
        them have; without repeats to all stimuli, and without a ceiling. ``sessions``: to the stimuli that were
        presented in all sessions, over sessions, each with its mean response; for recordings of which each is of
        another subject.
    how
        See ``compare_dissimilarities``.
    lag
        Seconds by which responses follow the sound: the pattern of a bin is compared with that of the features before.
        At most the study's lead-in.
    networks
        Names, by default all that are stored.
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    xarray.Dataset
        ``similarity`` over (representation, session), of ``over="sessions"`` the comparison with each session;
        ``lower`` and ``upper``, the noise ceiling, and ``n_items``, over session, or of ``over="sessions"`` of the mean
        over sessions, without dimensions. Items whose pattern never varies over units in some repeat or session, such
        as silent bins, are left out: ``left_out`` counts them. NaN for layers of one feature, which have no pattern,
        and for sessions of one unit.

    Raises
    ------
    StoreError, DataError
        If there is no study, it lacks responses on such bins, or too few or too many items are left.

    Examples
    --------
    >>> found = response_similarity("quickstart/study", items="stimuli")  # doctest: +SKIP
    >>> found.similarity.max("representation"), found.lower, found.upper  # doctest: +SKIP
    """
    store = StudyStore.open(Path(path))
    stimuli = store.stimulus_set(stimuli)
    layers = stored_layers(path, stimuli, bin_width, networks)
    bins_late = _lag_bins(lag, bin_width, layers[0].features.layout.lead_in)
    responses = {s: load_responses(store, stimuli, bin_width, s) for s in _sessions(store, stimuli, bin_width)}
    if over == "sessions":
        shared = _shared(responses)
        parts = [("all sessions", {s: _mean_patterns(r, shared) for s, r in responses.items()})]
    else:
        parts = [(s, {s: _repeated_patterns(r)}) for s, r in responses.items()]
    found = [_part(name, of, layers, items, how, bins_late, device) for name, of in parts]
    values = np.concatenate([part.values for part in found], axis=1)
    dims: tuple[str, ...] = (SESSION,) if over == "repeats" else ()
    scalars = {
        key: (dims, np.array([getattr(part, key) for part in found]).reshape([-1] * len(dims) or ()))
        for key in ("lower", "upper", "n_items", "left_out")
    }
    return xr.Dataset(
        {"similarity": ((REPRESENTATION, SESSION), values), **scalars},
        coords={**labels(layers), SESSION: list(responses)},
        attrs={
            "stimuli": stimuli, "bin_width": bin_width, "items": items, "over": over, "comparison": how, "lag": lag,
        },
    )  # fmt: skip


@dataclass(frozen=True)
class _Part:
    """What was found of one session, or of all."""

    values: np.ndarray
    """Shape (layers, sessions)."""
    lower: float
    upper: float
    n_items: int
    left_out: int


def _part(
    name: str,
    of: dict[str, _Patterns],
    layers: Sequence[StoredLayer],
    items: str,
    how: Comparison,
    lag: int,
    device: str,
) -> _Part:
    """Compare layers with the repeats of one session, or with several sessions of one mean response each."""
    ids = next(iter(of.values())).stimuli
    ends = np.cumsum([layers[0].bins[i] for i in ids])
    starts = ends - [layers[0].bins[i] for i in ids]

    def as_items(x: Array) -> Array:
        if items == "bins":
            return x
        xp = namespace(x)
        means = [xp.mean(x[..., a:b, :], axis=-2) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        return xp.stack(means, axis=-2)

    usable = {s: as_items(patterns.trials.astype(np.float64)) for s, patterns in of.items() if _n_units(patterns) > 1}
    values = np.full((len(layers), len(of)), np.nan)
    if not usable:
        return _Part(values, np.nan, np.nan, 0, 0)
    kept = np.all([_varies(x) for x in usable.values()], axis=0)
    n = int(kept.sum())
    if not 3 <= n <= MOST_ITEMS:
        raise DataError(
            f"{name}: {n} of {kept.size} {items} are left in which responses vary over units; expected 3 to "
            f"{MOST_ITEMS}. Choose wider bins, or items='stimuli'"
        )
    observed = [dissimilarities(to_device(x[:, kept, :], device)) for x in usable.values()]
    together = namespace(*observed).concat(observed)
    lower, upper = (float(x) for x in rsa_ceiling(together, how)) if together.shape[0] > 1 else (np.nan, np.nan)
    borders = np.cumsum([x.shape[0] for x in observed])[:-1]
    columns = [k for k, s in enumerate(of) if s in usable]
    for row, layer in enumerate(layers):
        if layer.width > 1:
            read = list(layer.patterns(ids, lag=lag, device=device))
            x = take_rows(as_items(namespace(*read).concat(read)), np.flatnonzero(kept))
            found = to_numpy(compare_dissimilarities(dissimilarities(x)[None, :], together, how))[0]
            values[row, columns] = [one.mean() for one in np.split(found, borders)]
    return _Part(values, lower, upper, n, int(kept.size - n))


def _n_units(patterns: _Patterns) -> int:
    return int(patterns.trials.shape[-1])


def _varies(x: np.ndarray) -> np.ndarray:
    """Tell in which items the pattern of every repeat is known and varies over units: (repeats, items, units)."""
    return np.all(np.isfinite(x).all(axis=-1) & (x != x[..., :1]).any(axis=-1), axis=0)


def _repeated_patterns(responses: BinnedResponses) -> _Patterns:
    """Return the stimuli that were repeated, in as many repeats as all have; all stimuli once if none was."""
    trials = responses.repeated_trials
    repeats = min((x.shape[0] for x in trials.values()), default=0)
    if repeats < 2:
        trials, repeats = {i: responses.trials(i) for i in (*responses.train_ids, *responses.test_ids)}, 1
    return _Patterns(tuple(trials), np.concatenate([x[:repeats] for x in trials.values()], axis=1))


def _mean_patterns(responses: BinnedResponses, ids: Sequence[str]) -> _Patterns:
    means = [responses.trials(i).astype(np.float64).mean(axis=0) for i in ids]
    return _Patterns(tuple(ids), np.concatenate(means)[None])


def _shared(responses: dict[str, BinnedResponses]) -> list[str]:
    """List the stimuli that were presented in every session."""
    presented = [(*r.train_ids, *r.test_ids) for r in responses.values()]
    shared = [i for i in presented[0] if all(i in ids for ids in presented)]
    if len(responses) < 2 or not shared:
        raise DataError(
            f"{len(responses)} sessions have {len(shared)} stimuli in common; over='sessions' needs 2 sessions or more "
            "to which the same stimuli were presented. Take over='repeats'"
        )
    return shared


def _sessions(store: StudyStore, stimuli: str, bin_width: float) -> list[str]:
    """List the sessions that have responses to a stimulus set on such bins."""
    found = [s for s in session_units(store.results) if store.responses(stimuli, bin_width, s).is_dir()]
    if not found:
        raise DataError(
            f"{store.root}: no responses to {stimuli} on bins of {bin_width:g} ms; name a stimulus set and one of the "
            "`bin_widths` of the study, and run it first"
        )
    return found


def _lag_bins(lag: float, bin_width: float, lead_in: float) -> int:
    bins = round(1000 * lag / bin_width)
    if lag < 0 or lag > lead_in or (bins and bin_width == WHOLE_STIMULUS):
        raise DataError(
            f"lag = {lag:g} s; expected 0 to the study's lead-in of {lead_in:g} s, and 0 where a stimulus is one bin"
        )
    return bins
