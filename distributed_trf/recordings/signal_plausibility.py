"""Doubts about signals and values: trials and rates that do not fit together, and units that are flat or have gaps.

Nothing is refused: what a session lacks is left out when it is read, and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from distributed_trf.recordings.continuous import SignalTrials, ValueTrials
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import ROUNDING, Session, Stimulus
from distributed_trf.recordings.signal_binning import READ_VALUES

LONGER = 10.0
"""Times that a signal may outlast its trials before its rate is doubted."""


@dataclass(frozen=True)
class Looked:
    """What trials of a set hold of a session's signal or values."""

    flat: np.ndarray
    """Whether a unit never varies in them, shape (units,)."""
    gaps: np.ndarray
    """Whether a unit is NaN or Inf somewhere in them, shape (units,)."""
    doubts: tuple[str, ...]

    @classmethod
    def at(cls, found: SignalTrials | ValueTrials, stimuli: Sequence[Stimulus], session: Session) -> Self:
        """Read all samples in sounds, or all values, part by part."""
        durations = {s.id: s.duration for s in stimuli}
        if isinstance(found, SignalTrials):
            doubts, parts = _of_clock(found, durations), _in_sounds(found, durations, len(session.channels))
        else:
            doubts, parts = [], iter([found.values])
        lowest, highest = np.full(len(session.channels), np.inf), np.full(len(session.channels), -np.inf)
        gaps = np.zeros(len(session.channels), dtype=bool)
        for samples in parts:
            finite = np.isfinite(samples)
            gaps |= ~finite.all(axis=0)
            lowest = np.minimum(lowest, np.where(finite, samples, np.inf).min(axis=0, initial=np.inf))
            highest = np.maximum(highest, np.where(finite, samples, -np.inf).max(axis=0, initial=-np.inf))
        flat = highest <= lowest  # also where there is no number at all
        labels = np.array(session.channels, dtype=object)
        if flat.any():
            doubts.append(f"{_units(labels[flat])} the same throughout all trials, so that r is NaN")
        if gaps.any():
            doubts.append(
                f"{_units(labels[gaps])} NaN or Inf in some trials, which are left out, or the session is, as `gaps` "
                "says"
            )
        return cls(flat, gaps, tuple(doubts))


def _of_clock(signal: SignalTrials, durations: dict[str, float]) -> list[str]:
    """Say where trials and the signal are not on one clock, or the rate of the signal is not what it is said to be."""
    lengths = np.array([durations.get(i, np.nan) for i in signal.stimulus])
    known = np.isfinite(lengths)
    if not known.any():
        return []
    onset, end = signal.onset[known], (signal.onset + lengths)[known]
    outside = (onset < signal.start - ROUNDING) | (end > signal.end + 0.5 / signal.rate + ROUNDING)
    span, lasts = float(end.max() - signal.start), signal.end - signal.start
    said = (
        f"trials are from {onset.min():.6g} to {end.max():.6g} s, the signal from {signal.start:.6g} to "
        f"{signal.end:.6g} s ({signal.n_samples} samples at {signal.rate:g} Hz)"
    )
    if outside.any():
        fits = f"; at {signal.rate * lasts / span:.4g} Hz it would last as long as the trials" if span > lasts else ""
        return [
            f"{np.count_nonzero(outside)} of {onset.size} trials are not within the signal: {said}{fits}; expected "
            "onsets in seconds on its clock. Correct rate, start or onsets"
        ]
    if lasts > LONGER * span:
        return [f"the signal lasts {lasts / span:.3g} times as long as the trials: {said}; perhaps its rate is higher"]
    return []


def _in_sounds(signal: SignalTrials, durations: dict[str, float], units: int) -> Iterator[np.ndarray]:
    """Read the samples between onset and end of each known sound, as far as there are some."""
    spans, most = [], max(1, READ_VALUES // units)
    for onset, stimulus in zip(signal.onset, signal.stimulus, strict=True):
        first = max(round((onset - signal.start) * signal.rate), 0)
        last = min(round((onset + durations.get(stimulus, 0) - signal.start) * signal.rate), signal.n_samples)
        spans += [(k, min(k + most, last)) for k in range(first, last, most)]
    return signal.stretches(spans)


def _units(names: np.ndarray) -> str:
    return f"unit {names[0]} is" if len(names) == 1 else f"units {some_of(names.tolist())} are"
