"""A session's folder with one value per sound: a table, or an array with ``trials.csv`` for the labels of its rows.

::

    values.csv       stimulus, optionally stimulus_set and repeat, then one column per voxel or unit
    values.npy       or .zarr, .h5: an array of (presentation, voxel), with trials.csv: stimulus_set, stimulus
    session.yaml     optional: channels, dataset, zscore, gaps (see ``SessionSettings``)
    units.csv        optional: unit, x, y, z, region, hemisphere, in the order of the columns
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distributed_trf.csv_table import columns_of, finite, read_table
from distributed_trf.errors import RecordingError
from distributed_trf.recordings.continuous import ValueTrials
from distributed_trf.recordings.generic import array_file
from distributed_trf.recordings.generic.array_file import ArrayFile
from distributed_trf.recordings.generic.layout import table_file
from distributed_trf.recordings.generic.presentations import Contents, Presentations
from distributed_trf.recordings.generic.session_files import SESSION_FILE, labelled, read_settings, read_trials
from distributed_trf.recordings.recording_set import Trials

VALUES = "values"
LABELS = ("stimulus_set", "stimulus", "repeat")
"""Columns of ``values.csv`` that are no voxels."""


def value_files(folder: Path) -> list[Path]:
    """Return the files of a session's folder that hold values, of which there should be one."""
    table = table_file(folder, VALUES)
    arrays = [folder / f"{VALUES}{suffix}" for suffix in array_file.SUFFIXES]
    return [file for file in (table, *arrays) if file is not None and file.exists()]


@dataclass(frozen=True)
class ValueSession:
    """The folder of a session with one value per sound and voxel."""

    folder: Path
    stimulus_sets: tuple[str, ...]
    """Stimulus sets of the recording set."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The rows' labels, the values, and the settings and units that are there.

        Raises
        ------
        RecordingError
            If there are several files of values, or an array has no labels.
        """
        found, trials = value_files(self.folder), table_file(self.folder, "trials")
        if len(found) != 1:
            raise RecordingError(
                f"{self.folder}: holds {', '.join(file.name for file in found)}; expected one of them. "
                "Remove the others"
            )
        (file,) = found
        is_array = isinstance(self._content, ArrayFile)
        if is_array and trials is None:
            raise RecordingError(
                f"{self.folder}: {file.name} has no labels; expected trials.csv with the stimulus of each of its rows. "
                "Add it"
            )
        inside = sorted(p for p in file.rglob("*") if p.is_file()) if file.is_dir() else [file]
        settings = self.folder / SESSION_FILE
        more = (settings if settings.is_file() else None, table_file(self.folder, "units"))
        first = (trials,) if is_array and trials is not None else ()
        return (*first, *inside, *(p for p in more if p is not None))

    def contents(self) -> Contents:
        """Presentations by repeat and row, without onsets, and units; ``row`` counts the rows of the values from 0."""
        settings = read_settings(self.folder)
        presentations = read_trials(self.files[0], self.stimulus_sets, onsets=False)
        rows = np.arange(len(presentations.stimulus))
        if isinstance(self._content, ArrayFile):
            n, n_channels = self._content.shape("presentation")
            if n != rows.size:
                raise RecordingError(
                    f"{self._content.path}: has {n} rows, but {self.files[0].name} has {rows.size}; expected a label "
                    "for each. Correct the one or the other"
                )
            channels, coords = labelled(self.folder, settings, n_channels, self._content.path)
        else:
            channels, coords = labelled(self.folder, settings, self._voxels(self._content), self._content)
        labels = read_table(self.files[0], ("repeat",), may_lack=("repeat",), numeric=("repeat",))
        if "repeat" in labels:
            rows = np.argsort(finite(labels, "repeat", self.files[0]), kind="stable")
        ordered = Presentations(
            tuple(presentations.stimulus_set[k] for k in rows),
            tuple(presentations.stimulus[k] for k in rows),
            presentations.onset,
            tuple(rows.tolist()),
        )
        return Contents(channels, ordered, response="values", unit_coords=coords)

    def values(self, trials: Trials, rows: Sequence[int]) -> ValueTrials:
        """Return the values of some presentations, which are the rows ``rows``.

        Raises
        ------
        RecordingError
            If a value is no number; blanks are missing values.
        """
        settings, content = read_settings(self.folder), self._content
        if isinstance(content, ArrayFile):
            (found,) = content.stretches([(0, content.shape("presentation")[0])])
        else:
            names = self._voxels(content)
            frame = read_table(content, names, numeric=names)
            columns = [
                frame[name].to_numpy(np.float64)
                if frame[name].dtype.kind in "iuf"
                else finite(frame, name, content, blanks=True)
                for name in names
            ]
            found = np.stack(columns, axis=1)
        return ValueTrials(trials.stimulus, trials.onset, found[list(rows)], settings.zscore, settings.gaps)

    @property
    def _content(self) -> ArrayFile | Path:
        """The array, or the table."""
        file = value_files(self.folder)[0]
        if file == table_file(self.folder, VALUES):
            return file
        return ArrayFile(file, read_settings(self.folder).dataset)

    def _voxels(self, table: Path) -> tuple[str, ...]:
        found = tuple(name for name in columns_of(table) if name not in LABELS)
        if not found:
            raise RecordingError(
                f"{table}: has no column but {', '.join(columns_of(table))}; expected one for each voxel or unit. "
                "Write it again"
            )
        return found
