"""What a set of recordings offers, in any format: stimuli, sessions, trials and responses, and the bins of a stimulus.

A stimulus of ``dur`` seconds has ``n = floor((dur + 1e-6 + bw / 2) / bw)`` bins of ``bw`` seconds, so a partial last
bin counts when it is at least half a bin long; the silence of the lead-in has bins by the same rule. At 1000 ms a
stimulus is one bin, which holds all its spikes and the sum of its frames. Both rules are from Ahmed et al. (2025). Of a
signal that bin holds the mean over the stimulus, and of one value per sound that value; features are averaged then too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, Self

import numpy as np

WHOLE_STIMULUS = 1000.0
"""Bin width in milliseconds at which every stimulus is one bin."""


def n_bins(duration: float, bin_width: float) -> int:
    """Return how many bins of ``bin_width`` milliseconds a span of ``duration`` seconds has."""
    width = bin_width / 1000
    return int(np.floor((duration + ROUNDING + width / 2) / width))


def stimulus_bins(duration: float, bin_width: float) -> int:
    """Return how many bins a stimulus of ``duration`` seconds has."""
    return 1 if bin_width == WHOLE_STIMULUS else n_bins(duration, bin_width)


def lead_in_bins(lead_in: float, bin_width: float) -> int:
    """Return how many bins ``lead_in`` seconds of silence before a stimulus have."""
    return 0 if bin_width == WHOLE_STIMULUS else n_bins(lead_in, bin_width)


def rows(duration: float, lead_in: float, bin_width: float) -> int:
    """Return how many bins a stimulus and the silence before it have together."""
    return lead_in_bins(lead_in, bin_width) + stimulus_bins(duration, bin_width)


ROUNDING = 1e-6
"""Seconds within which two times are the same time: recording clocks tick in tens of microseconds."""


def spikes_in_trials(times: np.ndarray, onset: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut one unit's spikes into trials.

    Parameters
    ----------
    times
        Seconds on the session's clock, in any order, shape (n_spikes,).
    onset, end
        Where each trial's window begins and ends, both included, on the same clock, ascending, shape (n_trials,). A
        spike in two windows that overlap belongs to both trials.

    Returns
    -------
    times, trial
        Seconds from onset, and index of the trial, of every spike within a window, sorted by trial and time.
    """
    times = np.sort(times)
    first = np.searchsorted(times, onset - ROUNDING, side="left")
    last = np.searchsorted(times, end + ROUNDING, side="right")
    counts = np.maximum(last - first, 0)
    trial = np.repeat(np.arange(onset.size), counts)
    spike = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    return times[spike] - onset[trial], trial


TIMIT, MVOCS = "timit", "mvocs"
"""Stimulus sets of the published recordings: English sentences and monkey vocalisations."""
UNKNOWN = "unknown"
"""Area or subject of a session of which nothing is said."""
Response = Literal["spikes", "signal", "values"]
"""What was recorded of each unit: when it fired, a signal at regular times, or one value per presentation."""


@dataclass(frozen=True)
class Stimulus:
    """One sound of a stimulus set."""

    id: str
    """Its name in the recording set, unique within the stimulus set."""
    duration: float
    """Seconds from onset to offset, without any padding."""
    is_test: bool
    """Whether it is kept for testing (and was presented repeatedly) rather than for training."""


@dataclass(frozen=True)
class Session:
    """One recording session: where it was made and which units it holds."""

    name: str
    area: str
    subject: str
    x: float
    y: float
    """Recording site in the map units of the recording set; NaN where unknown."""
    channels: tuple[str, ...]
    """One label per unit, in the order of every array of this session."""
    response: Response = "spikes"
    """What was recorded of all its units; of what are not spikes the format has the methods of ``continuous``."""
    unit_coords: Mapping[str, tuple[float | str, ...]] = field(default_factory=dict, hash=False)
    """Where each unit lies, by name: some of ``x``, ``y``, ``z`` (NaN where unknown), ``region`` and ``hemisphere``
    (empty where unknown). ``x`` and ``y`` replace those of the session."""


