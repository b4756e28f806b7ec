"""The file that says where each session of the UCSF recordings was made."""

from __future__ import annotations

import math
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
