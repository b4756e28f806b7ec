"""Word error rates of networks on benchmarks; transcripts are kept, so that an interrupted evaluation can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from distributed_trf.config.analyses import BenchmarkSettings, RecogniserSettings, WordErrorSettings
from distributed_trf.errors import DataError, MissingExtraError
from distributed_trf.features.table import load_table
from distributed_trf.features.torch_internals import plain_float32
from distributed_trf.speech_recognition.benchmarks import Utterance, read_benchmark
from distributed_trf.speech_recognition.recognisers import Recogniser, open_recogniser, recogniser_identity
from distributed_trf.store.atomic import make_folder, write_text
from distributed_trf.store.fingerprint import digest


@dataclass(frozen=True)
class Transcript:
    """What was said in an utterance, and what a network understood."""

    id: str
    said: str
    understood: str
    cut: bool
    """Whether only the beginning was given to the network, because the utterance is longer than it takes."""


class TranscriptFile:
    """A file of JSON lines, one transcript each.

    Parameters
    ----------
    path
        The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Transcript]:
        """Return the transcripts by id, without a last one that was not written to its end."""
        if not self.path.is_file():
            return {}
        whole = self.path.read_bytes().rpartition(b"\n")[0].decode()
        found = [Transcript(**json.loads(line)) for line in whole.splitlines()]
        return {transcript.id: transcript for transcript in found}

    def append(self, transcripts: Iterable[Transcript]) -> None:
        """Add transcripts; they are on disk when this returns."""
        make_folder(self.path.parent)
        with self.path.open("ab+") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.write("".join(f"{json.dumps(asdict(t), ensure_ascii=False)}\n" for t in transcripts).encode())
            file.flush()
            os.fsync(file.fileno())


COLUMNS = ("network", "benchmark", "wer", "words", "substitutions", "deletions", "insertions", "utterances", "cut")
TABLE = "word_error_rates.csv"

OnProgress = Callable[[str, str, int, int], None]
"""Called with progress: network, benchmark, utterances done and in all."""


def word_error_rates(settings: WordErrorSettings, on_progress: OnProgress = lambda *_: None) -> pd.DataFrame:
    """Let networks recognise benchmarks; what was recognised before is not recognised again.

    Parameters
    ----------
    settings
        Networks, benchmarks and where to keep transcripts.
    on_progress
        Called after each batch.

    Returns
    -------
    pandas.DataFrame
        One row per network and benchmark; ``wer`` in percent, pooled over words: ``100 * (substitutions + deletions +
        insertions) / words``, both sides normalised by Whisper's English rules (Radford et al. 2022). ``cut`` counts
        utterances of which only the beginning was given to the network. Also written to ``word_error_rates.csv``.

    Raises
    ------
    DataError
        If a benchmark is not there, or a sound of it cannot be read.
    FeatureError
        If the weights of a network cannot be loaded.
    """
    rows = []
    for benchmark in settings.benchmarks:
        utterances = read_benchmark(benchmark.format, benchmark.path)
        for network in settings.networks:
            found = _transcribe(settings, network, benchmark, utterances, on_progress)
            rows.append({"network": network.name, "benchmark": benchmark.name, **score(found)})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    write_text(settings.output / TABLE, table.to_csv(index=False))
    return table


def score(transcripts: Sequence[Transcript]) -> dict[str, Any]:
    """Count word errors, pooled over all words.

    Utterances in which nothing is said once both sides are normalised are left out, as nothing can be divided by.

    Raises
    ------
    DataError
        If nothing is said in any.
    """
    try:
        import jiwer
    except ImportError as error:
        raise MissingExtraError("jiwer", "wer", error) from error
    normalise = _normaliser()
    pairs = [(normalise(t.said), normalise(t.understood)) for t in transcripts]
    spoken = [pair for pair in pairs if pair[0]]
    if not spoken:
        raise DataError(f"none of {len(transcripts)} utterances has a word in its reference; check the benchmark")
    counts = jiwer.process_words([said for said, _ in spoken], [understood for _, understood in spoken])
    return {
        "wer": 100 * counts.wer,
        "words": counts.hits + counts.substitutions + counts.deletions,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
        "utterances": len(spoken),
        "cut": sum(t.cut for t in transcripts),
    }


def _transcribe(
    settings: WordErrorSettings,
    network: RecogniserSettings,
    benchmark: BenchmarkSettings,
    utterances: Sequence[Utterance],
    on_progress: OnProgress,
) -> list[Transcript]:
    table = load_table(network.name)
    kept = TranscriptFile(_path(settings, network, benchmark))
    found = kept.read()
    missing = [u for u in utterances if u.id not in found or found[u.id].said != u.text]
    if missing:
        recognise = open_recogniser(table, network, settings.device)
        size = settings.batch if recognise.batches else 1
        for first in range(0, len(missing), size):
            batch = missing[first : first + size]
            new = _recognise(recognise, batch, table.sfreq)
            kept.append(new)
            found |= {t.id: t for t in new}
            on_progress(network.name, benchmark.name, len(found), len(utterances))
    return [found[u.id] for u in utterances]


def _recognise(recognise: Recogniser, batch: Sequence[Utterance], sfreq: float) -> list[Transcript]:
    sounds = [u.audio.read(sfreq) for u in batch]
    longest = recognise.max_samples
    cut = [longest is not None and sound.shape[0] > longest for sound in sounds]
    with plain_float32():
        words = recognise([sound[:longest] for sound in sounds])
    return [Transcript(u.id, u.text, text, is_cut) for u, text, is_cut in zip(batch, words, cut, strict=True)]


def _path(settings: WordErrorSettings, network: RecogniserSettings, benchmark: BenchmarkSettings) -> Path:
    """Name the file by all that decides what is understood, so that another network's words are never taken for it."""
    fixed = recogniser_identity(load_table(network.name), network)
    return settings.output / benchmark.name / f"{network.name}-{digest(fixed)[:12]}.jsonl"


@cache
def _normaliser() -> Callable[[str], str]:
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError as error:
        raise MissingExtraError("whisper_normalizer", "wer", error) from error
    return EnglishTextNormalizer()
