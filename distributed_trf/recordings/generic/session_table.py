"""The optional table that says where each session was made, and which are bad."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.csv_table import finite, read_table, text
from distributed_trf.recordings.generic.layout import table_file

MAY_LACK = ("subject", "area", "x", "y", "use")
"""Columns that need not be there."""
YES, NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True)
class Site:
    """What the table says of one session."""

    subject: str | None = None
    """None where the table says nothing."""
    area: str | None = None
    x: float = math.nan
    y: float = math.nan
    use: bool = True
    """Whether the session is not a bad one."""


def read_session_table(path: Path) -> dict[str, Site]:
    """Read ``sessions.csv`` of a recording set, by session name; nothing where there is no such file.

    Raises
    ------
    RecordingError
        If it is damaged, names a session twice, or holds something else than it should.
    """
    file = table_file(path, "sessions")
    if file is None:
        return {}
    frame = read_table(file, ("session", *MAY_LACK), may_lack=MAY_LACK, numeric=("x", "y"))
    names = text(frame, "session", file)
    twice = names[names.duplicated()]
    if len(twice):
        raise RecordingError(
            f"{file}: session {twice.iloc[0]} is there again in row {twice.index[0]}; expected one row per session. "
            "Remove one of them"
        )
    subject, area, use = (_words(frame, name) for name in ("subject", "area", "use"))
    x, y = (finite(frame, n, file, blanks=True) if n in frame else [math.nan] * len(frame) for n in ("x", "y"))
    for row, word in zip(frame.index, use, strict=True):
        if word and word.lower() not in YES + NO:
            raise RecordingError(
                f"{file}: column use holds {word!r} in row {row}; expected yes, no or nothing. Correct the file"
            )
    return {
        name: Site(subject[k] or None, area[k] or None, float(x[k]), float(y[k]), use[k].lower() not in NO)
        for k, name in enumerate(names)
    }


def _words(frame: pd.DataFrame, name: str) -> list[str]:
    """A column of text that may be absent and have blanks."""
    return frame[name].fillna("").str.strip().tolist() if name in frame else [""] * len(frame)
