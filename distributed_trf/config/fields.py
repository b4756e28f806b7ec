"""Kinds of values that several settings have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Names become folders, so only plain ones are taken."""

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""Fixed when the file is read: workers may run in another folder."""

Source = Annotated[
    str,
    AfterValidator(lambda source: str(path.absolute()) if (path := Path(source).expanduser()).exists() else source),
]
"""Folder or file, made absolute, or hub id of trained weights."""

Percent = Annotated[float, Field(gt=0, le=100)]


def seconds(value: Any) -> Any:
    """Read a duration, written as 90 (seconds), 30 min, 6 h, 2 d, 4:00:00 or 1-12:00:00 (days before the dash).

    Examples
    --------
    >>> seconds("6 h"), seconds("1-12:00:00")
    (21600.0, 129600.0)
    """
    if not isinstance(value, str):
        return value
    if clock := re.fullmatch(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", value.strip()):
        days, hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)
    if amount := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)?", value.strip()):
        return float(amount[1]) * {None: 1, "s": 1, "min": 60, "h": 3600, "d": 86400}[amount[2]]
    raise ValueError("expected a duration such as 90 s, 30 min, 6 h, 2 d or 4:00:00 (hours, minutes, seconds)")


Duration = Annotated[float, Field(gt=0), BeforeValidator(seconds)]
"""Seconds."""
