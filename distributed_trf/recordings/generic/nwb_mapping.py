"""The optional file that says which tables and columns of a laboratory's NWB files hold the trials and the units."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from distributed_trf.config.yaml_file import read_yaml
from distributed_trf.errors import ConfigError, RecordingError, shown

MAPPING_FILE = "recordings.yaml"


@dataclass(frozen=True)
class NwbMapping:
    """Names in the NWB files, as under ``nwb:`` in ``recordings.yaml``."""

    intervals: str | None = None
    """Table of the presentations; without it ``trials``, or else the only one with a column of stimuli."""
    stimulus_set: str | None = "stimulus_set"
    """Column of stimulus sets; None where all presentations are of the only set there. A column of this name may be
    missing where there is one set."""
    stimulus: str = "stimulus"
    """Column of stimulus ids."""
    onset: str = "start_time"
    """Column of onsets."""
    unit: str | None = None
    """Column of the units' labels; without it the first of ``unit_name``, ``unit_id`` and the table's own ``id``."""


def read_mapping(path: Path) -> NwbMapping:
    """Read ``recordings.yaml`` of a recording set; the defaults where there is no such file.

    Raises
    ------
    RecordingError
        If it is damaged or holds anything but the fields of ``NwbMapping`` under ``nwb``.
    """
    file = path / MAPPING_FILE
    if not file.is_file():
        return NwbMapping()
    try:
        content = read_yaml(file)
    except ConfigError as error:
        raise RecordingError(f"{error}. Correct the file") from error
    if not isinstance(content, dict) or set(content) != {"nwb"} or not isinstance(content["nwb"], dict):
        found = shown(", ".join(content), quoted=False) if isinstance(content, dict) else shown(content)
        raise RecordingError(
            f"{file}: holds {found}; expected one field, nwb, with fields of its own in it. Correct the file"
        )
    names = [f.name for f in fields(NwbMapping)]
    for name, value in content["nwb"].items():
        if name not in names:
            raise RecordingError(
                f"{file}: field nwb.{shown(name, quoted=False)} is unknown; expected some of {', '.join(names)}. "
                "Correct the file"
            )
        if not (isinstance(value, str) and value) and not (value is None and name not in ("stimulus", "onset")):
            raise RecordingError(f"{file}: field nwb.{name} is {shown(value)}; expected a name. Correct the file")
    return NwbMapping(**content["nwb"])
