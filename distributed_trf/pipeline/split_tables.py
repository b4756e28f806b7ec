"""Tables of stimuli that a study's evaluation names: given splits, and groups of stimuli."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from distributed_trf.csv_table import read_table, text
from distributed_trf.errors import ConfigError
from distributed_trf.recordings.open_recordings import some_of

if TYPE_CHECKING:
    import pandas as pd

SET, STIMULUS, SPLIT, PART = "stimulus_set", "stimulus", "split", "part"
TRAIN, TEST, UNUSED = "train", "test", "unused"


def read_splits(path: Path, stimulus_set: str, ids: Sequence[str], *, several: bool) -> dict[str, dict[str, str]]:
    """Read given splits of a stimulus set.

    Parameters
    ----------
    path
        CSV with columns ``split, stimulus, part`` and, if the study has several stimulus sets, ``stimulus_set``.
    stimulus_set, ids
        The set and its stimuli.
    several
        Whether the study has several stimulus sets.

    Returns
    -------
    dict
        ``train``, ``test`` or ``unused`` by stimulus, for each split; splits in the order of the file.

    Raises
    ------
    ConfigError
        If a split names unknown stimuli, gives one two parts or none, or trains or tests nothing.
    RecordingError
        If the file is not such a table.
    """
    frame = _rows(path, (SPLIT, STIMULUS, PART), stimulus_set, several=several)
    wrong = frame.index[~frame[PART].isin([TRAIN, TEST, UNUSED])]
    if len(wrong):
        raise ConfigError(
            f"test: {path}: column {PART} holds {frame[PART][wrong[0]]!r} in row {wrong[0]}; expected {TRAIN}, {TEST} "
            f"or {UNUSED}"
        )
    splits: dict[str, dict[str, str]] = {}
    for row, split, stimulus, part in zip(frame.index, frame[SPLIT], frame[STIMULUS], frame[PART], strict=True):
        parts = splits.setdefault(split, {})
        if stimulus in parts:
            both = f"is {parts[stimulus]} and {part}" if parts[stimulus] != part else f"is listed twice as {part}"
            raise ConfigError(
                f"test: {path}: stimulus {stimulus} {both} in split {split} (row {row}); expected one part of each "
                "stimulus, since what is tested must not be trained on. Remove one of the rows"
            )
        parts[stimulus] = part
    for split, parts in splits.items():
        where = f"test: {path}: split {split}"
        unknown, missing = [i for i in parts if i not in set(ids)], [i for i in ids if i not in parts]
        if unknown:
            raise ConfigError(
                f"{where} names {some_of(unknown)}, not among the stimuli of {stimulus_set} ({some_of(ids)}); correct "
                "the names or remove the rows"
            )
        if missing:
            raise ConfigError(
                f"{where} has no part for {len(missing)} of {len(ids)} stimuli of {stimulus_set}: {some_of(missing)}; "
                f"write {TRAIN}, {TEST}, or {UNUSED} for those that this split is to leave out"
            )
        for part in (TRAIN, TEST):
            if part not in parts.values():
                raise ConfigError(f"{where} has no stimulus whose part is {part}; expected both {TRAIN} and {TEST}")
    return splits


def read_groups(path: Path, column: str, stimulus_set: str, ids: Sequence[str], *, several: bool) -> dict[str, str]:
    """Read the group of each stimulus of a set; rows of other stimuli are passed over.

    Parameters
    ----------
    path, column
        CSV with columns ``stimulus``, that of the groups and, if the study has several sets, ``stimulus_set``.
    stimulus_set, ids, several
        As in ``read_splits``.

    Raises
    ------
    ConfigError
        If a stimulus has no group, or two.
    RecordingError
        If the file is not such a table.
    """
    frame = _rows(path, (STIMULUS, column), stimulus_set, several=several)
    groups: dict[str, str] = {}
    for row, stimulus, group in zip(frame.index, frame[STIMULUS], frame[column], strict=True):
        if stimulus in groups:
            raise ConfigError(
                f"test: {path}: stimulus {stimulus} is listed again in row {row}; expected one row for each stimulus"
            )
        groups[stimulus] = group
    without = [i for i in ids if i not in groups]
    if without:
        raise ConfigError(
            f"test: {path}: {len(without)} of {len(ids)} stimuli of {stimulus_set} have no {column}: "
            f"{some_of(without)}; add a row for each"
        )
    return {i: groups[i] for i in ids}


def _rows(path: Path, columns: tuple[str, ...], stimulus_set: str, *, several: bool) -> pd.DataFrame:
    """Return the rows of a stimulus set, all columns as text."""
    if not path.is_file():
        raise ConfigError(
            f"test: {path}: there is no such file; expected a CSV table with columns {', '.join(columns)}"
        )
    frame = read_table(path, (*columns, SET), may_lack=() if several else (SET,))
    frame = frame.assign(**{name: text(frame, name, path) for name in frame.columns})
    if SET in frame:
        frame = frame[frame[SET] == stimulus_set]
    if frame.empty:
        raise ConfigError(f"test: {path}: holds no row of the stimulus set {stimulus_set}; add rows for its stimuli")
    return frame


def single_members(groups: Collection[str]) -> list[str]:
    """Return the groups that have one member.

    Examples
    --------
    >>> single_members(["a", "b", "a"])
    ['b']
    """
    members = list(groups)
    return [group for group in dict.fromkeys(members) if members.count(group) == 1]
