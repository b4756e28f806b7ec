"""The file of one UC Davis session: spikes of four tetrodes and what was played."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import field, numbers, read_mat
from distributed_trf.recordings.ucdavis.layout import SET_FILES

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
        If it is missing or damaged, holds no unit, or it cannot be told which unit or stimulus set something is of.
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
                "expected codes that tell all units of the session apart. Correct the codes"
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
    """Read which units a session has and which stimulus sets it heard; once in a process, unless its file changes.

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
