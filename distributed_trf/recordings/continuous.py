"""Responses other than spikes: signals sampled at regular times, and one value per presentation.

A format whose sessions have them offers the methods of ``SignalSet`` or ``ValueSet`` beside those of ``RecordingSet``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.recording_set import RecordingSet, Session, SpikeTrials, Trials

Gaps = Literal["mask", "refuse"]
"""What is done about samples that are NaN: presentations that need them are left out, or the session is refused."""
Stretches = Callable[[Sequence[tuple[int, int]]], Iterator[np.ndarray]]
"""Reads samples ``first`` to ``last - 1`` of each stretch in turn, float64 of shape (samples, units)."""


@dataclass(frozen=True)
class SignalTrials(Trials):
    """A signal of one session, of which trials of a stimulus set are read when they are needed."""

    rate: float
    """Samples per second. Sample i stands for the time from ``start + i / rate`` to ``start + (i + 1) / rate``."""
    start: float
    """Seconds on the session's clock at which the first sample begins."""
    n_samples: int
    stretches: Stretches
    zscore: bool = False
    """Whether each unit is brought to mean 0 and standard deviation 1 over all bins of the session's trials."""
    gaps: Gaps = "mask"
    notes: tuple[str, ...] = ()
    """What was left out while reading and how much of it."""
    doubts: tuple[str, ...] = ()
    """What looks wrong."""

    @property
    def end(self) -> float:
        """Seconds on the session's clock at which the last sample ends."""
        return self.start + self.n_samples / self.rate


@dataclass(frozen=True)
class ValueTrials(Trials):
    """One value per presentation and unit; where onsets are unknown they are NaN."""

    values: np.ndarray
    """float64, shape (n_trials, units); NaN where there is none."""
    zscore: bool = False
    """Whether each unit is brought to mean 0 and standard deviation 1 over all presentations of the session."""
    gaps: Gaps = "mask"
    notes: tuple[str, ...] = ()
    """What was left out while reading and how much of it."""
    doubts: tuple[str, ...] = ()
    """What looks wrong."""


@runtime_checkable
class SignalSet(Protocol):
    """A format that has sessions with signals."""

    def signals(self, session: Session, stimulus_set: str) -> SignalTrials:
        """Signal of a session, and its trials of a stimulus set; no sample is read yet."""


@runtime_checkable
class ValueSet(Protocol):
    """A format that has sessions with one value per sound."""

    def values(self, session: Session, stimulus_set: str) -> ValueTrials:
        """Values of every unit in every presentation of a stimulus set."""


Responses = SpikeTrials | SignalTrials | ValueTrials


def responses(recordings: RecordingSet, session: Session, stimulus_set: str) -> Responses:
    """Read what a session has: spikes, a signal or values.

    Raises
    ------
    RecordingError
        If it cannot be read, or the format has no method for what it says the session has.
    """
    if session.response == "spikes":
        return recordings.spikes(session, stimulus_set)
    if session.response == "signal" and isinstance(recordings, SignalSet):
        return recordings.signals(session, stimulus_set)
    if session.response == "values" and isinstance(recordings, ValueSet):
        return recordings.values(session, stimulus_set)
    method = {"signal": "signals", "values": "values"}.get(session.response)
    expected = f"the format to have the method {method}" if method else "spikes, signal or values"
    raise RecordingError(
        f"{recordings.path}: response of session {session.name} is {session.response!r}; expected {expected}. Correct "
        f"{type(recordings).__name__}"
    )
