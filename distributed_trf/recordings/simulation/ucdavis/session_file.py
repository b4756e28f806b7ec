"""Files of simulated UC Davis sessions: what was heard, and the spikes of four tetrodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

import numpy as np

from distributed_trf.recordings.recording_set import MVOCS, TIMIT
from distributed_trf.recordings.simulation.mat_file import write_mat
from distributed_trf.recordings.simulation.session import SimulatedSession
from distributed_trf.recordings.simulation.spike_trains import SpikeTrains
from distributed_trf.recordings.simulation.stimulus_set import first_stimulus
from distributed_trf.recordings.simulation.trial_table import CLOCK
from distributed_trf.recordings.simulation.ucdavis.sites import TETRODES
from distributed_trf.recordings.simulation.ucdavis.sounds import CALL_FOLDER, SENTENCE_FOLDER, cells, file_name

SESSIONS_FOLDER = "Data"
BLOCKS = {
    TIMIT: ("BMT", PureWindowsPath("C:/Stimuli", SENTENCE_FOLDER)),
    MVOCS: ("BMM", PureWindowsPath("C:/Stimuli", CALL_FOLDER)),
}
"""Type of the trials of a stimulus set, to which the number of repeats is added, and where their sounds were."""


def write_session_file(path: Path, name: str, codes: Sequence[int], repeats: int, simulated: SimulatedSession) -> None:
    """Write the file of a session below ``path``.

    Parameters
    ----------
    path
        Folder of the recording set.
    name
        Of the session.
    codes
        Of each unit.
    repeats
        How often the session heard what was repeated.
    simulated
        The session.
    """
    content = {f"WM_{tetrode}": _tetrode(tetrode, codes, simulated.trains) for tetrode in TETRODES}
    write_mat(path / SESSIONS_FOLDER / f"{name}.mat", {"TrialStimData": _blocks(repeats, simulated), **content})


def _blocks(repeats: int, simulated: SimulatedSession) -> np.ndarray:
    """Structs of the blocks of trials in the order in which they were heard, shape (1, n_blocks)."""
    table, first = simulated.table, first_stimulus(simulated.sets)
    names = ("StimulusName", "StimulusTimeOn", "StimulusType", "Speaker", "Attenuation")
    found = []
    for k, stimuli in enumerate(simulated.sets):
        trials = np.flatnonzero((table.stimulus >= first[k]) & (table.stimulus < first[k + 1]))
        kind, folder = BLOCKS[stimuli.name]
        sounds = [str(folder / file_name(stimuli.ids[i])) for i in table.stimulus[trials] - first[k]]
        onset, speaker = table.onset[trials] / CLOCK, np.ones(trials.size)
        found.append((cells(sounds), onset, cells([f"{kind}{repeats}"] * trials.size), speaker, 20 * speaker))
    found.sort(key=lambda block: float(block[1][0]))
    structs = np.empty((1, len(found)), dtype=[(name, object) for name in names])
    structs[0, :] = found
    return structs


def _tetrode(tetrode: int, codes: Sequence[int], trains: SpikeTrains) -> dict[str, np.ndarray]:
    """Spikes of all units of one tetrode on the clock of the session, in order of time."""
    units = [unit for unit, code in enumerate(codes) if str(code)[0] == str(tetrode)]
    ticks = [trains.unit(unit)[0] for unit in units]
    of_spike = [np.full(t.size, codes[unit], dtype=np.int32) for unit, t in zip(units, ticks, strict=True)]
    times = np.concatenate([*ticks, np.empty(0, dtype=np.int64)])
    order = np.argsort(times, kind="stable")
    return {"times": times[order] / CLOCK, "codes": np.concatenate([*of_spike, np.empty(0, dtype=np.int32)])[order]}
