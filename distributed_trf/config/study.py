"""The study file: everything that decides which numbers come out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, field_validator, model_validator

from distributed_trf.config.load import Settings, load
from distributed_trf.config.locate import locate

Weights = Literal["trained", "reset", "fixed"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Names become folders, so only plain ones are taken."""


AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""Fixed when the file is read: workers may run in another folder."""


Source = Annotated[
    str, AfterValidator(lambda source: str(Path(source).absolute()) if Path(source).is_dir() else source)
]
"""Folder, made absolute, or hub id of trained weights."""


class RecordingsSettings(Settings):
    """Which recordings."""

    format: str
    """A recording format, such as ``ucsf``."""
    path: AbsolutePath
    """Folder of the recording set; a relative one is taken from the working directory."""


class LagSettings(Settings):
    """Delays from sound to response, in seconds, both ends included; and the silence before each sound."""

    tmin: float = 0.0
    tmax: float = 0.2
    lead_in: Annotated[float, Field(ge=0)] = 0.35

    @model_validator(mode="after")
    def _ordered(self) -> LagSettings:
        if self.tmax < self.tmin:
            raise ValueError(f"tmax = {self.tmax} is before tmin = {self.tmin}; tmax must be the later lag")
        return self


class AlphaGrid(Settings):
    """Penalties spaced evenly on a logarithmic scale."""

    min: Annotated[float, Field(gt=0)] = 1e-5
    max: Annotated[float, Field(gt=0)] = 1e15
    num: Annotated[int, Field(ge=1)] = 21

    @model_validator(mode="after")
    def _ordered(self) -> AlphaGrid:
        if self.max < self.min:
            raise ValueError(f"max = {self.max} is below min = {self.min}")
        return self


class RidgeSettings(Settings):
    """How the penalty is chosen and the features are scaled."""

    alphas: AlphaGrid | Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = AlphaGrid()
    n_folds: Annotated[int, Field(ge=2)] = 3
    seed: Annotated[int, Field(ge=0)] = 0
    standardize: bool = True
    unit_block: Annotated[int, Field(ge=1)] = 512
    """Units solved together; changes memory, not numbers."""
    scaling: Literal["shared", "per_session"] = "shared"
    """Whose training rows scale the features of a session that did not hear every stimulus: the set's, or its own."""
    folds: Literal["shared", "per_session"] = "shared"
    """Whether the set's stimuli are dealt into folds once, or each session's own."""
    solver: Literal["auto", "eigh", "cholesky", "dual"] = "auto"
    precision: Literal["float64", "float32"] = "float64"
    """Of products and factorisations."""

    @property
    def penalties(self) -> list[float]:
        """The penalties in ascending order."""
        if isinstance(self.alphas, list):
            return sorted(set(self.alphas))
        low, high = np.log10([self.alphas.min, self.alphas.max])
        return [float(a) for a in np.logspace(low, high, self.alphas.num)]


class NetworkSettings(Settings):
    """One network and what is asked of it."""

    name: Name
    weights: list[Weights] | None = None
    """Defaults to ``[trained]`` for a network and ``[fixed]`` for a spectrogram."""
    layers: Literal["all"] | list[Annotated[int, Field(ge=0)]] = "all"
    source: Source | None = None
    """Folder or hub id of the trained weights, instead of the network table's own."""
    revision: str | None = None
    """Commit of the hub id in ``source``."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of ``reset`` weights."""


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


Percent = Annotated[float, Field(gt=0, le=100)]


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


class ReliabilitySettings(Settings):
    """How the repeatability of units is measured."""

    draws: Annotated[int, Field(ge=1)] = 100_000
    """Random pairings of presentations."""
    null_shift: Literal["half", "random", "first"] = "half"
    """How far one side of a pairing is shifted: half of the test stimuli together, a random part, half of the first."""
    shifts: Annotated[int, Field(ge=1)] = 1000
    """Shifted copies in the test for tuning; the smallest p-value is one over one more."""
    splits: Annotated[int, Field(ge=1)] = 100
    """Random splits of the repeats into halves."""
    seed: Annotated[int, Field(ge=0)] = 0
    bootstrap: NormaliserBootstrapSettings | None = None


class StudySettings(Settings):
    """A whole study. Read it from YAML with ``load_study``."""

    name: Name
    recordings: RecordingsSettings
    output: AbsolutePath
    """Folder of everything the study makes; a relative one is taken from the working directory."""
    stimuli: Annotated[list[Name], Field(min_length=1)] = ["timit"]
    bin_widths: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [50.0]
    """Milliseconds."""
    delay: float = 0.0
    """Seconds after the onset of a sound at which the first bin of its response begins."""
    lags: LagSettings = LagSettings()
    reliability: ReliabilitySettings | None = ReliabilitySettings()
    """None measures no reliability."""
    networks: Annotated[list[NetworkSettings], Field(min_length=1)]
    ridge: RidgeSettings = RidgeSettings()
    together: list[TogetherSettings] = []
    """Layers of a network fitted as one model, at most once for each network."""
    bootstraps: list[BootstrapSettings] = []
    """At most once for each network, layer and weights."""
    save_models: bool = False
    """Keep the weights of every fit, for ``open_models``; decides what is stored, not which numbers come out."""
    batch: Annotated[int, Field(ge=1)] = 16
    """Stimuli that one extraction takes at once."""
    attempts: Annotated[int, Field(ge=1)] = 3
    """How often a work item is tried before it is given up."""

    @field_validator("networks")
    @classmethod
    def _distinct(cls, networks: list[NetworkSettings]) -> list[NetworkSettings]:
        doubled = {n.name for n in networks if sum(m.name == n.name for m in networks) > 1}
        if doubled:
            raise ValueError(f"{', '.join(sorted(doubled))} stand there twice; name each network once")
        return networks

    @model_validator(mode="after")
    def _analyses_fit(self) -> StudySettings:
        known = {n.name for n in self.networks}
        together = [t.network for t in self.together]
        bootstraps = [(b.network, b.layer, b.weights) for b in self.bootstraps]
        for field, asked in (("together", together), ("bootstraps", [b.network for b in self.bootstraps])):
            unknown = sorted(set(asked) - known)
            if unknown:
                raise ValueError(
                    f"{field}: {', '.join(unknown)} is not among the networks ({', '.join(sorted(known))})"
                )
        if len(set(together)) < len(together) or len(set(bootstraps)) < len(bootstraps):
            raise ValueError("together or bootstraps ask for the same thing twice; ask for each once")
        return self


def load_study(study: str | Path) -> StudySettings:
    """Read a study file, given its path or the name of one in ``configs/``.

    Raises
    ------
    ConfigError
        If it cannot be found or used; every problem is listed.
    """
    return load(locate(study, "configs"), StudySettings)
