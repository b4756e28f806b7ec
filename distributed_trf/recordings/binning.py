"""Responses on time bins: which presentations a study uses, and spike times to spike counts, by one rule for every set.

Bins are those of ``recording_set``, left-closed: a spike at ``k * bw`` belongs to bin ``k``. Recording clocks tick in
tens of microseconds while times are floating-point differences, so a spike less than 1 microsecond before a border was
moved by rounding, and counts as on the border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.recording_set import (
    ROUNDING,
    WHOLE_STIMULUS,
    Response,
    SpikeTrials,
    Stimulus,
    stimulus_bins,
)
from distributed_trf.store.stored_recordings import BinnedResponses

LEAVE_OUT = "Leave the session out (`bad_sessions` in ucsf, `use` in the sessions.csv of generic)"


def bin_spikes(
    spikes: SpikeTrials, stimuli: tuple[Stimulus, ...], bin_width: float, *, session: str, delay: float = 0.0
) -> BinnedResponses:
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
    delay
        Seconds after the onset of the sound at which the first bin begins.

    Returns
    -------
    BinnedResponses
        All presentations of training and test stimuli.

    Raises
    ------
    RecordingError
        If the session lacks some of the test stimuli that there are, or has no training stimulus.
    """
    return arrange(
        spikes.stimulus,
        range(len(spikes.stimulus)),
        lambda kept: count_trials(spikes, kept, stimuli, bin_width, delay=delay),
        stimuli,
        bin_width,
        session=session,
    )


def arrange(
    stimulus: Sequence[str],
    usable: Sequence[int],
    cut: Callable[[list[int]], np.ndarray],
    stimuli: tuple[Stimulus, ...],
    bin_width: float,
    *,
    session: str,
    response: Response = "spikes",
) -> BinnedResponses:
    """Put the trials of a session in the order of the stimulus set.

    Parameters
    ----------
    stimulus
        Stimulus of each trial.
    usable
        Trials that have responses, ascending.
    cut
        Gives the responses in some trials one after another, shape (sum over trials of bins, units).
    stimuli
        The stimulus set; trials of stimuli outside it are left out.
    bin_width
        Milliseconds.
    session
        Name for error messages.
    response
        What was recorded.

    Raises
    ------
    RecordingError
        If the session lacks some of the test stimuli that there are, or has no training stimulus.
    """
    bins = {s.id: stimulus_bins(s.duration, bin_width) for s in stimuli}
    presented: dict[str, list[int]] = {}
    for trial in usable:
        presented.setdefault(stimulus[trial], []).append(trial)

    test_ids = tuple(s.id for s in stimuli if s.is_test)
    train_ids = tuple(s.id for s in stimuli if not s.is_test and s.id in presented)
    missing = [i for i in test_ids if i not in presented]
    if missing:
        raise RecordingError(
            f"session {session}: test stimuli {', '.join(missing)} were never presented, so nothing can be tested on "
            f"it; all of {', '.join(test_ids)} are needed. {LEAVE_OUT}"
        )
    if not train_ids:
        raise RecordingError(f"session {session}: no training stimulus was presented. {LEAVE_OUT}")

    parts = (
        [presented[i][0] for i in train_ids],
        [trial for i in test_ids for trial in presented[i]],
        [trial for i in train_ids for trial in presented[i][1:]],
    )
    rows = cut(list(chain(*parts)))
    borders = np.cumsum([sum(bins[stimulus[trial]] for trial in part) for part in parts])[:-1]
    train, test, further = np.split(rows, borders)
    repeats, presentations = (tuple(len(presented[i]) for i in ids) for ids in (test_ids, train_ids))
    return BinnedResponses(train_ids, test_ids, train, test, repeats, bins, presentations, further, response)


def count_trials(
    spikes: SpikeTrials, kept: list[int], stimuli: tuple[Stimulus, ...], bin_width: float, *, delay: float = 0.0
) -> np.ndarray:
    """Count the spikes of every unit in some trials.

    Parameters
    ----------
    spikes
        Spike times of one session.
    kept
        The trials to count, as indices into ``spikes.stimulus``.
    stimuli
        At least the stimuli of those trials.
    bin_width
        Milliseconds.
    delay
        Seconds after the onset of the sound at which the first bin begins.

    Returns
    -------
    np.ndarray
        The kept trials one after another, uint16 of shape (sum over trials of bins, units).
    """
    if bin_width == WHOLE_STIMULUS:
        durations = {s.id: s.duration for s in stimuli}
        end = np.array([durations.get(i, 0.0) for i in spikes.stimulus])
        return _count_whole(spikes, kept, end, delay)
    bins = {s.id: stimulus_bins(s.duration, bin_width) for s in stimuli}
    return _count(spikes, kept, bins, bin_width / 1000, delay)


def _count(spikes: SpikeTrials, kept: list[int], bins: dict[str, int], width: float, delay: float) -> np.ndarray:
    """Counts of the kept trials one after another, shape (bins, units)."""
    trial_bins = np.zeros(len(spikes.stimulus), dtype=np.int64)
    trial_bins[kept] = [bins[spikes.stimulus[t]] for t in kept]
    start = np.zeros(len(spikes.stimulus), dtype=np.int64)
    start[kept] = np.cumsum(trial_bins[kept]) - trial_bins[kept]
    total = int(trial_bins.sum())
    columns = []
    for times, trial in zip(spikes.times, spikes.trial, strict=True):
        index = np.floor((times - delay + ROUNDING) / width).astype(np.int64)
        inside = (index >= 0) & (index < trial_bins[trial])
        columns.append(np.bincount(start[trial[inside]] + index[inside], minlength=total))
    return np.stack(columns, axis=1).astype(np.uint16)


def _count_whole(spikes: SpikeTrials, kept: list[int], duration: np.ndarray, delay: float) -> np.ndarray:
    """Counts of the kept trials from onset to offset, shape (kept trials, units)."""
    columns = []
    for times, trial in zip(spikes.times, spikes.trial, strict=True):
        inside = (times - delay >= -ROUNDING) & (times - delay < duration[trial] - ROUNDING)
        columns.append(np.bincount(trial[inside], minlength=duration.size)[kept])
    return np.stack(columns, axis=1).astype(np.uint16)
