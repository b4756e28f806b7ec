"""Spike times to spike counts, by one rule for every recording set.

A stimulus of ``dur`` seconds has ``n = floor((dur + 1e-6 + bw / 2) / bw)`` bins of ``bw`` seconds, so a partial last
bin counts when it is at least half a bin long. Bins are left-closed: a spike at ``k * bw`` belongs to bin ``k``.
Recording clocks tick in tens of microseconds while times are floating-point differences, so a spike less than
1 microsecond before a border is one that rounding moved, and counts as on the border.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.recording_set import SpikeTrials, Stimulus

ROUNDING = 1e-6
"""Seconds within which two times are the same time."""


def n_bins(duration: float, bin_width: float) -> int:
    """Return how many bins of ``bin_width`` milliseconds a span of ``duration`` seconds has."""
    width = bin_width / 1000
    return int(np.floor((duration + ROUNDING + width / 2) / width))


@dataclass(frozen=True)
class Counts:
    """Binned responses of one session to one stimulus set."""

    train_ids: tuple[str, ...]
    """Training stimuli that the session heard, in the order of the stimulus set."""
    test_ids: tuple[str, ...]
    train: np.ndarray
    """Counts of the first presentation of each training stimulus, one after another, shape (train bins, units)."""
    test: np.ndarray
    """Counts of the repeated test stimuli, one after another, shape (repeats, test bins, units)."""
    bins: dict[str, int]
    """Number of bins of each stimulus of the set, heard or not."""

    @cached_property
    def train_trials(self) -> dict[str, np.ndarray]:
        """Responses by training stimulus, each of shape (bins, units)."""
        return self._cut(self.train_ids, self.train, axis=0)

    @cached_property
    def test_trials(self) -> dict[str, np.ndarray]:
        """Responses by test stimulus, each of shape (repeats, bins, units)."""
        return self._cut(self.test_ids, self.test, axis=1)

    def _cut(self, ids: tuple[str, ...], rows: np.ndarray, axis: int) -> dict[str, np.ndarray]:
        borders = np.cumsum([self.bins[i] for i in ids])[:-1]
        return dict(zip(ids, np.split(rows, borders, axis=axis), strict=True))


def bin_spikes(spikes: SpikeTrials, stimuli: tuple[Stimulus, ...], bin_width: float, *, session: str) -> Counts:
    """Count the spikes of every unit of a session at once.

    Parameters
    ----------
    spikes
        Spike times of the session.
    stimuli
        The stimulus set; trials of stimuli outside it are left out.
    bin_width
        Milliseconds.
    session
        Name for error messages.

    Returns
    -------
    Counts
        Training stimuli keep their first presentation. Test stimuli keep as many repeats as the least presented of them
        has, the earliest ones.

    Raises
    ------
    RecordingError
        If the session lacks test stimuli or has no training stimulus.
    """
    bins = {s.id: n_bins(s.duration, bin_width) for s in stimuli}
    presented: dict[str, list[int]] = {}
    for trial, stimulus in enumerate(spikes.stimulus):
        presented.setdefault(stimulus, []).append(trial)

    test_ids = tuple(s.id for s in stimuli if s.is_test)
    train_ids = tuple(s.id for s in stimuli if not s.is_test and s.id in presented)
    missing = [i for i in test_ids if i not in presented]
    if missing or not test_ids:
        raise RecordingError(
            f"session {session}: test stimuli {', '.join(missing) or '(the set has none)'} were never presented, so "
            f"nothing can be tested on it; all of {', '.join(test_ids) or 'at least one'} are needed. "
            "Add the session to bad_sessions to leave it out"
        )
    if not train_ids:
        raise RecordingError(
            f"session {session}: no training stimulus was presented. Add it to bad_sessions to leave it out"
        )

    n_repeats = min(len(presented[i]) for i in test_ids)
    kept = [presented[i][0] for i in train_ids]
    kept += [presented[i][repeat] for repeat in range(n_repeats) for i in test_ids]
    counts = _count(spikes, kept, bins, bin_width / 1000)  # (all kept bins, units)
    n_train = sum(bins[i] for i in train_ids)
    test = counts[n_train:].reshape(n_repeats, -1, counts.shape[1])
    return Counts(train_ids, test_ids, counts[:n_train], test, bins)


def _count(spikes: SpikeTrials, kept: list[int], bins: dict[str, int], width: float) -> np.ndarray:
    """Counts of the kept trials one after another, shape (bins, units)."""
    trial_bins = np.zeros(len(spikes.stimulus), dtype=np.int64)
    trial_bins[kept] = [bins[spikes.stimulus[t]] for t in kept]
    start = np.zeros(len(spikes.stimulus), dtype=np.int64)
    start[kept] = np.cumsum(trial_bins[kept]) - trial_bins[kept]
    total = int(trial_bins.sum())
    columns = []
    for times, trial in zip(spikes.times, spikes.trial, strict=True):
        index = np.floor((times + ROUNDING) / width).astype(np.int64)
        inside = (index >= 0) & (index < trial_bins[trial])
        columns.append(np.bincount(start[trial[inside]] + index[inside], minlength=total))
    return np.stack(columns, axis=1).astype(np.uint16)
