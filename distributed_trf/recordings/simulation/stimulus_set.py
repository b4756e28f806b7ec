"""A simulated stimulus set, as its reader will find it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


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
