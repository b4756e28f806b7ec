"""The tables that the folders of all kinds of sessions may have: ``trials.csv``, ``units.csv``, ``session.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from distributed_trf.config.load import Settings, load
from distributed_trf.csv_table import finite, read_table, text
from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.continuous import Gaps
from distributed_trf.recordings.generic.layout import table_file
from distributed_trf.recordings.generic.presentations import Presentations, in_order
from distributed_trf.recordings.open_recordings import some_of

SESSION_FILE = "session.yaml"
NUMBERS, WORDS = ("x", "y", "z"), ("region", "hemisphere")
"""Columns of ``units.csv`` that say where a unit lies."""
UnitCoords = Mapping[str, tuple[float | str, ...]]
"""Columns of ``NUMBERS`` and ``WORDS``; NaN or empty where nothing is said."""


class SessionSettings(Settings):
    """What ``session.yaml`` says of a signal or of values."""

    rate: Annotated[float, Field(gt=0)] | None = None
    """Samples per second; where the file of the signal says it too, both must agree."""
    start: float = 0.0
    """Seconds on the session's clock, that of the onsets, at which the first sample begins."""
    channels: Annotated[list[str], Field(min_length=1)] | None = None
    """Labels of all columns; of files that MNE reads, the names of the channels to use."""
    dataset: str | None = None
    """Path of the array within ``.h5`` or within a group of ``.zarr``; by default the only one there."""
    zscore: bool = False
    """Bring each unit to mean 0 and standard deviation 1 over all bins of the session's trials."""
    gaps: Gaps = "mask"
    """Leave out presentations in which a unit has NaN or Inf, or refuse the session."""


def read_settings(folder: Path) -> SessionSettings:
    """Read ``session.yaml`` of a session's folder; the defaults where there is none.

    Raises
    ------
    RecordingError
        If it is damaged or holds something else than it should.
    """
    file = folder / SESSION_FILE
    if not file.is_file():
        return SessionSettings()
    try:
        return load(file, SessionSettings)
    except ConfigError as error:
        raise RecordingError(f"{error}. Correct the file") from error


def read_trials(file: Path, stimulus_sets: tuple[str, ...], *, onsets: bool = True) -> Presentations:
    """Read ``trials.csv``; in the order of onsets, or where they are not wanted in that of the rows, onsets NaN.

    Raises
    ------
    RecordingError
        If it is damaged, lacks a column, or two trials have the same onset.
    """
    one_set = stimulus_sets if len(stimulus_sets) == 1 else ()
    columns = ("stimulus_set", "stimulus", *(("onset",) if onsets else ()))
    frame = read_table(file, columns, may_lack=("stimulus_set",) if one_set else (), numeric=("onset",))
    stimulus = text(frame, "stimulus", file).tolist()
    named = text(frame, "stimulus_set", file).tolist() if "stimulus_set" in frame else [*one_set] * len(stimulus)
    if onsets:
        return in_order(named, stimulus, finite(frame, "onset", file), frame.index.tolist(), file)
    if not stimulus:
        raise RecordingError(f"{file}: holds no trials; expected one row per presentation. Write it again")
    return Presentations(tuple(named), tuple(stimulus), np.full(len(stimulus), np.nan), tuple(frame.index.tolist()))


def read_units(file: Path) -> tuple[tuple[str, ...], UnitCoords]:
    """Read ``units.csv``: labels, and where the units lie, of what it says.

    Raises
    ------
    RecordingError
        If it is damaged, lists no unit or one twice, or a coordinate is no number.
    """
    columns = ("unit", *NUMBERS, *WORDS)
    frame = read_table(file, columns, may_lack=columns[1:], numeric=NUMBERS)
    labels = text(frame, "unit", file)
    if labels.empty:
        raise RecordingError(
            f"{file}: holds no unit; expected at least one. A unit without spikes can be listed in units.csv"
        )
    twice = labels[labels.duplicated()]
    if len(twice):
        raise RecordingError(
            f"{file}: unit {twice.iloc[0]} is there again in row {twice.index[0]}; expected one row per unit. "
            "Remove one of them"
        )
    coords: dict[str, tuple[float | str, ...]] = {
        name: tuple(finite(frame, name, file, blanks=True).tolist()) for name in NUMBERS if name in frame
    }
    coords |= {name: tuple(frame[name].fillna("").str.strip()) for name in WORDS if name in frame}
    return tuple(labels), coords


def labelled(
    folder: Path, settings: SessionSettings, found: Sequence[str] | int, what: Path
) -> tuple[tuple[str, ...], UnitCoords]:
    """Return labels and places of the columns of an array: those of ``units.csv``, ``channels``, the file, or numbers.

    Parameters
    ----------
    folder, settings
        Of the session.
    found
        Labels in the file of the array, or where it has none the number of its columns.
    what
        That file.

    Raises
    ------
    RecordingError
        If there are other labels than columns, a label twice, or units.csv and channels differ.
    """
    n = found if isinstance(found, int) else len(found)
    listed = table_file(folder, "units")
    labels, coords = (None, {}) if listed is None else read_units(listed)
    for name, said in ((listed and listed.name, labels), (f"channels of {SESSION_FILE}", settings.channels)):
        if said is not None and len(said) != n:
            raise RecordingError(
                f"{folder}: {name} has {len(said)} labels, but {what.name} has {n} channels; expected one each, in "
                "their order. Correct the one or the other"
            )
    chosen = tuple(settings.channels or (tuple(map(str, range(n))) if isinstance(found, int) else found))
    if labels is not None and (settings.channels or not isinstance(found, int)) and labels != chosen:
        k = next(k for k, pair in enumerate(zip(labels, chosen, strict=True)) if pair[0] != pair[1])
        raise RecordingError(
            f"{folder}: units.csv calls channel {k + 1} {labels[k]!r}, but it is {chosen[k]!r} elsewhere; expected the "
            f"same labels in the same order. Correct units.csv, {SESSION_FILE} or {what.name}"
        )
    chosen = labels or chosen
    twice = sorted({label for label in chosen if chosen.count(label) > 1})
    if twice:
        raise RecordingError(
            f"{folder}: channels {some_of(twice)} are there twice; expected a label for each of {what.name}. Correct "
            f"channels in {SESSION_FILE}, or the file"
        )
    return chosen, coords
