"""What was presented in a session, whatever file says so, and the windows in which its trials have their spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.continuous import SignalTrials, ValueTrials
from distributed_trf.recordings.recording_set import ROUNDING, Response, Trials

AFTER = 0.5
"""Seconds after a sound's end to which a trial's spikes are kept: the last bin may reach half a bin beyond the end."""
OVERLAP = 1e-3
"""Seconds by which a trial may begin before the one before it ends: onsets are often rounded to milliseconds."""


@dataclass(frozen=True)
class Presentations:
    """All trials of a session, of whatever stimulus set."""

    stimulus_set: tuple[str, ...]
    stimulus: tuple[str, ...]
    onset: np.ndarray
    """Seconds on the session's clock, ascending, shape (n_trials,)."""
    row: tuple[int, ...]
    """Where each is in its table, for messages."""


@dataclass(frozen=True)
class Contents:
    """What the files of one session say, its responses apart."""

    units: tuple[str, ...]
    presentations: Presentations
    subject: str | None = None
    """None where the files say nothing."""
    area: str | None = None
    notes: tuple[str, ...] = ()
    response: Response = "spikes"
    unit_coords: Mapping[str, tuple[float | str, ...]] = field(default_factory=dict)
    """Where units lie, as ``Session.unit_coords``."""


class SessionSource(Protocol):
    """The files of one session. Sources that read the same are equal, and they are hashable."""

    def __hash__(self) -> int: ...

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are read; the first holds the trials."""

    def contents(self) -> Contents:
        """Read all but the responses."""


@runtime_checkable
class SpikeSource(SessionSource, Protocol):
    """A session with spikes."""

    def spike_times(self, units: tuple[str, ...]) -> tuple[np.ndarray, ...]:
        """Seconds on the session's clock, in any order, per unit of shape (n_spikes,)."""


@runtime_checkable
class SignalSource(SessionSource, Protocol):
    """A session with a signal."""

    def signal_with(self, trials: Trials) -> SignalTrials:
        """Return the signal with some of its trials; no sample is read yet."""


@runtime_checkable
class ValueSource(SessionSource, Protocol):
    """A session with one value per sound."""

    def values(self, trials: Trials, rows: Sequence[int]) -> ValueTrials:
        """Return the values of some presentations, whose ``row`` is given."""


def in_order(
    stimulus_set: list[str], stimulus: list[str], onset: np.ndarray, row: list[int], path: Path
) -> Presentations:
    """Sort trials by onset.

    Raises
    ------
    RecordingError
        If there is none, or two have the same onset.
    """
    if not row:
        raise RecordingError(f"{path}: holds no trials; expected one row per presentation. Write it again")
    order = np.argsort(onset, kind="stable")
    onset = onset[order]
    same = np.flatnonzero(np.diff(onset) <= ROUNDING)
    if same.size:
        first, second = row[order[same[0]]], row[order[same[0] + 1]]
        raise RecordingError(
            f"{path}: rows {first} and {second} have the same onset, {onset[same[0]]:g} s; expected one sound at a "
            "time. Correct the file"
        )
    return Presentations(
        tuple(stimulus_set[k] for k in order),
        tuple(stimulus[k] for k in order),
        onset,
        tuple(row[k] for k in order),
    )


def window_ends(
    presentations: Presentations, chosen: np.ndarray, durations: Mapping[str, float], path: Path
) -> np.ndarray:
    """Return up to where each chosen trial has its spikes.

    That is ``AFTER`` seconds after the end of its sound, or just before the next sound of any set begins, whichever is
    earlier; so no spike belongs to two trials, and the last bin of a sound that another follows at once is cut short.

    Parameters
    ----------
    presentations
        All trials of the session.
    chosen
        Indices of the trials, shape (n_chosen,).
    durations
        Seconds of each stimulus of the set that they are of.
    path
        The file of the trials, for messages.

    Returns
    -------
    numpy.ndarray
        Seconds on the session's clock, ascending, shape (n_chosen,).

    Raises
    ------
    RecordingError
        If another sound begins while one of the chosen ones has not ended.
    """
    end = presentations.onset[chosen] + np.array([durations[presentations.stimulus[k]] for k in chosen])
    following = np.append(presentations.onset, np.inf)[chosen + 1]
    overlapping = np.flatnonzero(following < end - OVERLAP)
    if overlapping.size:
        k = overlapping[0]
        row, after = presentations.row[chosen[k]], presentations.row[chosen[k] + 1]
        raise RecordingError(
            f"{path}: the sound of row {row} ends at {end[k]:g} s, but that of row {after} begins at "
            f"{following[k]:g} s, and so it is with {overlapping.size} of {chosen.size} trials; expected one sound "
            "at a time. Correct the onsets, which are in seconds, or the sound files, whose sampling rate may be wrong"
        )
    return np.minimum(end + AFTER, following - 2 * ROUNDING)
