"""Events with times in CSV tables, such as phonemes, words or surprisal, and the frames that they become.

With r frames per second and a lead-in of l seconds, frame k spans the time from k/r - l to (k+1)/r - l seconds after
the onset of the sound. Events have an onset and may have an offset, a label and a value, by default 1.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from distributed_trf.config.own_features import EventSettings
from distributed_trf.csv_table import finite, read_table, text
from distributed_trf.errors import FeatureError, shown
from distributed_trf.features.own.arrays import file_digest
from distributed_trf.store.fingerprint import digest

COLUMNS = ("stimulus_set", "stimulus", "onset", "offset", "label", "value")
ENDINGS = (".csv", ".csv.gz")
ROUNDING = 1e-6
"""Seconds within which two times are the same."""


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one stimulus; arrays have shape (n_events,), times are in seconds from the onset of the sound."""

    where: str
    """The file, for errors."""
    row: np.ndarray
    """Row of each in the file."""
    onset: np.ndarray
    offset: np.ndarray
    """NaN for an event without one."""
    label: tuple[str, ...]
    value: np.ndarray

    def identity(self) -> str:
        """Hash what the frames follow from."""
        offset = [None if np.isnan(t) else t for t in self.offset.tolist()]
        return digest([self.onset.tolist(), offset, list(self.label), self.value.tolist()])


class EventFiles:
    """One CSV of all stimuli, or a folder with one for each.

    Parameters
    ----------
    path
        The file or folder.
    stimuli
        The stimulus set; of a file with a column ``stimulus_set`` its rows alone are taken.
    labels
        The labels that are known; a file of one label need not have a column of labels.
    """

    def __init__(self, path: Path, stimuli: str, labels: tuple[str, ...]) -> None:
        self.path, self._set, self._labels = path, stimuli, labels

    def _files(self) -> dict[str, Path]:
        files = sorted(file for file in self.path.iterdir() if file.name.endswith(ENDINGS))
        return {file.name.removesuffix(".gz").removesuffix(".csv"): file for file in files}

    @property
    def stimuli(self) -> Collection[str]:
        """The stimuli that have events, or a row with no more than their name, or in a folder a file without rows."""
        return self._files().keys() if self.path.is_dir() else _of_file(self.path, self._set, self._labels).keys()

    def digest(self, stimulus: str) -> str:
        """Hash the events of a stimulus: other rows of the same file do not count."""
        return file_digest(self._files()[stimulus]) if self.path.is_dir() else self.read(stimulus).identity()

    def read(self, stimulus: str) -> Events:
        """Return the events of a stimulus.

        Raises
        ------
        FeatureError
            If its file cannot be read, or an event has no time, an offset before its onset, or no label.
        """
        if self.path.is_dir():
            return next(iter(_read(self._files()[stimulus], None, self._labels).values()))
        return _of_file(self.path, self._set, self._labels)[stimulus]


