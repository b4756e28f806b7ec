"""The study file: every setting that determines the results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from distributed_trf.config.analyses import Analyses, NormaliserBootstrapSettings
from distributed_trf.config.evaluation import EvaluationSettings
from distributed_trf.config.extraction import ExtractionSettings, NetworkSettings
from distributed_trf.config.fields import AbsolutePath, Milliseconds, Name, Seconds
from distributed_trf.config.load import Settings, load, locate, paths_from

Training = Literal["first", "mean", "all"]
"""Presentations of a training sound that are fitted."""


class RecordingsSettings(Settings):
    """The recording set."""

    format: str
    """A recording format, such as ``ucsf``."""
    path: AbsolutePath
    """Folder of the recording set; relative to the folder of the study file."""


class LagSettings(Settings):
    """Delays from sound to response, in seconds, both ends included; and the silence before each sound."""

    tmin: Seconds = 0.0
    """First lag; positive is past sound."""
    tmax: Seconds = 0.2
    """Last lag."""
    lead_in: Annotated[Seconds, Field(ge=0)] = 0.35
    """Silence before each sound, part of what networks are given."""

    @model_validator(mode="after")
    def _ordered(self) -> LagSettings:
        if self.tmax < self.tmin:
            raise ValueError(f"tmax = {self.tmax} is before tmin = {self.tmin}; tmax must be the later lag")
        return self


class AlphaGrid(Settings):
    """Penalties spaced evenly on a logarithmic scale."""

    min: Annotated[float, Field(gt=0)] = 1e-5
    """Smallest penalty."""
    max: Annotated[float, Field(gt=0)] = 1e15
    """Largest penalty."""
    num: Annotated[int, Field(ge=1, le=1000)] = 21
    """How many."""

    @model_validator(mode="after")
    def _ordered(self) -> AlphaGrid:
        if self.max < self.min:
            raise ValueError(f"max = {self.max} is below min = {self.min}")
        return self


class RidgeSettings(Settings):
    """How the penalty is chosen and the features are scaled."""

    alphas: AlphaGrid | Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = AlphaGrid()
    """Penalties to choose from: a grid, or a list."""
    n_folds: Annotated[int, Field(ge=2)] = 3
    """Folds of the training stimuli that choose the penalty."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the folds."""
    standardize: bool = True
    """Whether lagged columns are z-scored with the training rows."""
    unit_block: Annotated[int, Field(ge=1)] = 512
    """Units solved together; changes memory, not numbers."""
    scaling: Literal["shared", "per_session"] = "shared"
    """For a session to which not every stimulus was presented: features are scaled with the training rows of the whole
    set, or with the session's own."""
    folds: Literal["shared", "per_session"] = "shared"
    """Whether folds are assigned once for the whole set, or for each session's stimuli."""
    solver: Literal["auto", "eigh", "cholesky", "dual"] = "auto"
    """How fits are solved; changes time and memory, not numbers."""
    precision: Literal["float64", "float32"] = "float64"
    """Number type of products and factorisations."""

    @property
    def penalties(self) -> list[float]:
        """The penalties in ascending order."""
        if isinstance(self.alphas, list):
            return sorted(set(self.alphas))
        low, high = np.log10([self.alphas.min, self.alphas.max])
        return [float(a) for a in np.logspace(low, high, self.alphas.num)]


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
    """Also of the two halves of the repeats of which fits have an r: with another seed they are made anew."""
    bootstrap: NormaliserBootstrapSettings | None = None
    """How the normaliser depends on how much was recorded; ``null`` leaves it out."""


class ChanceSettings(Settings):
    """How the prediction of each unit is compared with chance: with copies of it that are shifted in time."""

    shifts: Annotated[int, Field(ge=1)] = 1000
    """Shifted copies; the smallest p-value is one over one more."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the shifts."""


