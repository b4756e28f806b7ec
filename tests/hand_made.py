"""A small recording set made by hand: a session that heard one set of two, missing trials, unequal repeats."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.recording_set import Session, SpikeTrials, Stimulus, Trials

SFREQ = 8000.0
SESSIONS = (
    Session("s1", "A1", "mia", 0.5, -1.0, ("u1", "u2")),
    Session("s2", "belt", "leo", np.nan, np.nan, ("u1",)),
)
STIMULI = {
    "words": (
        Stimulus("a", 0.5, is_test=False),
        Stimulus("b", 0.25, is_test=False),
        Stimulus("c", 1.0, is_test=False),
        Stimulus("t", 0.2, is_test=True),
        Stimulus("u", 0.3, is_test=True),
    ),
    "calls": (Stimulus("a", 0.4, is_test=False), Stimulus("v", 0.4, is_test=True), Stimulus("w", 0.6, is_test=True)),
}
HEARD = {("s1", "words"): "tactutt", ("s1", "calls"): "avwvwv", ("s2", "calls"): "avvw"}
"""Stimulus ids (letters) in order of presentation; onsets are 2 s apart."""


@dataclass
class HandMade:
    """Implements the protocol of a recording set; tests change what was heard or which sessions are damaged."""

    heard_: dict[tuple[str, str], str] = field(default_factory=lambda: dict(HEARD))
    damaged: tuple[str, ...] = ()
    path: Path = Path("hand_made")
    stimulus_sets: tuple[str, ...] = ("words", "calls")
    sessions: tuple[Session, ...] = SESSIONS
    notes: tuple[str, ...] = ("session s0 left out: [noise] only",)

    def heard(self, stimulus_set):
        return tuple(s for s in self.sessions if (s.name, stimulus_set) in self.heard_)

    def stimuli(self, stimulus_set):
        return STIMULI[stimulus_set]

    def sounds(self, stimulus_set):
        rng = np.random.default_rng(0)
        return {s.id: rng.normal(size=round(s.duration * SFREQ)) for s in STIMULI[stimulus_set]}, SFREQ

    def trials(self, session, stimulus_set):
        if session.name in self.damaged:
            raise RecordingError(f"{session.name}.dat: field onset is missing.\n Copy the file again")
        order = self.heard_[session.name, stimulus_set]
        return Trials(tuple(order), 10 + 2.0 * np.arange(len(order)))

    def spikes(self, session, stimulus_set):
        """Unit k fires in trial i at the times (i + 1) * 10 ms + k * 30 ms and 15 ms before the onset."""
        trials = self.trials(session, stimulus_set)
        n = len(trials.stimulus)
        times = tuple(
            np.concatenate([(np.arange(n) + 1) / 100 + k * 0.03, np.full(n, -0.015)])
            for k in range(len(session.channels))
        )
        trial = np.tile(np.arange(n), 2)
        return SpikeTrials(trials.stimulus, trials.onset, times, (trial,) * len(times))

    def sound_files(self, stimulus_set):
        return ()

    def session_files(self, session):
        return ()
