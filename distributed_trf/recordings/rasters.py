"""Responses to single sounds: when each spike came, the rate over repeats, and the silence between trials."""

from __future__ import annotations

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.binning import count_trials
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import ROUNDING, WHOLE_STIMULUS, SpikeTrials, Stimulus, Trials

PSTH_BIN_WIDTH = 40.0
"""Bin width in milliseconds of the published peri-stimulus time histograms."""


def presentations(trials: Trials, stimulus: str) -> list[int]:
    """Return the trials that presented a stimulus, as indices in order of presentation."""
    return [trial for trial, presented in enumerate(trials.stimulus) if presented == stimulus]


def raster(
    spikes: SpikeTrials, stimulus: Stimulus, unit: int, *, end: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Gather the spikes of one unit in all presentations of one stimulus.

    Parameters
    ----------
    spikes
        Spike times of the session.
    stimulus
        The sound; spikes before its onset are left out.
    unit
        Index of the unit.
    end
        Seconds from onset from which on spikes are left out; by default the offset of the sound.

    Returns
    -------
    times
        Seconds from onset, ascending within a repeat, shape (n_spikes,).
    repeat
        Which presentation each spike belongs to, counted from 0 in order of presentation, shape (n_spikes,).

    Raises
    ------
    RecordingError
        If the stimulus was never presented.
    """
    end = stimulus.duration if end is None else end
    trials = _presented(spikes, stimulus)
    repeat_of = np.full(len(spikes.stimulus), -1)
    repeat_of[trials] = np.arange(len(trials))
    times, repeat = spikes.times[unit], repeat_of[spikes.trial[unit]]
    kept = (repeat >= 0) & (times >= -ROUNDING) & (times < end - ROUNDING)
    order = np.lexsort((times[kept], repeat[kept]))
    return times[kept][order], repeat[kept][order]


def psth(spikes: SpikeTrials, stimulus: Stimulus, bin_width: float = PSTH_BIN_WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Average the spike rate of every unit over all presentations of one stimulus.

    Parameters
    ----------
    spikes
        Spike times of the session.
    stimulus
        The sound.
    bin_width
        Milliseconds; a last bin that is at least half within the sound counts, and at 1000 ms the whole sound is one.

    Returns
    -------
    edges
        Borders of the bins in seconds from onset, shape (n_bins + 1,).
    rate
        Spikes per second, float64 of shape (n_bins, units).

    Raises
    ------
    RecordingError
        If the stimulus was never presented.
    """
    trials = _presented(spikes, stimulus)
    counts = count_trials(spikes, trials, (stimulus,), bin_width)
    of_repeats = counts.reshape(len(trials), len(counts) // len(trials), counts.shape[1])
    width = stimulus.duration if bin_width == WHOLE_STIMULUS else bin_width / 1000
    return width * np.arange(of_repeats.shape[1] + 1), of_repeats.mean(axis=0) / width


def _presented(spikes: SpikeTrials, stimulus: Stimulus) -> list[int]:
    trials = presentations(spikes, stimulus.id)
    if not trials:
        raise RecordingError(
            f"stimulus {stimulus.id} was never presented in this session; choose one of those that were: "
            f"{some_of(tuple(dict.fromkeys(spikes.stimulus)))}"
        )
    return trials
