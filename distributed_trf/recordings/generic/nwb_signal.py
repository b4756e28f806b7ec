"""A session in an NWB file whose response is a time series: in its acquisition or in a processing module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.continuous import SignalTrials
from distributed_trf.recordings.generic.nwb import MAPPING_FILE, NwbSession
from distributed_trf.recordings.generic.nwb_file import electrode_coords, opened, word, words
from distributed_trf.recordings.generic.presentations import Contents
from distributed_trf.recordings.open_recordings import some_of
from distributed_trf.recordings.recording_set import Trials

UNEVEN = 0.01
"""Part of a sample by which timestamps may differ from regular ones: clocks are stored in microseconds or so."""
LABELS = ("label", "channel_name", "electrode_name", "id")
"""Columns of the electrodes that name channels, the first that is there."""


@dataclass(frozen=True)
class NwbSignalSession(NwbSession):
    """An NWB file with presentations and the series ``nwb.signal`` of ``recordings.yaml``. Reading it needs pynwb."""

    def contents(self) -> Contents:
        """Trials, channels and where they lie, subject and area; no sample is read.

        Raises
        ------
        MissingExtraError
            If pynwb is not installed.
        RecordingError
            If the file is damaged, or lacks presentations or the series.
        """
        with opened(self.file) as nwb:
            series = self._series(nwb)
            labels, coords = self._channels(series)
            subject, area = self._described(nwb)
            return Contents(
                labels,
                self._presentations(nwb),
                subject=subject,
                area=area,
                response="signal",
                unit_coords=coords,
            )

    def signal_with(self, trials: Trials) -> SignalTrials:
        """Return the signal with some of its trials."""
        with opened(self.file) as nwb:
            series = self._series(nwb)
            rate, start = self._clock(series)
            n_samples = series.data.shape[0]
        mapping = self.mapping
        return SignalTrials(
            trials.stimulus,
            trials.onset,
            rate,
            start,
            n_samples,
            self._stretches,
            mapping.zscore,
            "refuse" if mapping.gaps == "refuse" else "mask",
        )

    def _stretches(self, spans: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
        """Read samples of each span in turn, in the unit of the series."""
        with opened(self.file) as nwb:
            series = self._series(nwb)
            scale = float(series.conversion) * np.asarray(getattr(series, "channel_conversion", None) or 1.0)
            for first, last in spans:
                samples = np.asarray(series.data[first:last], dtype=np.float64)
                yield samples.reshape(len(samples), -1) * scale + float(series.offset)

    def _series(self, nwb: Any) -> Any:
        """Return the series of that name, or of that path such as ``ecephys/LFP/ElectricalSeries``."""
        from pynwb import TimeSeries

        found = {_path(item): item for item in nwb.objects.values() if isinstance(item, TimeSeries)}
        name = self.mapping.signal
        fitting = [path for path in found if path == name or path.endswith(f"/{name}")]
        if len(fitting) != 1:
            raise RecordingError(
                f"{self.file}: {'several' if fitting else 'no'} series are called {name}, which {MAPPING_FILE} names; "
                f"found {some_of(fitting or list(found))}. Correct nwb.signal, to a path if names are the same"
            )
        series = found[fitting[0]]
        shape = series.data.shape
        if len(shape) not in (1, 2) or 0 in shape or series.data.dtype.kind not in "iuf":
            raise RecordingError(
                f"{self.file}: {fitting[0]} is {series.data.dtype} of shape {tuple(shape)}; expected real numbers of "
                f"shape (time, channel). Name another series in {MAPPING_FILE}, as nwb.signal"
            )
        return series

    def _clock(self, series: Any) -> tuple[float, float]:
        """Return the samples per second, and when the first one begins."""
        if series.rate is not None:
            return float(series.rate), float(series.starting_time or 0.0)
        times = np.asarray(series.timestamps[:], dtype=np.float64)
        rate = (times.size - 1) / (times[-1] - times[0]) if times.size > 1 and times[-1] > times[0] else np.nan
        uneven = np.abs(times - times[0] - np.arange(times.size) / rate) * rate
        if not uneven.max() <= UNEVEN:
            k = int(np.nanargmax(uneven)) if np.isfinite(uneven).any() else 0
            raise RecordingError(
                f"{self.file}: the timestamps of {series.name} are not regular: that of sample {k} is {times[k]:g} s, "
                f"{uneven[k]:.3g} samples off at {rate:g} Hz; expected samples at one rate. Resample the series"
            )
        return float(rate), float(times[0])

    def _channels(self, series: Any) -> tuple[tuple[str, ...], dict[str, tuple[float | str, ...]]]:
        """Return labels of the channels, and where they lie if the series has electrodes."""
        n = series.data.shape[1] if len(series.data.shape) == 2 else 1
        region = getattr(series, "electrodes", None)
        if region is None:
            return tuple(map(str, range(n))), {}
        table, rows = region.table, np.asarray(region.data[:], dtype=np.int64)
        column = self.mapping.unit or next(name for name in LABELS if name == "id" or name in table.colnames)
        if column != "id" and column not in table.colnames:
            raise self._without(table, "electrodes", column)
        every = list(map(word, table.id[:])) if column == "id" else words(table, column, self.file)
        labels = tuple(every[row] for row in rows)
        if len(labels) != n or len(set(labels)) != n:
            raise RecordingError(
                f"{self.file}: {series.name} has {n} channels, but its electrodes have the labels {some_of(labels)} in "
                f"column {column}; expected a label of its own for each. Name another column in {MAPPING_FILE}, as "
                "nwb.unit"
            )
        return labels, electrode_coords(table, rows)


def _path(item: Any) -> str:
    """Return the names of the modules and groups that a series is in, and its own, joined by slashes."""
    parts: list[str] = []
    while item is not None and item.parent is not None:  # the file itself has no parent
        parts.insert(0, item.name)
        item = item.parent
    return "/".join(parts)
