"""Settings of analyses outside the grid of fits: a class for each analysis, and the study's fields.

A new analysis has its settings class here, or in ``config/joint.py`` if it fits several feature spaces, and a field in
``Analyses``; a file of ``pipeline/stages`` defines its work items. The file of ``dtrf wer`` is read here too: it says
which networks recognise which benchmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from distributed_trf.config.extraction import Weights
from distributed_trf.config.fields import AbsolutePath, Milliseconds, Name, Percent, Source
from distributed_trf.config.joint import Beyond, JointSettings, PartitionSettings, TogetherSettings
from distributed_trf.config.load import Settings, load, locate, paths_from
from distributed_trf.config.spaces import AnalysisSettings, SpaceSettings, numbers


class LayerAnalysisSettings(AnalysisSettings):
    """One analysis of one layer with some weights."""

    network: Name
    """One of ``networks``."""
    layer: Annotated[int, Field(ge=0)]
    """Id of the layer."""
    weights: Weights
    """Of the network, such as ``trained``."""

    @property
    def named_spaces(self) -> Sequence[SpaceSettings]:
        """Layers and weights that must be among those of the study."""
        return (SpaceSettings(network=self.network, layers=[self.layer], weights=self.weights),)

    @property
    def subject(self) -> tuple[str, ...]:
        """What is analysed; a study may list each subject once."""
        return (self.network, str(self.layer), self.weights)

    @property
    def name(self) -> str:
        """Layer and weights in words."""
        return f"{self.network} {self.weights}, layer {self.layer}"


class LowpassSettings(LayerAnalysisSettings):
    """The time scales at which one layer predicts the responses (Ahmed et al. 2025, Fig 4)."""

    branches = {"lowpass": "lowpass"}
    lowpass_bins: Annotated[list[Milliseconds], Field(min_length=1)]
    """Features are first resampled to bins of each width, then fitted at every bin width of the study."""

    def summary(self) -> tuple[str, str]:
        """Say in a report what is analysed, and how."""
        return f"{self.name}, low-passed", f"bins of {numbers(self.lowpass_bins)} ms"


class BootstrapSettings(LayerAnalysisSettings):
    """How one layer's results depend on the amount of data (Ahmed et al. 2025)."""

    branches = {"bootstraps/training": "bootstrap-training", "bootstraps/test": "bootstrap-test"}
    sessions: list[str] | None = None
    """Defaults to all."""
    training_percent: list[Percent] = []
    """Percentages of the training stimuli's duration to fit on."""
    test_percent: list[Percent] = []
    """Percentages of the test stimuli's duration to test on, each with every one of ``n_repeats``."""
    n_repeats: list[Annotated[int, Field(ge=1)]] = []
    """Numbers of repeats that are drawn of each test stimulus."""
    draws: Annotated[int, Field(ge=1)] = 50
    """Draws with replacement at each percentage (and number of repeats)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of all draws."""

    @model_validator(mode="after")
    def _not_empty(self) -> BootstrapSettings:
        if bool(self.test_percent) != bool(self.n_repeats):
            raise ValueError("test_percent and n_repeats go together; give both or neither")
        if not (self.training_percent or self.test_percent):
            raise ValueError("give training_percent, or test_percent and n_repeats")
        return self

    @property
    def named_sessions(self) -> Sequence[str]:
        """Sessions that must be in the recordings."""
        return self.sessions or ()

    def summary(self) -> tuple[str, str]:
        """Say in a report what is analysed, and how."""
        said = [f"fitted on {numbers(self.training_percent)} % of the training sounds"] if self.training_percent else []
        if self.test_percent:
            repeats = numbers(self.n_repeats)
            said.append(f"tested on {numbers(self.test_percent)} % of the test sounds, {repeats} repeats")
        return f"{self.name}, drawn", f"{'; '.join(said)}; {self.draws} draws"


class NormaliserBootstrapSettings(Settings):
    """How a unit's normaliser depends on the amount of data (Ahmed et al. 2025)."""

    percent_duration: Annotated[list[Percent], Field(min_length=1)] = [20.0, 40.0, 60.0, 80.0, 100.0]
    """Percentages of the test stimuli's duration, each with every one of ``n_repeats``."""
    n_repeats: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    """Numbers of repeats that are drawn of each test stimulus."""
    draws: Annotated[int, Field(ge=1)] = 100
    """Draws with replacement at each percentage and number of repeats."""
    pairings: Annotated[int, Field(ge=1)] = 1000
    """Random pairings in each draw."""


class Analyses(Settings):
    """The fields of a study that request analyses."""

    together: list[TogetherSettings] = []
    """Layers of a network fitted as one model, at most once for each network."""
    joint: list[JointSettings] = []
    """Feature spaces of several networks fitted as one model, each under a name."""
    partition: list[PartitionSettings] = []
    """What is unique to feature spaces and what they share, each under a name."""
    beyond: Beyond = []
    """What each layer of the study adds to feature spaces, each under a name."""
    bootstraps: list[BootstrapSettings] = []
    """At most once for each network, layer and weights."""
    lowpass: list[LowpassSettings] = []
    """At most once for each network, layer and weights."""

    def analyses(self) -> Iterator[tuple[str, AnalysisSettings]]:
        """List all requested analyses, each with its field."""
        for field in Analyses.model_fields:
            for settings in getattr(self, field):
                yield field, settings


def analysis_branches() -> dict[str, tuple[str, str]]:
    """Return kind of work item and field of every analysis, by its branch in the tree of ``open_tree``."""
    branches: dict[str, tuple[str, str]] = {}
    for name, field in Analyses.model_fields.items():
        (settings,) = get_args(field.annotation)
        branches |= {branch: (kind, name) for branch, kind in settings.branches.items()}
    return branches


class RecogniserSettings(Settings):
    """A network with its trained weights."""

    name: Name
    """Name of a network table."""
    source: Source | None = None
    """Folder, file or hub id of the trained weights, instead of the network table's source."""
    revision: str | None = None
    """Commit of the hub id in ``source``."""


class BenchmarkSettings(Settings):
    """A set of utterances on disk."""

    name: Name
    """In tables and folders."""
    format: Literal["librispeech", "tedlium", "common_voice", "voxpopuli", "datasets"]
    """How the folder is laid out: that of the benchmark as it is published, or what ``datasets`` saved."""
    path: AbsolutePath
    """Folder of the benchmark."""


class WordErrorSettings(Settings):
    """An evaluation. Read it from YAML with ``load_word_errors``."""

    output: AbsolutePath
    """Folder of transcripts and the table."""
    networks: Annotated[list[RecogniserSettings], Field(min_length=1)]
    """Which networks recognise."""
    benchmarks: Annotated[list[BenchmarkSettings], Field(min_length=1)]
    """Sets of utterances."""
    batch: Annotated[int, Field(ge=1)] = 8
    """Utterances in one forward pass, for networks whose results do not depend on it."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where they run."""

    @model_validator(mode="after")
    def _distinct(self) -> WordErrorSettings:
        for field, names in (
            ("networks", [n.name for n in self.networks]),
            ("benchmarks", [b.name for b in self.benchmarks]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{field}: {', '.join(names)} name a network or benchmark twice; give each once")
        return self


def load_word_errors(path: str | Path) -> WordErrorSettings:
    """Read an evaluation, given its path or the name of one in ``configs/word_errors/``.

    Raises
    ------
    ConfigError
        If it cannot be found or used; every problem is listed.
    """
    file = locate(path, "configs/word_errors")
    return load(file, WordErrorSettings, folder=paths_from(file, "configs/word_errors"))