class GridSettings(Settings):
    """What decides the grid of fits: every network x layer x bin width, of all sessions and channels."""

    name: Name
    """Of the study, in reports and logs."""
    recordings: RecordingsSettings
    """What was recorded."""
    output: AbsolutePath
    """Folder for all output of the study; relative to the folder of the study file."""
    stimuli: list[Name] = []
    """Stimulus sets, each with results of its own; by default all that were presented."""
    bin_widths: Annotated[list[Milliseconds], Field(min_length=1)] = [50.0]
    """Lengths of time bins in ms; several are fitted side by side. At 1000 a sound is one bin."""
    delay: Seconds = 0.0
    """Seconds after the onset of a sound at which the first bin of its response begins."""
    feature_window: tuple[Seconds, Seconds] | None = None
    """Seconds from onset, first and last, over which features are averaged where a sound is one bin of a signal or one
    value (``bin_widths: [1000]``); by default the whole sound."""
    training: Training = "first"
    """Which responses are fitted if a training sound was presented several times: the first, their mean, or all. With
    all, each presentation is a separate trial (in the fold of its sound)."""
    lags: LagSettings = LagSettings()
    """How far back in the sound a response may depend on it."""
    reliability: ReliabilitySettings | None = ReliabilitySettings()
    """None measures no reliability."""
    networks: Annotated[list[NetworkSettings], Field(min_length=1)]
    """Networks and spectrograms, each layer of which is fitted."""
    test: EvaluationSettings = EvaluationSettings(set="test")
    """Which stimuli are predicted by fits on which others."""
    ridge: RidgeSettings = RidgeSettings()
    """How the fits are made."""
    chance: ChanceSettings | None = ChanceSettings()
    """None compares no prediction with chance."""

    def with_sets(self, presented: Iterable[str]) -> Self:
        """Return the same with stimulus sets: those that it names, or else those that were presented."""
        return self if self.stimuli else self.model_copy(update={"stimuli": list(presented)})

    @property
    def halves_seed(self) -> int:
        """Seed by which repeats are dealt into two halves, whether reliability is measured or not."""
        return (self.reliability or ReliabilitySettings()).seed

    @field_validator("feature_window")
    @classmethod
    def _window_within_sound(cls, window: tuple[float, float] | None) -> tuple[float, float] | None:
        if window is not None and not 0 <= window[0] < window[1]:
            raise ValueError(f"expected seconds from onset as [first, last], 0 or more, not {list(window)}")
        return window


# Records on disk have the fields in this order: those of the grid, of analyses, and the rest.
class StudySettings(Analyses, GridSettings):
    """A whole study. Read it from YAML with ``load_study``."""

    save_models: bool = False
    """Keep the weights of every fit, for ``open_models``; changes what is stored, not the results."""
    extraction: ExtractionSettings = ExtractionSettings()
    """How features are computed and kept."""
    attempts: Annotated[int, Field(ge=1)] = 3
    """Attempts of a work item that fails because of files, memory or a hung worker; other errors are not retried."""

    @field_validator("networks")
    @classmethod
    def _each_context_distinct(cls, networks: list[NetworkSettings]) -> list[NetworkSettings]:
        """Make a network of each context, so that all that follows has plain networks, and check their names."""
        networks = [one for network in networks for one in network.each_context()]
        doubled = {n.name for n in networks if sum(m.name == n.name for m in networks) > 1}
        if doubled:
            raise ValueError(f"{', '.join(sorted(doubled))}: named twice; name each network once")
        return networks

    @model_validator(mode="after")
    def _analyses_fit(self) -> StudySettings:
        names = {n.name for n in self.networks}
        subjects: dict[str, list[tuple[str, ...]]] = {}
        for field, settings in self.analyses():
            unknown = sorted({space.network for space in settings.named_spaces} - names)
            if unknown:
                raise ValueError(
                    f"{field}: {', '.join(unknown)} is not among the networks ({', '.join(sorted(names))})"
                )
            subjects.setdefault(field, []).append(settings.subject)
        for field, things in subjects.items():
            twice = sorted({", ".join(thing) for thing in things if things.count(thing) > 1})
            if twice:
                raise ValueError(f"{field} lists {'; '.join(twice)} twice; list each once")
        return self


def load_study(study: str | Path) -> StudySettings:
    """Read a study file, given its path or the name of one in ``configs/``.

    Relative paths in it are from the folder that it is in; of one in ``configs/``, from the folder around that.

    Raises
    ------
    ConfigError
        If it cannot be found or used; every problem is listed.
    """
    path = locate(study, "configs")
    return load(path, StudySettings, folder=paths_from(path, "configs"))
