"""The UCSF recordings (doi 10.5281/zenodo.16175377): where their files are, and what is published of their sessions.

::

    <path>/sessions_metadata.yml
    <path>/sessions/<YYMMDD>/<animal>_<YYMMDD>_Ch<N>_MUspk.mat       one per channel
    <path>/stimuli/out_sentence_details_timit_all_loudness.mat       sentences
    <path>/stimuli/SqMoPhys_MVOCStimcodes.mat                        vocalisations: which came when
    <path>/stimuli/MonkVocs_15Blocks.wav                             vocalisations: their sound, one after another

It is published where each session was recorded, which are bad, and in which no vocalisations were presented: in
``sessions_metadata.yml``, and the numbers of channels in Ahmed et al. (2025). Recordings bring that file with them;
what is written here serves data without it, such as simulations and tables.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_trf.config.yaml_file import read_yaml
from distributed_trf.errors import ConfigError, RecordingError, shown
from distributed_trf.recordings.recording_set import UNKNOWN

METADATA_FILE = "sessions_metadata.yml"
SUBJECTS = ("c_LH", "c_RH", "b_RH", "f_RH")
"""Animal and hemisphere; each has a list of its sessions under ``<subject>_sessions``."""


@dataclass(frozen=True)
class SiteTable:
    """What the metadata file says, by session name."""

    bad: frozenset[str]
    """Sessions that are not to be used."""
    area: dict[str, str]
    subject: dict[str, str]
    coordinates: dict[str, tuple[float, float]]

    def site(self, session: str) -> tuple[str, str, float, float]:
        """Return area, subject and coordinates of a session, ``unknown`` and NaN where the file says nothing."""
        x, y = self.coordinates.get(session, (math.nan, math.nan))
        return self.area.get(session, UNKNOWN), self.subject.get(session, UNKNOWN), x, y


def read_site_table(path: Path) -> SiteTable:
    """Read ``sessions_metadata.yml``.

    Raises
    ------
    RecordingError
        If it is missing or damaged, or a field is missing or is not what it should be.
    """
    if not path.exists():
        raise RecordingError(f"{path}: there is no such file. Copy it again from the published recordings")
    try:
        content = read_yaml(path)
    except ConfigError as error:
        raise RecordingError(f"{error}. Copy it again from the published recordings") from error
    if not isinstance(content, dict):
        raise RecordingError(
            f"{path}: holds {type(content).__name__}, expected fields such as bad_sessions. Copy it again"
        )

    areas = _field(content, "area_wise_sessions", dict, path)
    coordinates = _field(content, "session_coordinates", dict, path)
    subjects = {s: _field(content, f"{s}_sessions", list, path) for s in SUBJECTS if f"{s}_sessions" in content}
    return SiteTable(
        bad=frozenset(str(name) for name in _field(content, "bad_sessions", list, path)),
        area={str(name): str(area) for area in areas for name in _field(areas, area, list, path)},
        subject={str(name): subject for subject, names in subjects.items() for name in names},
        coordinates={str(name): _pair(name, value, path) for name, value in coordinates.items()},
    )


def _field(content: dict[str, Any], name: str, kind: type, path: Path) -> Any:
    value = content.get(name)
    if value is None and name in content:
        return kind()  # a YAML key with nothing after it
    if not isinstance(value, kind):
        found = f"is {shown(value)}" if name in content else "is missing"
        expected = "a list of sessions" if kind is list else "a mapping"
        raise RecordingError(f"{path}: field {name} {found}; expected {expected}, which may be empty. Correct the file")
    return value


def _pair(session: Any, value: Any, path: Path) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value):
        return float(value[0]), float(value[1])
    raise RecordingError(
        f"{path}: field session_coordinates of session {session} is {shown(value)}; expected [x, y]. Correct the file"
    )


TEST_IDS = (12, 13, 32, 43, 56, 163, 212, 218, 287, 308)
"""Sentences kept for testing, by position from 1; each was presented about eleven times in every session."""
SILENCE = 0.5
"""Seconds of silence at either end of each stored sentence. The field of the file for it is empty in two sentences."""
N_TEST_PRESENTATIONS = 15
"""Vocalisations presented exactly this often are kept for testing; others, even if presented more often, are not."""
SENTENCE_FILE = Path("stimuli", "out_sentence_details_timit_all_loudness.mat")
CODE_FILE = Path("stimuli", "SqMoPhys_MVOCStimcodes.mat")
VOCALISATION_FILE = Path("stimuli", "MonkVocs_15Blocks.wav")
CACHE_FILE = Path("stimuli", "mVoc_stim_details.pkl")
"""What other software may have left behind: a pickle, so it is never read."""
SESSIONS_FOLDER = "sessions"
CHANNEL_FILES = "*MUspk*.mat"
CHANNEL_LABEL = re.compile(r"_(Ch\d+(?:ps2|s2|p)?)_MUspk")


def check_folder(path: Path) -> None:
    """Raise RecordingError unless ``path`` is the folder with the metadata file and the sessions in it."""
    if (path / METADATA_FILE).is_file() and (path / SESSIONS_FOLDER).is_dir():
        return
    expected = f"{METADATA_FILE} and a folder {SESSIONS_FOLDER}"
    if not path.is_dir():
        raise RecordingError(f"{path}: there is no such folder; expected the one that holds {expected}")
    near = [*sorted(path.iterdir()), *path.absolute().parents[:2]]
    meant = [p for p in near if (p / METADATA_FILE).is_file() and (p / SESSIONS_FOLDER).is_dir()]
    remedy = f"Give {meant[0]} instead" if meant else "Copy the recordings again, or correct the path"
    raise RecordingError(f"{path}: expected {expected} in this folder. {remedy}")


def channel_files(folder: Path) -> tuple[Path, ...]:
    """Return the channel files of a session's folder, sorted as plain strings.

    Raises
    ------
    RecordingError
        If there is none.
    """
    names = sorted(p.name for p in folder.glob(CHANNEL_FILES) if not p.name.startswith("."))
    if not names:
        raise RecordingError(
            f"{folder}: no file {CHANNEL_FILES}; expected one per channel. "
            "Copy the session again or add it to bad_sessions"
        )
    return tuple(folder / name for name in names)


def channel_labels(files: tuple[Path, ...]) -> tuple[str, ...]:
    """Return a short label per channel file, or its whole stem where short ones would not distinguish the files."""
    found = [CHANNEL_LABEL.search(path.name) for path in files]
    labels = tuple(m.group(1) if m else path.stem for m, path in zip(found, files, strict=True))
    if len(set(labels)) < len(labels):
        return tuple(path.stem for path in files)
    return labels


BAD_SESSIONS = (
    *(180405, 180406, 180417, 180619, 180725, 180801, 190607, 191002),
    *(191212, 200226, 200312, 200323, 200325, 200401, 200610, 200617),
)
"""Sessions that were published but are not to be used."""
WITHOUT_VOCALISATIONS = frozenset({"190726", "200213"})
"""Sessions in which no vocalisations were played, as Ahmed et al. (2025) exclude them."""
CORE, NON_PRIMARY = "core", "non-primary"


@dataclass(frozen=True)
class Site:
    """A recording site."""

    session: str
    """Day of the recording, YYMMDD."""
    subject: str
    area: str
    x: float
    y: float
    channels: int
    """Published ones."""


def _parse(line: str) -> Site:
    session, subject, area, x, y, channels = line.split()
    return Site(session, subject, area, float(x), float(y), int(channels))


_TABLE = """
    180413 b_RH non-primary 0.4 -0.4 16
    180420 b_RH non-primary -0.6 -0.65 16
    180501 b_RH core -0.65 1.05 16
    180502 c_RH non-primary 0.25 -0.8 16
    180613 b_RH non-primary -0.7 -0.7 16
    180622 c_RH non-primary 0.01 0.03 16
    180627 b_RH core -0.8 0.98 16
    180717 b_RH non-primary 0.02 -1.1 16
    180719 b_RH core -0.3 1.25 16
    180720 c_RH core -0.5 1.15 16
    180724 b_RH non-primary -0.95 -1.2 16
    180728 c_RH non-primary 0.6 -0.75 16
    180730 b_RH non-primary 0.15 -0.98 16
    180731 c_RH core -0.3 1.08 16
    180807 c_RH core 0.18 0.8 16
    180808 b_RH core -1.15 1.15 16
    180810 b_RH core -0.55 0.3 16
    180814 b_RH core -0.7 0.55 36
    190604 c_RH core -0.75 1.25 64
    190605 c_RH non-primary 0.8 -0.85 64
    190606 c_RH core -0.4 1.4 64
    190703 c_RH non-primary -0.32 0.01 64
    190726 c_RH core -0.94 1.35 60
    190801 c_RH core -0.92 1.3 64
    191113 c_LH core -0.5 0.02 60
    191115 c_LH non-primary 0.09 -0.5 58
    191121 c_LH non-primary 0.07 -0.95 63
    191125 c_LH core -0.5 0.5 60
    191206 c_LH core -0.92 0.95 61
    191209 f_RH core -0.55 0.98 59
    191210 c_LH non-primary 0.8 -1.3 61
    191211 f_RH non-primary 1.02 -0.08 61
    191219 c_LH non-primary -0.92 -0.8 62
    200205 c_LH non-primary -0.5 -0.5 60
    200206 c_LH core -0.92 0.6 64
    200207 c_LH core 0 1.2 62
    200212 c_LH non-primary -0.43 -1.2 64
    200213 f_RH core 0 0.25 64
    200219 f_RH non-primary -0.85 -0.8 63
    200313 f_RH core -0.8 0.03 63
    200318 f_RH non-primary -0.05 -1.3 45
"""
SITES = tuple(_parse(line) for line in _TABLE.strip().split("\n"))
"""The 41 sessions that are used, sorted by name."""
