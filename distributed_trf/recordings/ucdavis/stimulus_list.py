"""The stimulus lists of the UC Davis recordings: which sounds were used, and how long they are.

Files of the recordings::

    <path>/Data/<subject>_<date>_<name>.mat        one per session
    <path>/recanzone_timit_details.mat             which sentences were used, and how
    <path>/TIMIT_48000/<sentence>.wfm              their sound
    <path>/MSL.mat                                 which vocalisations were used, and how
    <path>/NIMH_Mvoc_WFM/<vocalisation>.wfm        their sound

Sounds are samples without a header, int16 from low to high byte, one channel. Also what is published of the sessions:
their names, and how often repeated sounds were presented in each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import field, numbers, read_mat
from distributed_trf.recordings.recording_set import MVOCS, TIMIT, Stimulus

DATA_FOLDER = "Data"


@dataclass(frozen=True)
class SetFiles:
    """Where a stimulus set is described, and the names that its parts have there."""

    details: str
    """File that lists the sounds."""
    folder: str
    """Folder of the sounds."""
    variable: str
    """The one variable of ``details``."""
    name_field: str
    """Its field with the file names of all sounds, used or not."""
    groups: tuple[str, ...]
    """What the fields of its ``indUsed`` begin with; each goes on with ``Repeat`` or ``Unique``."""
    letter: str
    """Third letter of the experiment's type: ``BMT3`` is sentences with three repeats."""


SET_FILES = {
    TIMIT: SetFiles("recanzone_timit_details.mat", "TIMIT_48000", "timit", "wfmName", ("male", "female"), "T"),
    MVOCS: SetFiles("MSL.mat", "NIMH_Mvoc_WFM", "MSL", "WFMname", ("grunt", "scream", "coo"), "M"),
}


def sound_name(stored: str) -> str:
    r"""Return a sound's name from its file name or Windows path.

    Examples
    --------
    >>> sound_name("C:\\sounds\\103-fmjf0_si1254.wfm")
    '103-fmjf0_si1254'
    """
    return re.split(r"[\\/]", stored.strip())[-1].removesuffix(".wfm")


def check_folder(path: Path) -> None:
    """Raise RecordingError unless ``path`` is the folder with the sessions' folder in it."""
    if (path / DATA_FOLDER).is_dir():
        return
    if not path.is_dir():
        raise RecordingError(f"{path}: there is no such folder; expected the one that holds a folder {DATA_FOLDER}")
    near = [*sorted(path.iterdir()), path.absolute().parent]
    meant = [p for p in near if (p / DATA_FOLDER).is_dir()]
    remedy = f"Give {meant[0]} instead" if meant else "Copy the recordings again, or correct the path"
    raise RecordingError(f"{path}: expected a folder {DATA_FOLDER}, with one .mat file per session, in it. {remedy}")


def session_files(path: Path) -> dict[str, Path]:
    """Return the file of every session below ``path``, by name of the session, sorted.

    Raises
    ------
    RecordingError
        If there is none.
    """
    folder = path / DATA_FOLDER
    # Copies made on a Mac bring hidden twins of files, hence the check of the first letter.
    files = {p.stem: p for p in sorted(folder.glob("*.mat")) if p.is_file() and not p.name.startswith(".")}
    if not files:
        raise RecordingError(f"{folder}: no file *.mat; expected one per session. Copy the recordings again")
    return dict(sorted(files.items()))


REPEATS = {
    "relayz_2024-10-28b_boilermaker": 3,
    "relayz_2024-11-13c_boilermaker": 3,
    "relayz_2024-11-15b_boilermaker": 3,
    "relayz_2024-12-26b_boilermaker": 12,
    "relayz_2024-12-30b_boilermaker": 12,
    "relayz_2024-12-30c_boilermaker": 12,
    "relayz_2025-01-09b_boilermaker": 12,
    "relayz_2025-01-15b_boilermaker": 12,
    "relayz_2025-01-24b_boilermaker": 12,
}
"""By name of the file without its ending, sorted: Ahmed et al. (2025) number the sessions from 0 in this order."""


SFREQ = 48_000
"""Samples per second."""
SAMPLE = np.dtype("<i2")
FULL_SCALE = 32_768
"""Value of a stored sample that would count as 1."""


