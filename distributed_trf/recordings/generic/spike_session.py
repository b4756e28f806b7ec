"""A session's folder with spikes in it, in a table of units and times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from distributed_trf.csv_table import finite, read_table, text
from distributed_trf.errors import RecordingError
from distributed_trf.recordings.generic.layout import natural, table_file
from distributed_trf.recordings.generic.presentations import Contents
from distributed_trf.recordings.generic.session_files import read_trials, read_units

COLUMNS = ("unit", "time")
"""Columns of ``spikes.csv``."""


@dataclass(frozen=True)
class SpikeSession:
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
        trials, spikes, *listed = self.files
        units, coords = read_units(listed[0]) if listed else (self._units(spikes), {})
        return Contents(units, read_trials(trials, self.stimulus_sets), unit_coords=coords)

    def spike_times(self, units: tuple[str, ...]) -> tuple[np.ndarray, ...]:
        """Seconds on the session's clock, in the order of the file, per unit of shape (n_spikes,).

        Raises
        ------
        RecordingError
            If a spike has no time, no unit, or a unit that is not among ``units``.
        """
        path = self.files[1]
        frame = read_table(path, COLUMNS, numeric=("time",))
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

    def _units(self, spikes: Path) -> tuple[str, ...]:
        labels = text(read_table(spikes, COLUMNS, may_lack=("time",), numeric=("time",)), "unit", spikes)
        if labels.empty:
            raise RecordingError(
                f"{spikes}: holds no unit; expected at least one. A unit without spikes can be listed in units.csv"
            )
        return tuple(sorted(labels.unique(), key=natural))
