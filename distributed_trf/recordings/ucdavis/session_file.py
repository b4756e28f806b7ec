"""The file of one UC Davis session: spikes of four tetrodes, and when sounds of each stimulus set were presented."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import field, numbers, read_mat
from distributed_trf.recordings.recording_set import ROUNDING, Trials
from distributed_trf.recordings.ucdavis.stimulus_list import SET_FILES, sound_name

TETRODES = ("WM_1", "WM_2", "WM_3", "WM_4")
EXPERIMENTS = "TrialStimData"
EXPERIMENT_TYPE = re.compile(r"BM([A-Z])\d*")
"""Such as ``BMT3``: sentences, the test ones three times."""


@dataclass(frozen=True)
class SessionFile:
    """What the file of a session holds, sorted by unit and stimulus set."""

    path: Path
    spikes: dict[int, np.ndarray]
    """Seconds on the session's clock of the spikes of each unit, shape (n_spikes,), by spike code: tetrode by tetrode,
    ascending within each. Not checked, so that damaged times leave the units known."""
    n_unsorted: int
    """Spikes whose code is no unit."""
    experiments: dict[str, Any]
    """Struct of the trials of each stimulus set that was played."""


def read_session_file(path: Path) -> SessionFile:
    """Read the file of a session.

    Raises
    ------
    RecordingError
        If it is missing or damaged, holds no unit, or does not show which unit or stimulus set something is of.
    """
    content = read_mat(path, (*TETRODES, EXPERIMENTS))
    spikes: dict[int, np.ndarray] = {}
    n_unsorted = 0
    for tetrode in TETRODES:
        codes, times = _tetrode_spikes(content[tetrode], tetrode, path)
        units = np.unique(codes[codes > 0]).tolist()
        twice = [str(code) for code in units if code in spikes]
        if twice:
            raise RecordingError(
                f"{path}: field codes of {tetrode} holds {', '.join(twice)}, which an earlier tetrode has too; "
                "expected a different code for every unit of the session. Correct the codes"
            )
        spikes.update({code: times[codes == code] for code in units})
        n_unsorted += int(np.count_nonzero(codes <= 0))
    if not spikes:
        raise RecordingError(
            f"{path}: no code above 0 in field codes of {', '.join(TETRODES)}; expected at least one unit. "
            "Copy the file again, or remove it if nothing was recorded"
        )
    return SessionFile(path, spikes, n_unsorted, _experiments(content[EXPERIMENTS], path))


def read_contents(path: Path) -> tuple[tuple[str, ...], frozenset[str]]:
    """Read a session's units and the stimulus sets presented in it; once in a process, unless its file changes.

    Raises
    ------
    RecordingError
        As ``read_session_file``.
    """
    stat = path.stat()
    return _contents(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _contents(path: Path, size: int, changed: int) -> tuple[tuple[str, ...], frozenset[str]]:
    file = read_session_file(path)
    return tuple(map(str, file.spikes)), frozenset(file.experiments)


def _tetrode_spikes(struct: Any, tetrode: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Codes, int64, and times of the spikes of one tetrode."""
    if isinstance(struct, np.ndarray) and not struct.size:
        return np.empty(0, dtype=np.int64), np.empty(0)
    codes, times = numbers(struct, "codes", path), numbers(struct, "times", path).astype(np.float64)
    if codes.size != times.size:
        raise RecordingError(
            f"{path}: {tetrode} has {codes.size} values in field codes but {times.size} in field times; "
            "expected one of each per spike. Copy the file again"
        )
    wrong = codes[~(np.isfinite(codes) & (codes == np.floor(codes)))]
    if wrong.size:
        raise RecordingError(
            f"{path}: field codes of {tetrode} holds {wrong[0]:g}; expected whole numbers. Copy the file again"
        )
    return codes.astype(np.int64), times


def _experiments(structs: Any, path: Path) -> dict[str, Any]:
    """Struct of each stimulus set; those of experiments with other sounds are left out."""
    names = {files.letter: name for name, files in SET_FILES.items()}
    found: dict[str, Any] = {}
    for struct in np.atleast_1d(structs):
        types = sorted({str(entry).strip() for entry in np.atleast_1d(field(struct, "StimulusType", path))})
        known = [m for m in map(EXPERIMENT_TYPE.fullmatch, types) if m and m.group(1) in names]
        if not known:
            continue
        name = names[known[0].group(1)]
        if len(types) > 1 or name in found:
            problem = f"mixes {', '.join(types)}" if len(types) > 1 else f"holds {types[0]} in two structs of it"
            raise RecordingError(
                f"{path}: field StimulusType of {EXPERIMENTS} {problem}; expected one type per struct and one struct "
                f"per stimulus set ({', '.join(SET_FILES)}). Correct the file, or move it out of the folder"
            )
        found[name] = struct
    return found


@dataclass(frozen=True)
class ExperimentTrials:
    """The trials of one experiment."""

    trials: Trials
    end: np.ndarray
    """Seconds at which the sound of each trial ended, shape (n_trials,)."""
    n_other: int
    """Trials that were left out because their sound is not of the stimulus set."""


def read_presentations(experiment: Any, durations: Mapping[str, float], path: Path) -> ExperimentTrials:
    """Read the trials of an experiment, whatever their order in the file.

    Parameters
    ----------
    experiment
        Its struct in the session's file.
    durations
        Seconds that each stimulus of the set lasts, by name.
    path
        The session's file, for error messages.

    Raises
    ------
    RecordingError
        If a field is missing or damaged, or a sound began before the one before it had ended.
    """
    stored = np.atleast_1d(field(experiment, "StimulusName", path)).tolist()
    onset = numbers(experiment, "StimulusTimeOn", path).astype(np.float64)
    if len(stored) != onset.size:
        raise RecordingError(
            f"{path}: an experiment has {len(stored)} values in field StimulusName but {onset.size} in field "
            "StimulusTimeOn; expected one of each per trial. Copy the file again"
        )
    nameless = [k for k, name in enumerate(stored) if not isinstance(name, str)]
    if nameless:
        raise RecordingError(
            f"{path}: field StimulusName holds {stored[nameless[0]]!r} in trial {nameless[0] + 1}; expected the path "
            "of a sound. Copy the file again"
        )
    names = [sound_name(name) for name in stored]
    kept = np.array([k for k, name in enumerate(names) if name in durations], dtype=np.int64)
    late = kept[~np.isfinite(onset[kept])]
    if late.size:
        raise RecordingError(
            f"{path}: field StimulusTimeOn holds {onset[late[0]]} in trial {late[0] + 1}; expected seconds. "
            "Copy the file again"
        )
    kept = kept[np.argsort(onset[kept], kind="stable")]
    stimulus, onset = tuple(names[k] for k in kept), onset[kept]
    end = onset + np.array([durations[name] for name in stimulus])
    overlapping = np.flatnonzero(onset[1:] < end[:-1] - ROUNDING)
    if overlapping.size:
        k = overlapping[0]
        raise RecordingError(
            f"{path}: field StimulusTimeOn holds {onset[k + 1]:.6f} s in trial {kept[k + 1] + 1} ({stimulus[k + 1]}), "
            f"but {stimulus[k]} before it lasted until {end[k]:.6f} s; expected trials that do not overlap. "
            "Check that the sounds are those that were played"
        )
    return ExperimentTrials(Trials(stimulus, onset), end, len(names) - kept.size)
