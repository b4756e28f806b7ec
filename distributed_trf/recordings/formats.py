"""The recording formats that can be read, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.recordings.ucsf.reader import UCSFRecordings

FORMATS: dict[str, Callable[[Path], RecordingSet]] = {"ucsf": UCSFRecordings}


def open_recordings(format: str, path: str | Path) -> RecordingSet:
    """Open the recording set at ``path``.

    Raises
    ------
    ConfigError
        If there is no such format.
    RecordingError
        If the recordings are not there or not as their format promises.
    """
    if format not in FORMATS:
        raise ConfigError(f"recording format {format!r} is unknown; expected one of {', '.join(sorted(FORMATS))}")
    return FORMATS[format](Path(path))
