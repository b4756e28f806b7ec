"""The file of ``dtrf wer``: which networks recognise which benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from distributed_trf.config.fields import AbsolutePath, Name, Source
from distributed_trf.config.load import Settings, load
from distributed_trf.config.locate import locate


class RecogniserSettings(Settings):
    """A network with its trained weights."""

    name: Name
    """Of a network table."""
    source: Source | None = None
    """Folder, file or hub id of the trained weights, instead of the network table's own."""
    revision: str | None = None
    """Commit of the hub id in ``source``."""


class BenchmarkSettings(Settings):
    """A set of utterances on disk."""

    name: Name
    format: Literal["librispeech", "tedlium", "common_voice", "voxpopuli", "datasets"]
    path: AbsolutePath
    """Its folder."""


class WordErrorSettings(Settings):
    """An evaluation. Read it from YAML with ``load_word_errors``."""

    output: AbsolutePath
    """Folder of transcripts and the table."""
    networks: Annotated[list[RecogniserSettings], Field(min_length=1)]
    benchmarks: Annotated[list[BenchmarkSettings], Field(min_length=1)]
    batch: Annotated[int, Field(ge=1)] = 8
    """Utterances heard at once where that changes nothing."""
    device: Literal["cpu", "cuda"] = "cpu"

    @model_validator(mode="after")
    def _distinct(self) -> WordErrorSettings:
        for field, names in (
            ("networks", [n.name for n in self.networks]),
            ("benchmarks", [b.name for b in self.benchmarks]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{field}: {', '.join(names)} name one twice; give each once")
        return self


def load_word_errors(path: str | Path) -> WordErrorSettings:
    """Read an evaluation, given its path or the name of one in ``configs/word_errors/``.

    Raises
    ------
    ConfigError
        If it cannot be found or used; every problem is listed.
    """
    return load(locate(path, "configs/word_errors"), WordErrorSettings)
