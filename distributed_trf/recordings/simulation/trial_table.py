"""Simulated sessions: which sound came when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distributed_trf.recordings.ucsf.layout import SILENCE, TEST_IDS

CLOCK = 20_000
"""Ticks per second of the recording clock."""
N_REPEATS = 11
FIRST_ONSET = 10.0
OTHER_BEFORE, OTHER_AFTER = 4, 3
"""Trials of another stimulus class around the sentences."""
OTHER_SECONDS = 2.0


@dataclass(frozen=True)
class TrialTable:
    """Trials of one session in order of presentation; each array has shape (n_trials,)."""

    sentence: np.ndarray
    """Position of the sentence from 1, or 0 in trials of another class."""
    other: np.ndarray
    """Code of the other sound, or 0 in trials of sentences."""
    onset: np.ndarray
    """Ticks."""
    end: np.ndarray
    """Tick at which the window of the next trial opens."""

    @property
    def start(self) -> np.ndarray:
        """Tick at which the window of each trial opens, half a second before its onset."""
        return self.onset - round(SILENCE * CLOCK)


def draw_trial_table(durations: Mapping[int, float], rng: np.random.Generator) -> TrialTable:
    """Draw the order and the onsets: training sentences once and test sentences eleven times, all mixed.

    Parameters
    ----------
    durations
        Seconds from onset to offset of each sentence, by position from 1.
    rng
        Source of every choice.
    """
    ids = np.array(list(durations))
    order = rng.permutation(np.repeat(ids, np.where(np.isin(ids, TEST_IDS), N_REPEATS, 1)))
    sentence = np.concatenate([np.zeros(OTHER_BEFORE, int), order, np.zeros(OTHER_AFTER, int)])
    other = np.where(sentence == 0, rng.integers(1, 31, sentence.size), 0)
    seconds = np.array([durations.get(int(i), OTHER_SECONDS) for i in sentence])
    window = seconds + 2 * SILENCE + rng.uniform(0.1, 0.4, sentence.size)
    end = np.round((FIRST_ONSET + np.cumsum(window)) * CLOCK).astype(np.int64)
    start = np.concatenate([[round(FIRST_ONSET * CLOCK)], end[:-1]])
    return TrialTable(sentence, other, start + round(SILENCE * CLOCK), end)
