"""What a study asks beside the grid of fits.

The file of ``dtrf wer``: which networks recognise which benchmarks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from distributed_trf.config.extraction import Weights
from distributed_trf.config.fields import AbsolutePath, Milliseconds, Name, Percent, Source
from distributed_trf.config.load import Settings, load, locate


class TogetherSettings(Settings):
    """Several layers of a network as one model."""

    network: Name
    layers: Literal["all"] | list[Annotated[int, Field(ge=0)]] = "all"
    bands: Literal["none", "layer"] = "layer"
    """One penalty for all layers, or one for each (banded ridge)."""
    candidates: Annotated[int, Field(ge=1)] = 100
    """Band weights to try; the first is equal weights."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the band weights."""


class LowpassSettings(Settings):
    """How fast what one layer tells of the responses is (Ahmed et al. 2025, Fig 4)."""

    network: Name
    layer: Annotated[int, Field(ge=0)]
    weights: Weights
    lowpass_bins: Annotated[list[Milliseconds], Field(min_length=1)]
    """Features go through bins of each width, and are then fitted at every bin width of the study."""


class BootstrapSettings(Settings):
    """How much one layer's numbers depend on how much was recorded (Ahmed et al. 2025)."""

    network: Name
    layer: Annotated[int, Field(ge=0)]
    weights: Weights
    sessions: list[str] | None = None
    """Defaults to all."""
    training_percent: list[Percent] = []
    """Percentages of the training stimuli's duration to fit on."""
    test_percent: list[Percent] = []
    """Percentages of the test stimuli's duration to test on, each with every one of ``n_repeats``."""
    n_repeats: list[Annotated[int, Field(ge=1)]] = []
    draws: Annotated[int, Field(ge=1)] = 50
    """Draws with replacement at each percentage (and number of repeats)."""
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _asks_something(self) -> BootstrapSettings:
        if bool(self.test_percent) != bool(self.n_repeats):
            raise ValueError("test_percent and n_repeats go together; give both or neither")
        if not (self.training_percent or self.test_percent):
            raise ValueError("give training_percent, or test_percent and n_repeats")
        return self


class NormaliserBootstrapSettings(Settings):
    """How much a unit's normaliser depends on how much was recorded (Ahmed et al. 2025)."""

    percent_duration: Annotated[list[Percent], Field(min_length=1)] = [20.0, 40.0, 60.0, 80.0, 100.0]
    """Percentages of the test stimuli's duration, each with every one of ``n_repeats``."""
    n_repeats: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    draws: Annotated[int, Field(ge=1)] = 100
    """Draws with replacement at each percentage and number of repeats."""
    pairings: Annotated[int, Field(ge=1)] = 1000
    """Random pairings in each draw."""


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