def _of_file(path: Path, stimuli: str, labels: tuple[str, ...]) -> dict[str, Events]:
    stat = path.stat()
    return _read_once(path, stimuli, labels, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_once(path: Path, stimuli: str, labels: tuple[str, ...], _size: int, _changed: int) -> dict[str, Events]:
    return _read(path, stimuli, labels)


def _read(path: Path, stimuli: str | None, labels: tuple[str, ...]) -> dict[str, Events]:
    """Read a table: by stimulus, or all of it as one where no set is given."""
    import pandas as pd

    optional = ["offset", "value", "stimulus_set", *(["label"] if len(labels) == 1 else [])]
    columns = COLUMNS if stimuli is not None else COLUMNS[2:]
    frame = read_table(
        path, columns, may_lack=tuple(optional), numeric=("onset", "offset", "value"), error=FeatureError
    )
    if stimuli is not None and "stimulus_set" in frame:
        frame = frame[text(frame, "stimulus_set", path, error=FeatureError) == stimuli]
    of = text(frame, "stimulus", path, error=FeatureError) if stimuli is not None else pd.Series("", frame.index)
    by_stimulus = {str(name): np.empty(0, dtype=np.int64) for name in of.unique()} or {"": np.empty(0, dtype=np.int64)}
    frame = frame.dropna(how="all", subset=[name for name in frame if name not in ("stimulus_set", "stimulus")])
    onset, of, n = finite(frame, "onset", path, error=FeatureError), of[frame.index], len(frame)
    blank = np.full(n, np.nan)
    offset = finite(frame, "offset", path, blanks=True, error=FeatureError) if "offset" in frame else blank
    value = finite(frame, "value", path, error=FeatureError) if "value" in frame else np.ones(n)
    label = text(frame, "label", path, error=FeatureError).tolist() if "label" in frame else [labels[0]] * n
    early = np.flatnonzero(offset < onset)
    if early.size:
        k = int(early[0])
        raise FeatureError(
            f"{path}: row {frame.index[k]} ends at {offset[k]:g} s, before it begins at {onset[k]:g} s; expected "
            "seconds from the onset of the sound. Correct the file"
        )
    by_stimulus |= {str(name): np.asarray(at) for name, at in of.groupby(of.to_numpy()).indices.items()}
    rows = frame.index.to_numpy()
    return {
        str(name): Events(str(path), rows[at], onset[at], offset[at], tuple(label[k] for k in at), value[at])
        for name, at in by_stimulus.items()
    }


def event_frames(
    events: Events, settings: EventSettings, rate: float, n_frames: int, lead_in: float, duration: float
) -> tuple[np.ndarray, list[str]]:
    """Make frames of events.

    Parameters
    ----------
    events
        Of one stimulus.
    settings
        Labels and how they are marked.
    rate, n_frames
        Frames per second, and how many the sound has, silence included.
    lead_in, duration
        Seconds of silence before the sound, and of the sound.

    Returns
    -------
    frames
        float64 of shape (n_frames, labels).
    notes
        What was cut off or left out.

    Raises
    ------
    FeatureError
        If an event has an unknown label, begins before the silence, ends after the sound by more than a frame and
        ``tolerance``, or has no offset where spans are marked.
    """
    import pandas as pd

    column = pd.Index(settings.labels).get_indexer(pd.Index(list(events.label)))
    known = column >= 0
    if settings.others == "refuse" and not known.all():
        k = int(np.argmin(known))
        raise FeatureError(
            f"{events.where}: row {events.row[k]} has label {shown(events.label[k])}, which is not among the "
            f"{len(settings.labels)} labels of the table; add it there, or write `others: ignore`"
        )
    is_span = settings.mark == "span"
    if is_span and (without := np.flatnonzero(known & np.isnan(events.offset))).size:
        raise FeatureError(
            f"{events.where}: row {events.row[without[0]]} has no offset, which spans need; give it, or write "
            "`mark: onset`"
        )
    slack = max(1 / rate, settings.tolerance) + ROUNDING
    last = events.offset if is_span else events.onset
    outside = np.flatnonzero(known & ((events.onset < -lead_in - ROUNDING) | (last > duration + slack)))
    if outside.size:
        k = int(outside[0])
        raise FeatureError(
            f"{events.where}: row {events.row[k]} ({events.label[k]}) is from {events.onset[k]:g} to {last[k]:g} s, "
            f"but the sound lasts {duration:.4g} s, with {lead_in:g} s of silence before it; expected seconds from the "
            "onset of the sound. Correct the file, or allow a longer `tolerance`"
        )
    notes = [f"{n} events of other labels ignored"] if (n := np.count_nonzero(~known)) else []
    late = np.count_nonzero(known & (last > duration + ROUNDING))
    notes += [f"{late} events that end after the sound cut off"] if late else []
    column, value = column[known], events.value[known]
    first = (events.onset[known] + lead_in) * rate
    frames = np.zeros((n_frames, len(settings.labels)))
    if not is_span:
        at = np.clip(np.floor(first + ROUNDING * rate).astype(int), 0, n_frames - 1)
        np.add.at(frames, (at, column), value)
        return frames, notes
    end = np.minimum((events.offset[known] + lead_in) * rate, n_frames)
    for start, stop, of_label, x in zip(first.tolist(), end.tolist(), column.tolist(), value.tolist(), strict=True):
        covered = np.arange(max(0, int(start)), min(n_frames, int(np.ceil(stop))))
        frames[covered, of_label] += x * (np.minimum(covered + 1, stop) - np.maximum(covered, start)).clip(0)
    return frames, notes
