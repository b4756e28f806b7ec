"""Simulated recordings in the layout of the UC Davis recordings: sessions, units and files like the published ones.

A session's file holds what was presented, and the spikes of four tetrodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from distributed_trf.recordings.recording_set import MVOCS, TIMIT
from distributed_trf.recordings.simulation.neurons import SpikeTrains
from distributed_trf.recordings.simulation.plan import (
    CLOCK,
    SCHEDULE,
    SESSION,
    Channels,
    Limits,
    Plan,
    SimulatedTrials,
    StimulusSet,
    Trial,
    first_stimulus,
    on_clock,
    write_mat,
)
from distributed_trf.recordings.simulation.session import SimulatedSession
from distributed_trf.recordings.simulation.ucdavis_stimuli import (
    CALL_FOLDER,
    MOST_CALLS,
    MOST_SENTENCES,
    SENTENCE_FOLDER,
    cells,
    draw_calls,
    draw_sentences,
    file_name,
    write_calls,
    write_sentences,
)
from distributed_trf.recordings.ucdavis.stimulus_list import REPEATS

TETRODES = (1, 2, 3, 4)
MOST_UNITS = 400
"""Of a session: its codes have two digits for the number of a unit."""


@dataclass(frozen=True)
class Recording:
    """One published session."""

    session: str
    """Its file, without the ending."""
    repeats: int
    """How often repeated sounds were presented."""
    units: int


UNITS = (12, 10, 8, 9, 7, 11, 12, 8, 10)
"""Published for the fourth and fifth session only; the others are made up."""
PUBLISHED = tuple(
    Recording(session, repeats, units) for (session, repeats), units in zip(REPEATS.items(), UNITS, strict=True)
)
CHOSEN_FIRST = (3, 0, 4, 1, 5, 2, 6, 7, 8)
"""Both numbers of repeats as soon as there are two sessions."""


def recordings(n_sessions: int) -> tuple[Recording, ...]:
    """Return sessions sorted by name."""
    return tuple(PUBLISHED[i] for i in sorted(CHOSEN_FIRST[:n_sessions]))


def unit_codes(recording: Recording, channels: Channels) -> tuple[int, ...]:
    """Return the codes of the units, ascending within each tetrode, one tetrode after another.

    The first digit is the tetrode; codes of single units have three digits, those of multi-units four. Both take turns.
    """
    n_units = recording.units if channels == "published" else channels
    by_tetrode: dict[int, list[int]] = {tetrode: [] for tetrode in TETRODES}
    for k in range(n_units):
        tetrode, index = TETRODES[k % len(TETRODES)], k // len(TETRODES)
        is_single = (tetrode + index) % 2 == 0
        by_tetrode[tetrode].append(tetrode * (100 if is_single else 1000) + index // 2 + 1)
    return tuple(code for codes in by_tetrode.values() for code in sorted(codes))


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
        How often repeated sounds were presented in the session.
    simulated
        The session.
    """
    content = {f"WM_{tetrode}": _tetrode(tetrode, codes, simulated.trains) for tetrode in TETRODES}
    write_mat(path / SESSIONS_FOLDER / f"{name}.mat", {"TrialStimData": _blocks(repeats, simulated), **content})


def _blocks(repeats: int, simulated: SimulatedSession) -> np.ndarray:
    """Structs of the blocks of trials in the order of presentation, shape (1, n_blocks)."""
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


FEWEST = 11
"""Sounds of a stimulus set."""
LEAD = 0.2
"""Seconds before its onset at which the window of a trial opens."""


class UCDavisLayout:
    """Sentences and calls, one file per session; see ``Layout``.

    Of every two sessions, calls are presented before sentences in the first.
    """

    def __init__(self, plan: Plan) -> None:
        plan.check(Limits((FEWEST, MOST_SENTENCES), (FEWEST, MOST_CALLS), len(PUBLISHED), MOST_UNITS))
        self.plan = plan
        self._recordings = recordings(plan.sessions)

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of the files, without their ending."""
        return tuple(recording.session for recording in self._recordings)

    def units(self, session: int) -> tuple[str, ...]:
        """Code of each unit."""
        return tuple(map(str, unit_codes(self._recordings[session], self.plan.channels)))

    def write_shared(self, path: Path) -> tuple[StimulusSet, ...]:
        """Write sounds and lists of sounds."""
        sets = [write_sentences(path, self.plan, draw_sentences(self.plan))]
        if self.plan.calls:
            sets.append(write_calls(path, self.plan, draw_calls(self.plan)))
        return tuple(sets)

    def trial_table(self, session: int, sets: tuple[StimulusSet, ...]) -> SimulatedTrials:
        """One block per stimulus set, mixed within; windows never overlap."""
        rng, repeats = self.plan.rng(SESSION, session, SCHEDULE), self._recordings[session].repeats
        blocks = []
        for first, stimuli in zip(first_stimulus(sets), sets, strict=False):
            order = rng.permutation(np.repeat(np.arange(len(stimuli.ids)), np.where(stimuli.is_test, repeats, 1)))
            seconds = stimuli.seconds[order]
            window = LEAD + seconds + rng.uniform(0.3, 0.8, order.size)
            columns = ((first + order).tolist(), window.tolist(), seconds.tolist())
            blocks.append([Trial(i, lead=LEAD, window=w, response_window=s) for i, w, s in zip(*columns, strict=True)])
        if session % 2 == 0:
            blocks.reverse()
        return on_clock([trial for block in blocks for trial in block])

    def write_session(self, path: Path, session: int, simulated: SimulatedSession) -> None:
        """Write the session's one file."""
        recording = self._recordings[session]
        codes = unit_codes(recording, self.plan.channels)
        write_session_file(path, recording.session, codes, recording.repeats, simulated)
