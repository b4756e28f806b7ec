"""Files of simulated UCSF sessions: one per channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.recordings.simulation.mat_file import write_mat
from distributed_trf.recordings.simulation.spike_trains import SpikeTrains
from distributed_trf.recordings.simulation.trial_table import CLOCK, TrialTable
from distributed_trf.recordings.ucsf.layout import SESSIONS_FOLDER

SNIPPET = np.round(-150 * np.diff(np.exp(-0.5 * ((np.arange(22) - 8) / 2.5) ** 2))).astype(np.int8)
"""Voltage around a spike, 21 samples; the same for every spike, in one byte each, because no analysis reads it."""
CLASSES = ("am", "fm", "dmr", "mVoc", "timit")


def channel_names(subject: str, session: str, n_channels: int) -> tuple[Path, ...]:
    """Return the file of each channel below the recording set.

    The reader sorts ``Ch10`` before ``Ch1_``, so units take their channel in that order.
    """
    folder, prefix = Path(SESSIONS_FOLDER, session), f"{subject[0]}_{session}"
    return tuple(sorted(folder / f"{prefix}_Ch{number}_MUspk.mat" for number in range(1, n_channels + 1)))


def write_channels(
    path: Path, files: tuple[Path, ...], table: TrialTable, codes: Mapping[str, np.ndarray], trains: SpikeTrains
) -> None:
    """Write one file per unit, one at a time.

    Parameters
    ----------
    path
        Folder of the recording set.
    files
        Of each unit, below ``path``.
    table
        What was presented when; every file of a session repeats it.
    codes
        Stimulus code of each trial by class, 0 in trials of another class, each of shape (n_trials,); classes that are
        not named were not presented.
    trains
        The spikes.
    """
    nothing = np.zeros(table.onset.size, dtype=np.uint16)
    trial_codes = {f"{name}Stimcode": codes.get(name, nothing).astype(np.uint16) for name in CLASSES}
    for unit, file in enumerate(files):
        write_mat(path / file, _channel(table.onset / CLOCK, trial_codes, *trains.unit(unit)))


def _channel(
    stimon: np.ndarray, codes: Mapping[str, np.ndarray], ticks: np.ndarray, trial: np.ndarray
) -> dict[str, Any]:
    """Content of the file of one unit."""
    before = trial == 0  # of spikes before the first trial, whose times are given from the first onset
    row = np.where(before, 0, trial - 1)
    spktimes = ticks / CLOCK
    spike = {
        "events": np.broadcast_to(SNIPPET, (ticks.size, SNIPPET.size)),
        "spktimes": spktimes,
        "stimlock": spktimes - stimon[row],
        "trial": trial.astype(np.float64),
        **{name: np.where(before, np.uint16(0), code[row]) for name, code in codes.items()},
    }
    return {"spike": spike, "trial": {"stimon": stimon, **codes}}
