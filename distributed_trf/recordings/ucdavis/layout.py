"""Where the files of the UC Davis recordings are.

::

    <path>/Data/<subject>_<date>_<name>.mat        one per session
    <path>/recanzone_timit_details.mat             which sentences were used, and how
    <path>/TIMIT_48000/<sentence>.wfm              their sound
    <path>/MSL.mat                                 which vocalisations were used, and how
    <path>/NIMH_Mvoc_WFM/<vocalisation>.wfm        their sound

What is published of the UC Davis sessions: their names, and how often each heard what was repeated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.recording_set import MVOCS, TIMIT

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
