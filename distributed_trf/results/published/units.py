"""How the published files number sessions and units, and what those are called here.

UCSF: a session is its day, and a channel the position of its file among those of the session sorted as plain strings,
from 0 (``Ch10`` comes before ``Ch1_``). UC Davis: a session is its position among the published ones sorted by
name, from 0, and a channel the code of a unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf.errors import ResultsFileError
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import UNKNOWN, RecordingSet
from distributed_trf.recordings.ucdavis.stimulus_list import REPEATS
from distributed_trf.recordings.ucsf.metadata import SITES, SiteTable

UCSF, UCDAVIS = "ucsf", "ucdavis"
_SESSIONS = tuple(REPEATS)


@dataclass(frozen=True)
class Names:
    """What sessions and channels of one dataset are called.

    Parameters
    ----------
    dataset
        ``ucsf`` or ``ucdavis``.
    channels
        Labels of all channels of a session, in the order of its files, by session; of sessions that are not there,
        indices are labels.
    sites
        Area, subject and coordinates of sessions; by default those published.
    """

    dataset: str
    channels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sites: SiteTable | None = None

    @classmethod
    def of(cls, dataset: str, recordings: RecordingSet | None, sites: SiteTable | None = None) -> Names:
        """Take labels of channels from recordings; those of UC Davis are in the files of results themselves."""
        if recordings is None or dataset == UCDAVIS:
            return cls(dataset, sites=sites)
        return cls(dataset, {session.name: session.channels for session in recordings.sessions}, sites)

    def check(self, path: Path, rows: pd.DataFrame) -> None:
        """Raise ``ResultsFileError`` if a file's rows hold a session or channel that does not exist.

        Rows are those of ``read_file``.
        """
        if self.dataset == UCDAVIS:
            known = f"0 to {len(_SESSIONS) - 1}, the published sessions sorted by name"
            _check(path, "session", rows["session"], rows["session"] < len(_SESSIONS), known)
        for number in rows["session"].unique().tolist() if self.channels else ():
            session, of = self.session(number), rows[rows["session"] == number]
            labels = self.channels.get(session)
            if labels is not None:
                known = f"0 to {len(labels) - 1}, as session {session} of the recordings has"
                _check(path, "channel", of["channel"], of["channel"] < len(labels), known)

    def session(self, number: int) -> str:
        """Return the name of a session that ``check`` has passed."""
        return str(number) if self.dataset == UCSF else _SESSIONS[number]

    def channel(self, session: str, number: int) -> str:
        """Return the label of a channel that ``check`` has passed."""
        labels = self.channels.get(session)
        return str(number) if labels is None else labels[number]

    def site(self, session: str) -> tuple[str, str, float | None, float | None]:
        """Return area, subject and coordinates, ``unknown`` and None where nothing is known."""
        if self.dataset == UCDAVIS:
            return UNKNOWN, session.split("_")[0], None, None
        if self.sites is not None:
            area, subject, x, y = self.sites.site(session)
            return area, subject, None if math.isnan(x) else x, None if math.isnan(y) else y
        known = {site.session: (site.area, site.subject, site.x, site.y) for site in SITES}
        return known.get(session, (UNKNOWN, UNKNOWN, None, None))

    def units(self, rows: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
        """Return the labels of units along the unit axis, given numbers of session and channel in its order."""
        sessions = [self.session(number) for number in rows["session"]]
        sites = {session: self.site(session) for session in dict.fromkeys(sessions)}
        channels = [self.channel(s, number) for s, number in zip(sessions, rows["channel"], strict=True)]
        columns = zip(*(sites[session] for session in sessions), strict=True)
        area, subject, x, y = columns
        return {
            "session": tuple(sessions),
            "channel": tuple(channels),
            "area": area,
            "subject": subject,
            "x": x,
            "y": y,
        }

    def numbers(self, ds: xr.Dataset) -> pd.DataFrame:
        """Return session and channel of each unit of a dataset as the files number them.

        Raises
        ------
        ResultsFileError
            If a session or channel has no number there.
        """
        units = pd.DataFrame({name: ds[name].values.tolist() for name in ("session", "channel")})
        found = []
        for session, of in units.groupby("session", sort=False):
            labels = list(of["channel"])
            numbers = self._codes(labels) if self.dataset == UCDAVIS else self._positions(str(session), labels)
            found.append(pd.DataFrame({"session": self._number(str(session)), "channel": numbers}, index=of.index))
        return pd.concat(found).sort_index()

    def _number(self, session: str) -> int:
        if self.dataset == UCSF and session.isascii() and session.isdigit():
            return int(session)
        if self.dataset == UCDAVIS and session in _SESSIONS:
            return _SESSIONS.index(session)
        expected = "a day such as 180413" if self.dataset == UCSF else f"one of {some_of(_SESSIONS)}"
        raise ResultsFileError(f"session {session!r} has no number in the published layout; expected {expected}")

    def _codes(self, labels: list[str]) -> np.ndarray:
        if not all(_is_number(label) for label in labels):
            raise ResultsFileError(f"units {some_of(labels)} are not numbers; expected codes of units, such as 2001")
        return np.array([int(label) for label in labels], dtype=np.int64)

    def _positions(self, session: str, labels: list[str]) -> np.ndarray:
        """Find the files of some channels among all of their session."""
        known = self.channels.get(session)
        if known is not None:
            unknown = [label for label in labels if label not in known and not _is_number(label)]
            if unknown:
                raise ResultsFileError(
                    f"session {session}: channels {some_of(unknown)} are not in the recordings, which have "
                    f"{some_of(list(known))}; give the recordings that the results are of"
                )
            return np.array([known.index(c) if c in known else int(c) for c in labels], dtype=np.int64)
        if all(_is_number(label) for label in labels):  # imported without recordings
            return np.array([int(label) for label in labels], dtype=np.int64)
        if all(label.startswith("Ch") for label in labels) and labels != sorted(labels, key=lambda c: f"{c}_"):
            raise ResultsFileError(
                f"session {session}: channels {some_of(labels)} are not in the order of their files, so that their "
                "positions among these are not known; give the recordings, or the dataset as it was opened"
            )
        return np.arange(len(labels), dtype=np.int64)


def unit_order(rows: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Return each session and channel that occurs once, in the order in which the recordings' readers have them."""
    units = rows[["session", "channel"]].drop_duplicates()
    if dataset == UCDAVIS:  # tetrode by tetrode, whose number is the first digit of a code
        tetrode = units["channel"].astype(str).str[0]
        return units.assign(tetrode=tetrode).sort_values(["session", "tetrode", "channel"], ignore_index=True)
    return units.sort_values(["session", "channel"], ignore_index=True)


def _check(path: Path, column: str, values: pd.Series, good: pd.Series, expected: str) -> None:
    if not good.all():
        row = values.index[~good][0]
        raise ResultsFileError(
            f"{path}: column {column}, row {row + 2}: found {values[row]}, expected {expected}. Correct the row, or "
            "give the recordings that the results are of"
        )


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdigit() and label == str(int(label))