def duration(path: Path) -> float:
    """Return the seconds that a sound lasts, from the size of its file.

    Raises
    ------
    RecordingError
        If the file is missing, empty or ends within a sample.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: there is no such file. Copy it again from the published recordings")
    size = path.stat().st_size
    if not size or size % SAMPLE.itemsize:
        raise RecordingError(
            f"{path}: has {size} bytes; expected at least one sample and {SAMPLE.itemsize} bytes for each. "
            "Copy it again"
        )
    return size / (SAMPLE.itemsize * SFREQ)


def read_waveform(path: Path) -> np.ndarray:
    """Return a sound as float32 in [-1, 1), shape (n_samples,).

    Raises
    ------
    RecordingError
        As ``duration`` does.
    """
    duration(path)
    return np.fromfile(path, dtype=SAMPLE).astype(np.float32) / np.float32(FULL_SCALE)


REPEAT, UNIQUE = "Repeat", "Unique"
"""Endings of the fields of ``indUsed``: sounds presented repeatedly are for testing, others for training."""


@dataclass(frozen=True)
class StimulusList:
    """A stimulus set: the file that lists its sounds and the folder that holds them."""

    path: Path
    """Folder of the recording set."""
    files: SetFiles

    @property
    def details(self) -> Path:
        """The file that lists the sounds."""
        return self.path / self.files.details

    @cached_property
    def stimuli(self) -> tuple[Stimulus, ...]:
        """All sounds in use, in the order of the list.

        Raises
        ------
        RecordingError
            If the list or the file of a sound is missing or damaged, or they do not fit each other.
        """
        return tuple(Stimulus(name, duration(self._wave(name)), is_test=test) for name, test in self._used.items())

    def sounds(self) -> tuple[dict[str, np.ndarray], float]:
        """Waveform of every sound in use, float32 in [-1, 1) of shape (n_samples,), and their rate in hertz."""
        return {name: read_waveform(self._wave(name)) for name in self._used}, float(SFREQ)

    def sound_files(self) -> tuple[Path, ...]:
        """The list and the files of all sounds in use."""
        return (self.details, *(self._wave(name) for name in self._used))

    def _wave(self, name: str) -> Path:
        return self.path / self.files.folder / f"{name}.wfm"

    @cached_property
    def _used(self) -> dict[str, bool]:
        """Name of each sound in use, and whether it is for testing."""
        listed = read_mat(self.details, (self.files.variable,))[self.files.variable]
        names, used = self._parts(listed)
        positions = self._positions(used, len(names))
        stimuli: dict[str, bool] = {}
        for position, is_test in sorted(positions.items()):
            stored = names[position - 1]
            name = sound_name(stored) if isinstance(stored, str) else ""
            if not name or name in stimuli:
                found = f"holds {name!r} a second time" if name else f"holds {stored!r}"
                raise RecordingError(
                    f"{self.details}: field {self.files.name_field} {found} at position {position}; expected another "
                    "file name for every sound in use. Copy the file again"
                )
            stimuli[name] = is_test
        return stimuli

    def _parts(self, listed: Any) -> tuple[list[Any], Any]:
        """Names of all sounds and the struct ``indUsed``, from one struct or an array with a struct per sound."""
        if not isinstance(listed, np.ndarray):
            stored = np.atleast_1d(field(listed, self.files.name_field, self.details))
            return stored.tolist(), field(listed, "indUsed", self.details)
        names = [field(entry, self.files.name_field, self.details) for entry in listed]
        used = [field(entry, "indUsed", self.details) for entry in listed]
        return names, next((entry for entry in used if not isinstance(entry, np.ndarray)), None)

    def _positions(self, used: Any, n_sounds: int) -> dict[int, bool]:
        """Position from 1 of each sound in use, and whether it is for testing."""
        positions: dict[int, bool] = {}
        for ending in (REPEAT, UNIQUE):
            for group in self.files.groups:
                name = f"{group}{ending}"
                for index in numbers(used, name, self.details):
                    if not (1 <= index <= n_sounds and index % 1 == 0) or int(index) in positions:
                        problem = "that is in use already" if index in positions else "which is no position in the list"
                        raise RecordingError(
                            f"{self.details}: field {name} of indUsed holds {index:g}, {problem}; expected whole "
                            f"numbers from 1 to {n_sounds}, each of them once. Copy the file again"
                        )
                    positions[int(index)] = ending == REPEAT
        return positions
