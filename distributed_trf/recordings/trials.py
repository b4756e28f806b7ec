"""Spikes on a session's clock, put into trials."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-6
"""Seconds within which two times are the same time: recording clocks tick in tens of microseconds."""


def spikes_in_trials(times: np.ndarray, onset: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut one unit's spikes into trials.

    Parameters
    ----------
    times
        Seconds on the session's clock, in any order, shape (n_spikes,).
    onset, end
        Where each trial's window begins and ends, both included, on the same clock, ascending, shape (n_trials,). A
        spike in two windows that overlap belongs to both trials.

    Returns
    -------
    times, trial
        Seconds from onset, and index of the trial, of every spike within a window, sorted by trial and time.
    """
    times = np.sort(times)
    first = np.searchsorted(times, onset - ROUNDING, side="left")
    last = np.searchsorted(times, end + ROUNDING, side="right")
    found = np.maximum(last - first, 0)
    trial = np.repeat(np.arange(onset.size), found)
    place = np.arange(found.sum()) - np.repeat(np.cumsum(found) - found, found) + np.repeat(first, found)
    return times[place] - onset[trial], trial
