"""Utterances of public benchmarks, from local folders in the layout and sound formats of their publishers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
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


IGNORED = "ignore_time_segment_in_scoring"
"""What TED-LIUM writes instead of words for a stretch that is not scored."""


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech and what is said in it."""

    id: str
    audio: Audio
    text: str


def librispeech(folder: Path) -> Iterator[Utterance]:
    """Read a subset of LibriSpeech (Panayotov et al. 2015), such as ``test-clean``."""
    for transcript in sorted(folder.rglob("*.trans.txt")):
        for line in transcript.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            yield Utterance(name, FileAudio(transcript.parent / f"{name}.flac"), text)


def tedlium(folder: Path) -> Iterator[Utterance]:
    """Read a subset of TED-LIUM release 3 (Hernandez et al. 2018): the folder with ``stm`` and ``sph``.

    Stretches that its authors leave out of scoring are left out.
    """
    for transcript in sorted((folder / "stm").glob("*.stm")):
        for k, line in enumerate(transcript.read_text(encoding="utf-8").splitlines()):
            if line.startswith(";;"):
                continue
            fields = line.split(maxsplit=6)
            if len(fields) < 6:
                raise DataError(f"{transcript}: line {k + 1}: expected talk, channel, speaker, start, end, label, text")
            talk, _, _, start, end, _ = fields[:6]
            text = fields[6] if len(fields) > 6 else ""
            if text.strip() != IGNORED:
                audio = FileAudio(folder / "sph" / f"{talk}.sph", float(start), float(end))
                yield Utterance(f"{talk}-{start}", audio, text)


def common_voice(folder: Path) -> Iterator[Utterance]:
    """Read the test split of Common Voice (Ardila et al. 2020): the folder with ``test.tsv`` and ``clips``."""
    for row in _rows(folder / "test.tsv", ("path", "sentence")):
        yield Utterance(row["path"], FileAudio(folder / "clips" / row["path"]), row["sentence"])


def voxpopuli(folder: Path) -> Iterator[Utterance]:
    """Read the test split of VoxPopuli (Wang et al. 2021): a language's folder with ``asr_test.tsv``.

    Audio lies beside the table or in folders by year, as ``.ogg`` or ``.wav``.
    """
    files = {file.stem: file for kind in ("*.ogg", "*.wav") for file in folder.rglob(kind)}
    for row in _rows(folder / "asr_test.tsv", ("id", "normalized_text")):
        if row["id"] not in files:
            raise DataError(f"{folder}: no audio of {row['id']}, which asr_test.tsv lists, as .ogg or .wav below it")
        yield Utterance(row["id"], FileAudio(files[row["id"]]), row["normalized_text"])


def saved_dataset(folder: Path) -> Iterator[Utterance]:
    """Read what ``datasets.Dataset.save_to_disk`` wrote of any of them: one split with audio and text."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", "wer", error) from error
    table = datasets.load_from_disk(str(folder))
    if not isinstance(table, datasets.Dataset):
        raise DataError(f"{folder}: holds the splits {', '.join(table)}; give the folder of one of them as `path`")
    text = next((c for c in ("text", "sentence", "normalized_text") if c in table.column_names), None)
    if text is None or "audio" not in table.column_names:
        raise DataError(
            f"{folder}: columns are {', '.join(table.column_names)}; expected audio, and text, sentence or "
            "normalized_text"
        )
    # Not decoded by the library, which would need ffmpeg.
    for k, row in enumerate(table.cast_column("audio", datasets.Audio(decode=False))):
        if row[text].strip() != IGNORED:
            data, path = row["audio"]["bytes"], row["audio"]["path"]
            audio = EncodedAudio(data, f"{folder} row {k}") if data else FileAudio(Path(path))
            yield Utterance(str(row.get("id", k)), audio, row[text])


FORMATS: dict[str, Callable[[Path], Iterator[Utterance]]] = {
    "librispeech": librispeech,
    "tedlium": tedlium,
    "common_voice": common_voice,
    "voxpopuli": voxpopuli,
    "datasets": saved_dataset,
}


def read_benchmark(format: str, path: Path) -> list[Utterance]:
    """List the utterances of a benchmark; sounds are read when they are needed.

    Parameters
    ----------
    format
        One of ``FORMATS``.
    path
        Its folder.

    Raises
    ------
    DataError
        If there is no such folder, a table in it lacks a column, or it holds no utterance.
    """
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder; give the unpacked {format} as `path`")
    found = list(FORMATS[format](path))
    if not found:
        raise DataError(
            f"{path}: holds no utterance in the layout of {format}; give the folder that its reader expects"
        )
    return found


def _rows(table: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    if not table.is_file():
        raise DataError(f"{table}: there is no such file; give the folder that holds it as `path`")
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{table}: no column {', '.join(missing)}; it has {', '.join(reader.fieldnames or ())}")
        yield from reader
