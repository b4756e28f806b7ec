"""What a simulation is asked for, checked, and where each part of it gets its randomness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.simulation.trial_table import CLOCK

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
