"""Sounds of utterances, in whatever format they were published."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from distributed_trf.errors import DataError, MissingExtraError
from distributed_trf.features.resample import resample_sound


class Audio(Protocol):
    """A sound that can be read."""

    def read(self, sfreq: float) -> np.ndarray:
        """Return the sound at a rate in hertz, float64 of shape (n_samples,), mono."""


@dataclass(frozen=True)
class FileAudio:
    """A sound in a file, or a stretch of it."""

    path: Path
    start: float = 0.0
    """Seconds."""
    end: float | None = None
    """Seconds; None is the end of the file."""

    def read(self, sfreq: float) -> np.ndarray:
        """Return the sound at a rate in hertz (see ``Audio``)."""
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such file; the benchmark's transcript names it")
        return _decoded(self.path, str(self.path), sfreq, self.start, self.end)


@dataclass(frozen=True)
class EncodedAudio:
    """A sound in memory, as it was in its file."""

    data: bytes
    name: str

    def read(self, sfreq: float) -> np.ndarray:
        """Return the sound at a rate in hertz (see ``Audio``)."""
        return _decoded(io.BytesIO(self.data), self.name, sfreq, 0.0, None)


def _decoded(file: Any, name: str, sfreq: float, start: float, end: float | None) -> np.ndarray:
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("soundfile", "wer", error) from error
    try:
        with soundfile.SoundFile(file) as sound:
            sound.seek(min(round(start * sound.samplerate), sound.frames))
            n = -1 if end is None else round((end - start) * sound.samplerate)
            samples, rate = sound.read(n, dtype="float64", always_2d=True), sound.samplerate
    except soundfile.LibsndfileError as error:
        raise DataError(f"{name}: cannot be read as sound: {error}") from error
    if not samples.shape[0]:
        raise DataError(f"{name}: there is no sound from {start:g} s on")
    return resample_sound(samples.mean(axis=1), rate, sfreq)
