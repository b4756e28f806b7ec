"""Simulated sessions: which sound came when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CLOCK = 20_000
"""Ticks per second of the recording clock."""
FIRST_WINDOW = 10.0
"""Seconds from the start of the recording to the window of its first trial."""
NOTHING = -1
"""In place of a stimulus where none of a stimulus set was presented."""


@dataclass(frozen=True)
class Trial:
    """One presentation before it has a time."""

    stimulus: int
    """Counted over the stimuli of all sets, or ``NOTHING``."""
    lead: float
    """Seconds from the opening of the trial's window to the onset of its sound."""
    window: float
    """Seconds from the opening of the trial's window to the opening of the next."""
    heard: float
    """Seconds after onset from which on no spike counts as a response to the sound."""
    other: int = 0
    """Code of a sound that belongs to no stimulus set, or 0."""


@dataclass(frozen=True)
class TrialTable:
    """Trials of one session in order of presentation; each array has shape (n_trials,)."""

    stimulus: np.ndarray
    """Counted over the stimuli of all sets, or ``NOTHING``."""
    other: np.ndarray
    """Code of a sound that belongs to no stimulus set, or 0."""
    start: np.ndarray
    """Tick at which the window of each trial opens."""
    onset: np.ndarray
    """Tick at which the sound begins."""
    limit: np.ndarray
    """Tick from which on no spike counts as a response to the sound."""
    end: np.ndarray
    """Tick at which the window of the next trial opens."""

    def head(self, n_trials: int) -> TrialTable:
        """Return a session that was broken off."""
        columns = (self.stimulus, self.other, self.start, self.onset, self.limit, self.end)
        return TrialTable(*(column[:n_trials] for column in columns))


def lay_out(trials: Sequence[Trial]) -> TrialTable:
    """Put trials on the clock, one after another."""
    lead, window, heard = (np.array([getattr(t, name) for t in trials]) for name in ("lead", "window", "heard"))
    end = np.round((FIRST_WINDOW + np.cumsum(window)) * CLOCK).astype(np.int64)
    start = np.concatenate([[round(FIRST_WINDOW * CLOCK)], end[:-1]])
    onset = start + np.round(lead * CLOCK).astype(np.int64)
    # The tick after the last one within the sound, and the window never reaches into the next trial.
    limit = np.minimum(onset + np.floor(np.minimum(heard, window) * CLOCK).astype(np.int64) + 1, end)
    stimulus, other = (np.array([getattr(t, name) for t in trials]) for name in ("stimulus", "other"))
    return TrialTable(stimulus, other, start, onset, limit, end)
