"""A session in an NWB file, and the optional file that says which tables and columns hold the trials and the units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.config.yaml_file import read_yaml
from distributed_trf.errors import ConfigError, RecordingError, shown
from distributed_trf.recordings.generic.nwb_file import electrode_coords, numbers, opened, stretches, word, words
from distributed_trf.recordings.generic.presentations import Contents, Presentations, in_order

MAPPING_FILE = "recordings.yaml"
GAPS = ("mask", "refuse")


@dataclass(frozen=True)
class NwbMapping:
    """Names in the NWB files, as under ``nwb:`` in ``recordings.yaml``."""

    intervals: str | None = None
    """Table of the presentations; without it ``trials``, or else the only one with a column of stimuli."""
    stimulus_set: str | None = "stimulus_set"
    """Column of stimulus sets; None where all presentations are of the only set there. A column of this name may be
    missing where there is one set."""
    stimulus: str = "stimulus"
    """Column of stimulus ids."""
    onset: str = "start_time"
    """Column of onsets."""
    unit: str | None = None
    """Column of the units' labels; without it the first of ``unit_name``, ``unit_id`` and the table's ``id``. Of a
    signal that of the electrodes; without it the first of ``label``, ``channel_name``, ``electrode_name``, ``id``."""
    signal: str | None = None
    """A time series, which is the response instead of units: its name, or its path such as
    ``ecephys/LFP/ElectricalSeries`` where several have the same name."""
    zscore: bool = False
    """Of a signal, as in ``SessionSettings``."""
    gaps: str = "mask"
    """Of a signal, as in ``SessionSettings``: ``mask`` or ``refuse``."""


def read_mapping(path: Path) -> NwbMapping:
    """Read ``recordings.yaml`` of a recording set; the defaults where there is no such file.

    Raises
    ------
    RecordingError
        If it is damaged or holds anything but the fields of ``NwbMapping`` under ``nwb``.
    """
    file = path / MAPPING_FILE
    if not file.is_file():
        return NwbMapping()
    try:
        content = read_yaml(file)
    except ConfigError as error:
        raise RecordingError(f"{error}. Correct the file") from error
    if not isinstance(content, dict) or set(content) != {"nwb"} or not isinstance(content["nwb"], dict):
        found = shown(", ".join(content), quoted=False) if isinstance(content, dict) else shown(content)
        raise RecordingError(
            f"{file}: holds {found}; expected one field, nwb, which holds the other fields. Correct the file"
        )
    names = [f.name for f in fields(NwbMapping)]
    for name, value in content["nwb"].items():
        if name not in names:
            raise RecordingError(
                f"{file}: field nwb.{shown(name, quoted=False)} is unknown; expected some of {', '.join(names)}. "
                "Correct the file"
            )
        if name == "zscore" or name == "gaps":
            expected = ("true", "false") if name == "zscore" else GAPS
            if (name == "zscore") != isinstance(value, bool) or (name == "gaps" and value not in GAPS):
                raise RecordingError(
                    f"{file}: field nwb.{name} is {shown(value)}; expected {' or '.join(expected)}. Correct the file"
                )
        elif not (isinstance(value, str) and value) and not (value is None and name not in ("stimulus", "onset")):
            raise RecordingError(f"{file}: field nwb.{name} is {shown(value)}; expected a name. Correct the file")
    return NwbMapping(**content["nwb"])


@dataclass(frozen=True)
class NwbSession:
    """An NWB file with a table of units and one of presentations. Reading it needs pynwb.

    Rows are counted as the file does, from 0. ``obs_intervals`` cut nothing: what a unit did not fire while it was not
    observed counts as silence, and ``Contents.notes`` says for how many units that is so.
    """

    file: Path
    mapping: NwbMapping
    stimulus_sets: tuple[str, ...]
    """Stimulus sets of the recording set."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, and the one that names its columns if it is there."""
        mapping = self.file.parent.parent / MAPPING_FILE
        return (self.file, mapping) if mapping.is_file() else (self.file,)

    def contents(self) -> Contents:
        """Trials, units, subject and area; the area where all electrodes with a ``location`` have the same.

        Raises
        ------
        MissingExtraError
            If pynwb is not installed.
        RecordingError
            If the file is damaged, or lacks units, presentations or a column of theirs.
        """
        with opened(self.file) as nwb:
            presentations = self._presentations(nwb)
            subject, area = self._described(nwb)
            units = self._units(nwb)
            return Contents(
                self._labels(units),
                presentations,
                subject=subject,
                area=area,
                notes=_unobserved(units, presentations.onset, self.file),
                unit_coords=_unit_coords(units, self.file),
            )

    def spike_times(self, units: tuple[str, ...]) -> tuple[np.ndarray, ...]:
        """Seconds on the session's clock, per unit of shape (n_spikes,); ``units`` are those of the file.

        Raises
        ------
        MissingExtraError
            If pynwb is not installed.
        RecordingError
            If the file is damaged, has no spike times, or one is not finite.
        """
        with opened(self.file) as nwb:
            table = self._units(nwb)
            if "spike_times" not in table.colnames:
                raise self._without(table, "units", "spike_times")
            found = tuple(of_unit.astype(np.float64) for of_unit in stretches(table, "spike_times", self.file))
        for label, of_unit in zip(units, found, strict=True):
            bad = np.count_nonzero(~np.isfinite(of_unit))
            if bad:
                raise RecordingError(
                    f"{self.file}: {bad} of the spike_times of unit {label} are not finite; expected seconds on the "
                    "session's clock. Write the file again"
                )
        return found

    def _described(self, nwb: Any) -> tuple[str | None, str | None]:
        """Return subject and area."""
        electrodes = nwb.electrodes
        located = electrodes is not None and "location" in electrodes.colnames
        areas = {a for a in map(word, electrodes["location"][:]) if a} if located else set()
        subject = word(nwb.subject.subject_id) if nwb.subject is not None and nwb.subject.subject_id else None
        return subject, areas.pop() if len(areas) == 1 else None

    def _presentations(self, nwb: Any) -> Presentations:
        tables = {t.name: t for t in (nwb.trials, nwb.epochs, *nwb.intervals.values()) if t is not None}
        name = self._intervals_name(tables)
        table = tables[name]
        set_column = self.mapping.stimulus_set
        if set_column == NwbMapping.stimulus_set and set_column not in table.colnames and len(self.stimulus_sets) == 1:
            set_column = None  # what nobody named may be missing where there is no choice
        for column in (set_column, self.mapping.stimulus, self.mapping.onset):
            if column is not None and column not in table.colnames:
                raise self._without(table, name, column)
        stimulus = words(table, self.mapping.stimulus, self.file)
        onset = numbers(table, self.mapping.onset, self.file)
        bad = np.flatnonzero(~np.isfinite(onset))
        if bad.size:
            raise RecordingError(
                f"{self.file}: column {self.mapping.onset} of {name} holds {onset[bad[0]]} in row {bad[0]}; expected "
                "seconds on the session's clock. Write the file again"
            )
        if set_column is not None:
            stimulus_set = words(table, set_column, self.file)
        elif len(self.stimulus_sets) == 1:
            stimulus_set = list(self.stimulus_sets) * len(stimulus)
        else:
            raise RecordingError(
                f"{self.files[-1]}: field nwb.stimulus_set is null, but there are {len(self.stimulus_sets)} stimulus "
                f"sets, {', '.join(self.stimulus_sets)}; expected the name of a column. Correct the file"
            )
        return in_order(stimulus_set, stimulus, onset, list(range(len(stimulus))), self.file)

    def _intervals_name(self, tables: dict[str, Any]) -> str:
        found = ", ".join(tables) or "none"
        if self.mapping.intervals is not None:
            if self.mapping.intervals not in tables:
                raise RecordingError(
                    f"{self.file}: there are no intervals {self.mapping.intervals}, which {MAPPING_FILE} names; found "
                    f"{found}. Correct nwb.intervals"
                )
            return self.mapping.intervals
        fitting = [name for name, table in tables.items() if self.mapping.stimulus in table.colnames]
        if "trials" in fitting:
            return "trials"
        if len(fitting) != 1:
            raise RecordingError(
                f"{self.file}: {', '.join(fitting) or 'no intervals'} have a column {self.mapping.stimulus}; expected "
                f"one table that does, of the intervals there: {found}. Name table and column in {MAPPING_FILE}, as "
                "nwb.intervals and nwb.stimulus"
            )
        return fitting[0]

    def _units(self, nwb: Any) -> Any:
        if nwb.units is None or not len(nwb.units):
            raise RecordingError(
                f"{self.file}: holds no units; expected a table of units with spike_times, or the name of a time "
                f"series as nwb.signal in {MAPPING_FILE}. Add it"
            )
        return nwb.units

    def _labels(self, table: Any) -> tuple[str, ...]:
        if self.mapping.unit is not None and self.mapping.unit not in table.colnames:
            raise self._without(table, "units", self.mapping.unit)
        column = self.mapping.unit or next((c for c in ("unit_name", "unit_id") if c in table.colnames), "id")
        labels = tuple(map(word, table.id[:])) if column == "id" else tuple(words(table, column, self.file))
        repeated = sorted({label for label in labels if not label or labels.count(label) > 1})
        if repeated:
            raise RecordingError(
                f"{self.file}: column {column} of units has blanks or repeats: {', '.join(map(repr, repeated[:3]))}; "
                f"expected one label per unit. Name another column in {MAPPING_FILE}, as nwb.unit"
            )
        return labels

    def _without(self, table: Any, name: str, column: str) -> RecordingError:
        of_trials = (self.mapping.stimulus_set, self.mapping.stimulus, self.mapping.onset)
        expected = ", ".join(filter(None, (self.mapping.unit, "spike_times") if name == "units" else of_trials))
        remedy = f"Name it in {MAPPING_FILE}"
        if column == self.mapping.stimulus_set:
            remedy += ", or say nwb.stimulus_set: null there if all trials are of one stimulus set"
        return RecordingError(
            f"{self.file}: column {column} of {name} is missing; found {', '.join(sorted(table.colnames))}. {remedy}; "
            f"expected {expected}"
        )


