"""How much there is of the responses of sessions, told before they are read."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.pipeline.context import Context
from distributed_trf.recordings.recording_set import Session, stimulus_bins

REPEATS = 12
"""Presentations of each test stimulus that are taken of sessions that are not read yet."""


def training_bins(context: Context, stimuli: str, bin_width: float) -> int:
    """Count the bins of all training stimuli of a set, as often as each is a trial."""
    times = context.training_trials[stimuli]
    return sum(times[s.id] * stimulus_bins(s.duration, bin_width) for s in context.stimuli[stimuli] if not s.is_test)


def test_bins(context: Context, stimuli: str, bin_width: float) -> int:
    """Count the bins of all test stimuli of a set, once each."""
    return sum(stimulus_bins(s.duration, bin_width) for s in context.stimuli[stimuli] if s.is_test)


def response_bytes(context: Context, stimuli: str, bin_width: float, sessions: Sequence[Session]) -> int:
    """Return the bytes of the counts of all units of some sessions, as they are stored."""
    bins = training_bins(context, stimuli, bin_width) + REPEATS * test_bins(context, stimuli, bin_width)
    return 2 * bins * sum(len(s.channels) for s in sessions)
