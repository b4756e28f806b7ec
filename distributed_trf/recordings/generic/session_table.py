"""The optional table that says where each session was recorded and which are bad, and which sessions can be used."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from distributed_trf.csv_table import finite, read_table, text
from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.layout import SoundFile, table_file
from distributed_trf.recordings.generic.presentations import Contents, SessionSource
from distributed_trf.recordings.open_recordings import some_of

MAY_LACK = ("subject", "area", "x", "y", "use")
"""Columns that need not be there."""
YES, NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True)
class SessionRow:
    """One session's row in the table."""

    subject: str | None = None
    """None where the table says nothing."""
    area: str | None = None
    x: float = math.nan
    y: float = math.nan
    use: bool = True
    """Whether the session is not a bad one."""


def read_session_table(path: Path) -> dict[str, SessionRow]:
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
        name: SessionRow(subject[k] or None, area[k] or None, float(x[k]), float(y[k]), use[k].lower() not in NO)
        for k, name in enumerate(names)
    }


def _words(frame: pd.DataFrame, name: str) -> list[str]:
    """A column of text that may be absent and have blanks."""
    return frame[name].fillna("").str.strip().tolist() if name in frame else [""] * len(frame)


Sounds = Mapping[str, Mapping[str, SoundFile]]
"""The sounds of each stimulus set by id."""


def read_sessions(
    names: list[str], sites: Mapping[str, SessionRow], source: Callable[[str], SessionSource], sounds: Sounds
) -> tuple[dict[str, Contents], tuple[str, ...], dict[str, str]]:
    """Read what the files of all sessions but the bad ones say, apart from spikes.

    Parameters
    ----------
    names
        Sessions that have files.
    sites
        What ``sessions.csv`` says, by session.
    source
        Finds the files of a session.
    sounds
        Sounds that trials can be of.

    Returns
    -------
    contents, notes, unusable
        Contents by session, without those that cannot be used; a line on each thing that is not used; and of sessions
        that cannot be used, by name, why.
    """
    bad = [name for name in names if not sites.get(name, SessionRow()).use]
    absent = [name for name in sites if name not in names]
    notes = [f"bad sessions left out: {', '.join(bad)}"] if bad else []
    if absent:
        notes.append(f"sessions.csv names sessions without files: {', '.join(absent)}")
    contents, unusable = {}, {}
    for name in names:
        if name in bad:
            continue
        try:
            contents[name] = read_contents(source(name))
            of_session = (*_unknown_sounds(contents[name], sounds), *contents[name].notes)
        except RecordingError as error:
            contents.pop(name, None)
            unusable[name] = str(error)
            of_session = (f"left out: {error}",)
        notes += [f"session {name}: {line}" for line in of_session]
    return contents, (*notes, *_other_channels(contents, sites)), unusable


def read_contents(source: SessionSource) -> Contents:
    """Read what the files of a session say, apart from spikes; once in a process, unless they change.

    Each work item opens the recordings anew, so a process would otherwise read all sessions for each of them.
    """
    stamps = tuple((f.resolve(), f.stat().st_size, f.stat().st_mtime_ns) for f in source.files)
    return _contents(source, stamps)


@lru_cache(maxsize=4096)
def _contents(source: SessionSource, stamps: tuple[tuple[Path, int, int], ...]) -> Contents:
    return source.contents()


def _other_channels(contents: Mapping[str, Contents], sites: Mapping[str, SessionRow]) -> Iterator[str]:
    """Say in which sessions of a subject the channels of signals or values differ from those of its first session."""
    first: dict[str, str] = {}
    for name, found in contents.items():
        subject = sites.get(name, SessionRow()).subject or found.subject
        if found.response == "spikes" or subject is None:
            continue
        before = first.setdefault(subject, name)
        differ = sorted(set(contents[before].units) ^ set(found.units))
        if differ or contents[before].units != found.units:
            yield (
                f"sessions {before} and {name} of subject {subject} differ in their channels: "
                f"{some_of(differ, shown=3) if differ else 'the same in another order'}"
            )


def _unknown_sounds(contents: Contents, sounds: Sounds) -> tuple[str, ...]:
    """A note on trials whose sound is not there; an error if that is all of them."""
    pairs = list(zip(contents.presentations.stimulus_set, contents.presentations.stimulus, strict=True))
    unknown = [(of_set, i) for of_set, i in pairs if i not in sounds.get(of_set, {})]
    if not unknown:
        return ()
    named = list(dict.fromkeys(f"{of_set}/{i}" for of_set, i in unknown))
    listed = some_of(named, shown=3)
    if len(unknown) == len(pairs):
        there = ", ".join(f"{of_set}/{next(iter(files))}" for of_set, files in sounds.items())
        raise RecordingError(
            f"none of its {len(pairs)} trials is of a sound in stimuli; found {listed}; expected a stimulus set and "
            f"the stem of one of its files, such as {there}. Rename the ones or the others"
        )
    return (f"{len(unknown)} of {len(pairs)} trials left out, for their sounds are not in stimuli: {listed}",)