def _unobserved(units: Any, onset: np.ndarray, file: Path) -> tuple[str, ...]:
    """A note on units that were not observed at the onset of every trial, where the file says when they were."""
    if "obs_intervals" not in units.colnames:
        return ()
    partly = 0
    for intervals in stretches(units, "obs_intervals", file):
        start, stop = np.reshape(intervals.astype(np.float64), (-1, 2)).T[:, :, np.newaxis]
        seen = ((start <= onset) & (onset <= stop)).any(axis=0)
        partly += not seen.all()
    if not partly:
        return ()
    return (f"{partly} of {len(units)} units were not observed in all trials (obs_intervals); that counts as silence",)


def _unit_coords(units: Any, file: Path) -> Mapping[str, tuple[float | str, ...]]:
    """Where the first electrode of each unit lies; nothing where units have none, or one has none."""
    if "electrodes" not in units.colnames:
        return {}
    index = units["electrodes"]
    table = index.target.table if hasattr(index, "target") else index.table
    rows = (
        [int(of_unit[0]) for of_unit in stretches(units, "electrodes", file) if len(of_unit)]
        if hasattr(index, "target")
        else [int(row) for row in index.data[:]]
    )
    return electrode_coords(table, np.array(rows, dtype=np.int64)) if len(rows) == len(units) else {}
