"""A session in CSV tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.csv_table import finite, read_table, text
from distributed_trf.recordings.generic.layout import natural, table_file
from distributed_trf.recordings.generic.presentations import Contents, Presentations, in_order

TRIALS, SPIKES = ("stimulus_set", "stimulus", "onset"), ("unit", "time")
"""Columns of the tables."""


@dataclass(frozen=True)
class CsvSession:
    """The folder of a session, with ``trials.csv``, ``spikes.csv`` and perhaps ``units.csv`` in it."""

    folder: Path
    stimulus_sets: tuple[str, ...]
    """Stimulus sets of the recording set; where there is one, ``trials.csv`` need not name it."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Trials, spikes and, if it is there, the list of units.

        Raises
        ------
        RecordingError
            If one that must be there is not.
        """
        found = [table_file(self.folder, name) for name in ("trials", "spikes", "units")]
        for name, file in zip(("trials", "spikes"), found, strict=False):
            if file is None:
                raise RecordingError(f"{self.folder}: no {name}.csv or {name}.csv.gz. Add it, or remove the session")
        return tuple(file for file in found if file is not None)

    def contents(self) -> Contents:
        """Trials and units; the units from ``units.csv`` or else from the column ``unit`` of the spikes."""
        return Contents(self._units(), self._presentations())

    def spike_times(self, units: tuple[str, ...]) -> tuple[np.ndarray, ...]:
        """Seconds on the session's clock, in the order of the file, per unit of shape (n_spikes,).

        Raises
        ------
        RecordingError
            If a spike has no time, no unit, or a unit that is not among ``units``.
        """
        path = self.files[1]
        frame = read_table(path, SPIKES, numeric=("time",))
        labels = text(frame, "unit", path)
        unit = pd.Index(units).get_indexer(pd.Index(labels))
        if (unit < 0).any():
            k = int(np.argmin(unit))
            raise RecordingError(
                f"{path}: row {frame.index[k]} is of unit {labels.iloc[k]}, which units.csv does not list; expected "
                "all units of the session there. Add it"
            )
        times = finite(frame, "time", path)
        order = np.argsort(unit, kind="stable")
        borders = np.searchsorted(unit[order], np.arange(1, len(units)))
        return tuple(np.split(times[order], borders))

    def _presentations(self) -> Presentations:
        path = self.files[0]
        one_set = self.stimulus_sets if len(self.stimulus_sets) == 1 else ()
        may_lack = ("stimulus_set",) if one_set else ()
        frame = read_table(path, TRIALS, may_lack=may_lack, numeric=("onset",))
        stimulus = text(frame, "stimulus", path).tolist()
        named = text(frame, "stimulus_set", path).tolist() if "stimulus_set" in frame else [*one_set] * len(stimulus)
        return in_order(named, stimulus, finite(frame, "onset", path), frame.index.tolist(), path)

    def _units(self) -> tuple[str, ...]:
        _, spikes, *listed = self.files
        path = listed[0] if listed else spikes
        columns, may_lack = (("unit",), ()) if listed else (SPIKES, ("time",))  # times are read with the spikes
        labels = text(read_table(path, columns, may_lack=may_lack, numeric=("time",)), "unit", path)
        if labels.empty:
            raise RecordingError(
                f"{path}: holds no unit; expected at least one. A unit without spikes can be listed in units.csv"
            )
        if not listed:
            return tuple(sorted(labels.unique(), key=natural))
        twice = labels[labels.duplicated()]
        if len(twice):
            raise RecordingError(
                f"{path}: unit {twice.iloc[0]} is there again in row {twice.index[0]}; expected one row per unit. "
                "Remove one of them"
            )
        return tuple(labels)
