"""The spikes of one channel file of the UCSF recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import numbers


def channel_spikes(spike: Any, rows: np.ndarray, n_trials: int, path: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the spikes of some of a session's trials.

    Parameters
    ----------
    spike
        Struct ``spike`` of a channel file; its spikes may be in any order.
    rows
        Rows of the trials in the session's table, from 0, ascending, shape (n_kept,).
    n_trials
        Rows of the whole table.
    path
        The channel file, for error messages.

    Returns
    -------
    times, trial, n_before
        Seconds from onset and index into ``rows`` of each spike, both of shape (n_spikes,); and how many spikes were
        left out because they came before the first trial.

    Raises
    ------
    RecordingError
        If the fields do not fit each other or the table, or a time that is returned would not be finite.
    """
    times = numbers(spike, "stimlock", path).astype(np.float64)
    trial = numbers(spike, "trial", path)
    if times.size != trial.size:
        raise RecordingError(
            f"{path}: spike has {times.size} values in field stimlock but {trial.size} in field trial; "
            "expected one of each per spike. Copy the file again"
        )
    wrong = trial[~((trial >= 0) & (trial <= n_trials) & (trial == np.floor(trial)))]
    if wrong.size:
        raise RecordingError(
            f"{path}: field trial of spike holds {wrong[0]:g}; expected whole numbers from 0 (before the first trial) "
            f"to {n_trials}, the number of trials. Copy the file again"
        )
    index = np.full(n_trials + 1, -1)
    index[rows + 1] = np.arange(rows.size)
    number = trial.astype(np.int64)
    found = index[number]
    kept = found >= 0
    times, found = times[kept], found[kept]
    bad = np.count_nonzero(~np.isfinite(times))
    if bad:
        raise RecordingError(
            f"{path}: field stimlock of spike holds {bad} times that are not finite; "
            "expected seconds from the onset of the trial. Copy the file again"
        )
    return times, found, int(np.count_nonzero(number == 0))
