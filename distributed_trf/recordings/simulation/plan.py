"""The plan of a simulation: its checked settings, stimulus sets, the order and times of trials, and all random seeds.

Also MATLAB files whose bytes depend on their content only, in which simulations are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.io import savemat

from distributed_trf.errors import ConfigError

HEADER_SIZE = 116
"""Bytes of free text at the start of a MATLAB 5 file."""


def write_mat(path: Path, content: dict[str, Any]) -> None:
    """Write variables as a MATLAB 5 file: dicts become structs, arrays of objects cells, rows of numbers columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, oned_as="column")
    with path.open("r+b") as file:  # scipy puts the time of day there, and equal calls should write equal files
        file.write(b"MATLAB 5.0 MAT-file, simulated by distributed_trf".ljust(HEADER_SIZE))


@dataclass(frozen=True)
class StimulusSet:
    """Stimuli in the reader's order, without their sounds: what drives the neurons has been taken from these."""

    name: str
    ids: tuple[str, ...]
    is_test: np.ndarray
    """Shape (n_stimuli,)."""
    seconds: np.ndarray
    """From onset to offset, shape (n_stimuli,)."""
    features: tuple[np.ndarray, ...]
    """Of each stimulus, see ``neurons.driving_feature``."""
    lead_in: int
    """Feature rows before the first bin of a stimulus."""

    @cached_property
    def bins(self) -> np.ndarray:
        """Bins of each stimulus, shape (n_stimuli,)."""
        return np.array([rows.shape[0] - self.lead_in for rows in self.features])

    @cached_property
    def is_test_bin(self) -> np.ndarray:
        """Whether a bin belongs to a test stimulus, all stimuli one after another, shape (n_bins,)."""
        return np.repeat(self.is_test, self.bins)

    @property
    def stimulus_of_bin(self) -> list[str]:
        """Stimulus id of each bin, all stimuli one after another."""
        return np.repeat(np.array(self.ids, dtype=object), self.bins).tolist()


def first_stimulus(sets: Sequence[StimulusSet]) -> np.ndarray:
    """Return where each set begins when all stimuli of all sets are counted on, and their number: (n_sets + 1,)."""
    return np.cumsum([0, *(len(s.ids) for s in sets)])


CLOCK = 20_000
"""Ticks per second of the recording clock."""
FIRST_WINDOW = 10.0
"""Seconds from the start of the recording to the window of its first trial."""
NOTHING = -1
"""Instead of a stimulus: no stimulus of any set was presented."""


@dataclass(frozen=True)
class Trial:
    """One presentation before it has a time."""

    stimulus: int
    """Counted over the stimuli of all sets, or ``NOTHING``."""
    lead: float
    """Seconds from the opening of the trial's window to the onset of its sound."""
    window: float
    """Seconds from the opening of the trial's window to the opening of the next."""
    response_window: float
    """Seconds after onset from which on no spike counts as a response to the sound."""
    other: int = 0
    """Code of a sound that belongs to no stimulus set, or 0."""


@dataclass(frozen=True)
class SimulatedTrials:
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

    def head(self, n_trials: int) -> SimulatedTrials:
        """Return a session that was broken off."""
        columns = (self.stimulus, self.other, self.start, self.onset, self.limit, self.end)
        return SimulatedTrials(*(column[:n_trials] for column in columns))


def on_clock(trials: Sequence[Trial]) -> SimulatedTrials:
    """Put trials on the clock, one after another."""
    lead, window, response = (
        np.array([getattr(t, name) for t in trials]) for name in ("lead", "window", "response_window")
    )
    end = np.round((FIRST_WINDOW + np.cumsum(window)) * CLOCK).astype(np.int64)
    start = np.concatenate([[round(FIRST_WINDOW * CLOCK)], end[:-1]])
    onset = start + np.round(lead * CLOCK).astype(np.int64)
    # The tick after the last one within the sound, and the window never reaches into the next trial.
    limit = np.minimum(onset + np.floor(np.minimum(response, window) * CLOCK).astype(np.int64) + 1, end)
    stimulus, other = (np.array([getattr(t, name) for t in trials]) for name in ("stimulus", "other"))
    return SimulatedTrials(stimulus, other, start, onset, limit, end)


SENTENCE, CALL, SESSION, SCHEDULE, EXTRA = range(5)
"""First part of the key of a seed: what it is for."""
Channels = int | Literal["published"]


@dataclass(frozen=True)
class Limits:
    """What a layout can hold."""

    sentences: tuple[int, int]
    """Fewest and most, both included."""
    calls: tuple[int, int]
    """Fewest and most presentations, if there are any."""
    sessions: float = np.inf
    """Most sessions."""
    channels: float = np.inf
    """Most channels of a session."""


@dataclass(frozen=True)
class Plan:
    """The arguments of a simulation; see ``simulate``."""

    sessions: int
    channels: Channels
    sentences: int
    calls: int
    seed: int
    bin_width: float

    def seed_of(self, *key: int) -> np.random.SeedSequence:
        """Return the seed of one part; parts of different keys are independent, whatever else is simulated."""
        return np.random.SeedSequence(self.seed, spawn_key=key)

    def rng(self, *key: int) -> np.random.Generator:
        """Return a source of randomness that starts anew with each call."""
        return np.random.default_rng(self.seed_of(*key))

    def check(self, limits: Limits) -> None:
        """Raise ConfigError if an argument is out of its range."""
        (few, many), (fewest, most) = limits.sentences, limits.calls
        ranges = {
            "sessions": (1 <= self.sessions <= limits.sessions, _at_least_1(limits.sessions)),
            "channels": (
                self.channels == "published"
                or (isinstance(self.channels, int) and 1 <= self.channels <= limits.channels),
                f"{_at_least_1(limits.channels)}, or published",
            ),
            "sentences": (few <= self.sentences <= many, f"{few} to {many}, of which some are repeated for testing"),
            "calls": (self.calls == 0 or fewest <= self.calls <= most, f"0 or {fewest} to {most}"),
            "seed": (self.seed >= 0, "at least 0"),
            "bin_width": (
                10 <= self.bin_width <= 200 and float(self.bin_width * CLOCK / 1000).is_integer(),
                f"10 to 200 ms in steps of {1000 / CLOCK} ms, the recording clock",
            ),
        }
        for name, (is_good, expected) in ranges.items():
            if not is_good:
                raise ConfigError(f"simulate: {name}={getattr(self, name)}; expected {expected}")


def _at_least_1(most: float) -> str:
    return "at least 1" if np.isinf(most) else f"1 to {most}"
