"""Signals in files that MNE reads; it is imported when one is opened. Filtering and references are MNE's own job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.errors import MissingExtraError, RecordingError
from distributed_trf.recordings.generic.session_files import UnitCoords
from distributed_trf.recordings.open_recordings import some_of

SUFFIXES = (".fif", ".edf", ".vhdr")


@dataclass(frozen=True)
class MneHeader:
    """What a file says of its signal."""

    rate: float
    """Samples per second."""
    n_samples: int
    channels: tuple[str, ...]
    """Channels that are used."""
    coords: UnitCoords
    """``x``, ``y`` and ``z`` of the sensors in metres, where the file has positions."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class MneFile:
    """A recording that is not cut into epochs yet."""

    path: Path
    channels: tuple[str, ...] | None = None
    """Those to use; by default all that hold data and are not marked bad."""

    def header(self) -> MneHeader:
        """Read rate, length and channels.

        Raises
        ------
        MissingExtraError
            If mne is not installed.
        RecordingError
            If the file is damaged, or lacks channels.
        """
        raw = self._opened()
        names, info = raw.ch_names, raw.info
        if self.channels is None:
            try:
                data = raw.copy().pick("data", exclude=()).ch_names
            except ValueError:  # there is none
                data = []
            chosen = tuple(name for name in data if name not in info["bads"])
            bad = [name for name in data if name in info["bads"]]
            notes = (f"channels marked bad in {self.path.name} left out: {some_of(bad)}",) if bad else ()
        else:
            chosen, notes = self.channels, ()
            missing = [name for name in chosen if name not in names]
            if missing:
                raise RecordingError(
                    f"{self.path}: channels {some_of(missing)}, which session.yaml names, are not there; found "
                    f"{some_of(names)}. Correct channels"
                )
        if not chosen:
            raise RecordingError(
                f"{self.path}: no channel holds data; found {some_of(names)}. Name those to use in session.yaml, as "
                "channels"
            )
        places = np.array([info["chs"][names.index(name)]["loc"][:3] for name in chosen], dtype=np.float64)
        # MNE writes zeros or NaN where a position is not known.
        places[~places.any(axis=1) | ~np.isfinite(places).all(axis=1)] = np.nan
        known = np.isfinite(places).any()
        coords: UnitCoords = (
            {axis: tuple(of.tolist()) for axis, of in zip("xyz", places.T, strict=True)} if known else {}
        )
        return MneHeader(float(info["sfreq"]), int(raw.n_times), chosen, coords, notes)

    def stretches(self, spans: Sequence[tuple[int, int]]) -> Iterator[np.ndarray]:
        """Read samples from ``first`` to ``last - 1`` of each span in turn, in MNE's units (volt, tesla)."""
        chosen, raw = self.header().channels, self._opened()
        picks = [raw.ch_names.index(name) for name in chosen]
        for first, last in spans:
            yield np.asarray(raw[picks, first:last][0].T, dtype=np.float64)

    def _opened(self) -> Any:
        try:
            import mne
        except ImportError as error:
            raise MissingExtraError("mne", "mne", error) from error
        try:
            return mne.io.read_raw(self.path, preload=False, verbose="ERROR")
        except Exception as error:  # mne raises whatever the damaged bytes lead it into
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise RecordingError(
                f"{self.path}: MNE cannot read this as a continuous recording ({type(error).__name__}: "
                f"{' '.join(str(error).split())}). Write it again with MNE"
            ) from error