@dataclass(frozen=True)
class Trials:
    """Which stimuli of a set were presented in one session, and when."""

    stimulus: tuple[str, ...]
    """Stimulus id of each trial, in order of presentation."""
    onset: np.ndarray
    """Seconds on the session's clock at which each trial's sound began, ascending, shape (n_trials,)."""


@dataclass(frozen=True)
class Extent:
    """What a session's files hold of each unit's spikes, before they are put into trials; shapes are (units,)."""

    n: np.ndarray
    """Number of spikes."""
    first: np.ndarray
    """Earliest time on the session's clock, in what the files call seconds; NaN without a spike."""
    last: np.ndarray
    """Latest time."""
    twins: np.ndarray
    """Number of spikes at the very time of an earlier one."""
    whole: np.ndarray
    """Whether all times are whole numbers."""

    @classmethod
    def of(cls, times: Sequence[np.ndarray]) -> Self:
        """Look at the times of each unit, in any order."""
        n = np.array([t.size for t in times])
        ends = ((t.min(), t.max()) if t.size else (np.nan, np.nan) for t in times)
        first, last = np.array(list(ends), dtype=np.float64).reshape(-1, 2).T
        twins = np.array([t.size - np.unique(t).size for t in times])
        return cls(n, first, last, twins, np.array([t.size > 0 and bool((t == np.round(t)).all()) for t in times]))


@dataclass(frozen=True)
class SpikeTrials(Trials):
    """Spike times of one session and stimulus set, trial by trial."""

    times: tuple[np.ndarray, ...]
    """Per channel, seconds from the onset of the trial, shape (n_spikes,); may be negative."""
    trial: tuple[np.ndarray, ...]
    """Per channel, the trial of each spike as an index into ``stimulus``, shape (n_spikes,)."""
    notes: tuple[str, ...] = ()
    """What was left out while reading and how much of it, such as ``3 spikes before the recording began``, and what
    does not fit together."""
    doubts: tuple[str, ...] = ()
    """Notes about what does not fit together, such as spikes and onsets on different clocks."""
    extent: Extent | None = None
    """Extent of the spikes in the files; None where the format does not say."""


class RecordingSet(Protocol):
    """The one protocol that every recording format implements.

    A format is a callable that takes the path of a recording set and returns such an object. It is made known under its
    name as an entry point of the group ``distributed_trf.recordings``.
    """

    path: Path

    @property
    def stimulus_sets(self) -> tuple[str, ...]:
        """Names of the stimulus sets whose files are there."""

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All usable sessions, sorted by name; cheap, no spike is read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is there and not used, such as sessions that are known to be bad; one line each."""

    @property
    def unusable(self) -> Mapping[str, str]:
        """Why a session is not used, by its name, where its files say so; not of sessions known to be bad.

        A format of another package may do without; nothing counts as unusable then.
        """

    def heard(self, stimulus_set: str) -> tuple[Session, ...]:
        """Return the sessions in which a stimulus set is known to be presented; cheap, no spike is read."""

    def stimuli(self, stimulus_set: str) -> tuple[Stimulus, ...]:
        """All sounds of a stimulus set, sorted as the recording set sorts them."""

    def sounds(self, stimulus_set: str) -> tuple[dict[str, np.ndarray], float]:
        """Waveform of every stimulus, cut to its onset and offset, and their sampling rate in hertz."""

    def trials(self, session: Session, stimulus_set: str) -> Trials:
        """Return the presentations of a stimulus set; no spike is read where the files allow that."""

    def spikes(self, session: Session, stimulus_set: str) -> SpikeTrials:
        """Spike times of every channel in every trial of a stimulus set, of a session whose response is spikes."""

    def sound_files(self, stimulus_set: str) -> tuple[Path, ...]:
        """The files that ``stimuli`` and ``sounds`` read."""

    def session_files(self, session: Session) -> tuple[Path, ...]:
        """The files from which a session's responses are read."""


def unusable_sessions(recordings: RecordingSet) -> dict[str, str]:
    """Return why nothing is used of a session that is not known to be bad, by its name."""
    return dict(getattr(recordings, "unusable", {}))
