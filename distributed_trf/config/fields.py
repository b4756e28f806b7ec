"""Types of values that several settings share."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

logger = logging.getLogger(__name__)
LONGEST_NAME = 255
"""Bytes, the limit of file systems."""
LONGEST_TIME = 60.0
"""Seconds."""
LOWEST_RATE = 100.0
"""Hertz."""
FOLDER = "folder"
"""In the context of a validation: what relative paths are from; without it, the working directory."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]*$", max_length=100)]
"""Names become folders, so only plain names are accepted; ``@`` stands before the context of a network."""


def _absolute(path: Path, info: ValidationInfo) -> Path:
    if "\0" in str(path) or any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise ValueError(f"no file can be called that; expected names of up to {LONGEST_NAME} bytes")
    try:
        path = path.expanduser()
        from_here = path.absolute()
        folder = (info.context or {}).get(FOLDER)
        found = from_here if folder is None else (folder / path).absolute()
    except (RuntimeError, OSError) as error:  # an unknown user, or a removed working directory
        raise ValueError(f"{error}; write the whole path") from error
    if found == from_here or os.path.lexists(found) or not os.path.lexists(from_here):
        return found
    logger.warning(
        f"{path} is taken from the working directory, where it is; relative paths are from the folder of the file that "
        f"names them, {folder}, and later versions will look only there. Write {os.path.relpath(from_here, folder)}"
    )
    return from_here


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
"""Fixed when the file is read: workers may run in another folder."""


def _path_or_id(text: str, info: ValidationInfo) -> str:
    path = _absolute(Path(text), info)
    return str(path) if os.path.lexists(path) else text


Source = Annotated[str, AfterValidator(_path_or_id)]
"""Folder or file, made absolute, or hub id of trained weights."""


def _in_seconds(value: float) -> float:
    if abs(value) > LONGEST_TIME:
        raise ValueError(f"expected seconds, {LONGEST_TIME:g} at most; {value:g} ms is {value / 1000:g}")
    return value


def _in_milliseconds(value: float) -> float:
    if not value >= 1:
        raise ValueError(f"expected milliseconds (ms), 1 at least; {value:g} s is {value * 1000:g}")
    if value > LONGEST_TIME * 1000:
        raise ValueError(
            f"expected milliseconds (ms), {LONGEST_TIME * 1000:g} at most; {value:g} us is {value / 1000:g}"
        )
    return value


def _in_hertz(value: float) -> float:
    if value < LOWEST_RATE:
        raise ValueError(f"expected hertz, {LOWEST_RATE:g} at least; {value:g} kHz is {value * 1000:g}")
    return value


def _in_percent(value: float) -> float:
    if value < 1:
        raise ValueError(f"expected percent, 1 at least; the fraction {value:g} is {value * 100:g}")
    return value


Seconds = Annotated[float, AfterValidator(_in_seconds)]
"""A time that is short compared with a sound; a value in milliseconds is refused as a mistake."""
Milliseconds = Annotated[float, Field(gt=0), AfterValidator(_in_milliseconds)]
"""The width of a bin; a value in seconds is refused as a mistake."""
Hertz = Annotated[float, Field(gt=0), AfterValidator(_in_hertz)]
"""A sampling rate of sound; a value in kilohertz is refused as a mistake."""
Percent = Annotated[float, Field(gt=0, le=100), AfterValidator(_in_percent)]
"""A percentage; a fraction of 1 is refused as a mistake."""


def seconds(value: Any) -> Any:
    """Read a duration, written as 90 (seconds), 30 min, 6 h, 2 d, 4:00:00 or 1-12:00:00 (days before the dash).

    Examples
    --------
    >>> seconds("6 h"), seconds("1-12:00:00")
    (21600.0, 129600.0)
    """
    if not isinstance(value, str):
        return value
    if clock := re.fullmatch(r"(?:(\d{1,6})-)?(\d{1,6}):([0-5]\d):([0-5]\d)", value.strip()):
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)
    if amount := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)?", value.strip()):
        return float(amount[1]) * {None: 1, "s": 1, "min": 60, "h": 3600, "d": 86400}[amount[2]]
    raise ValueError("expected a duration such as 90 s, 30 min, 6 h, 2 d or 4:00:00 (hours, minutes, seconds)")


Duration = Annotated[float, Field(gt=0), BeforeValidator(seconds)]
"""Seconds."""
