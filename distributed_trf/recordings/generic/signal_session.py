"""A session's folder with a signal in it: an array of (time, channel), or a file that MNE reads.

::

    trials.csv         stimulus_set, stimulus, onset in seconds
    signals.npy        or .zarr, .h5; or one file of any name that ends in .fif, .edf or .vhdr
    session.yaml       rate in hertz; start, channels, dataset, zscore and gaps are optional (see ``SessionSettings``)
    units.csv          optional: unit, x, y, z, region, hemisphere, in the order of the channels
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.continuous import SignalTrials, Stretches
from distributed_trf.recordings.generic import array_file, mne_file
from distributed_trf.recordings.generic.array_file import ArrayFile
from distributed_trf.recordings.generic.layout import table_file
from distributed_trf.recordings.generic.mne_file import MneFile
from distributed_trf.recordings.generic.presentations import Contents
from distributed_trf.recordings.generic.session_files import (
    SESSION_FILE,
    SessionSettings,
    UnitCoords,
    labelled,
    read_settings,
    read_trials,
)
from distributed_trf.recordings.recording_set import Trials

SIGNALS = "signals"
SAME_RATE = 1e-6
"""Relative difference up to which two rates are the same."""


def signal_files(folder: Path) -> list[Path]:
    """Return the files of a session's folder that hold a signal, of which there should be one."""
    arrays = [folder / f"{SIGNALS}{suffix}" for suffix in array_file.SUFFIXES]
    of_mne = sorted(file for file in folder.iterdir() if file.suffix.lower() in mne_file.SUFFIXES)
    return [file for file in arrays if file.exists()] + [file for file in of_mne if not file.name.startswith(".")]


@dataclass(frozen=True)
class _Signal:
    rate: float
    n_samples: int
    channels: tuple[str, ...]
    coords: UnitCoords
    stretches: Stretches
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SignalSession:
    """The folder of a session with a signal."""

    folder: Path
    stimulus_sets: tuple[str, ...]
    """Stimulus sets of the recording set."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Trials, signal, and the settings and units that are there.

        Raises
        ------
        RecordingError
            If trials are missing, or there are several signals.
        """
        trials, found = table_file(self.folder, "trials"), signal_files(self.folder)
        if trials is None:
            raise RecordingError(f"{self.folder}: no trials.csv or trials.csv.gz. Add it, or remove the session")
        if len(found) != 1:
            raise RecordingError(
                f"{self.folder}: holds the signals {', '.join(file.name for file in found)}; expected one of them. "
                "Remove the others"
            )
        inside = sorted(p for p in found[0].rglob("*") if p.is_file()) if found[0].is_dir() else found
        if found[0].suffix == ".vhdr":
            inside = [*found, *(p for p in (found[0].with_suffix(s) for s in (".eeg", ".vmrk")) if p.is_file())]
        listed, settings = table_file(self.folder, "units"), self.folder / SESSION_FILE
        more = (settings if settings.is_file() else None, listed)
        return (trials, *inside, *(file for file in more if file is not None))

    def contents(self) -> Contents:
        """Trials and channels; no sample is read."""
        signal = self._signal
        presentations = read_trials(self.files[0], self.stimulus_sets)
        return Contents(
            signal.channels, presentations, notes=signal.notes, response="signal", unit_coords=signal.coords
        )

    def signal_with(self, trials: Trials) -> SignalTrials:
        """Return the signal with some of its trials."""
        signal, settings = self._signal, self._settings
        return SignalTrials(
            trials.stimulus,
            trials.onset,
            signal.rate,
            settings.start,
            signal.n_samples,
            signal.stretches,
            settings.zscore,
            settings.gaps,
        )

    @cached_property
    def _settings(self) -> SessionSettings:
        return read_settings(self.folder)

    @cached_property
    def _signal(self) -> _Signal:
        (file,), settings = signal_files(self.folder), self._settings
        if file.suffix.lower() in mne_file.SUFFIXES:
            of_mne = MneFile(file, None if settings.channels is None else tuple(settings.channels))
            header = of_mne.header()
            if settings.rate is not None and not np.isclose(settings.rate, header.rate, rtol=SAME_RATE, atol=0):
                raise RecordingError(
                    f"{self.folder / SESSION_FILE}: rate is {settings.rate:g} Hz, but {file.name} has "
                    f"{header.rate:g} Hz; expected the same. Remove it: that of the file is used"
                )
            labels, coords = labelled(self.folder, settings, header.channels, file)
            return _Signal(
                header.rate, header.n_samples, labels, coords or header.coords, of_mne.stretches, header.notes
            )
        if settings.rate is None:
            raise RecordingError(
                f"{self.folder / SESSION_FILE}: rate is missing; expected the samples per second of {file.name}, such "
                "as rate: 128. Add it"
            )
        array = ArrayFile(file, settings.dataset)
        n_samples, n_channels = array.shape("time")
        last = read_trials(self.files[0], self.stimulus_sets).onset[-1]
        if n_channels > n_samples and last > settings.start + n_samples / settings.rate:
            raise RecordingError(
                f"{file}: has shape ({n_samples}, {n_channels}), more channels than samples, and a sound began after "
                f"its last sample, at {last:g} s; expected (time, channel). Transpose it"
            )
        labels, coords = labelled(self.folder, settings, n_channels, file)
        return _Signal(settings.rate, n_samples, labels, coords, array.stretches)
