"""Work items: small, frozen descriptions of what one task does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from distributed_trf.config.study import Weights
from distributed_trf.store.results import Place

READ, EXTRACT, FIT = "read", "extract", "fit"
STAGES = (READ, EXTRACT, FIT)
"""In the order they run: each reads what the one before wrote."""


@dataclass(frozen=True)
class ReadSounds:
    """Cut the sounds of a stimulus set out of the recordings."""

    stage: ClassVar[str] = READ
    stimuli: str

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-sounds"


@dataclass(frozen=True)
class ReadCounts:
    """Bin the spikes of one session."""

    stage: ClassVar[str] = READ
    stimuli: str
    bin_width: float
    session: str

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-{self.bin_width:g}ms-{self.session}"


@dataclass(frozen=True)
class Extract:
    """Take the features of all layers of a network for one batch of stimuli."""

    stage: ClassVar[str] = EXTRACT
    stimuli: str
    network: str
    weights: Weights
    batch: int

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-{self.network}-{self.weights}-{self.batch:04d}"


@dataclass(frozen=True)
class Fit:
    """Fit and test all units of all sessions on one layer."""

    stage: ClassVar[str] = FIT
    stimuli: str
    network: str
    weights: Weights
    layer: int
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-{self.network}-{self.weights}-{self.layer:02d}-{self.bin_width:g}ms"

    @property
    def place(self) -> Place:
        """Where its results lie."""
        return (self.stimuli, self.network, self.weights, self.layer, self.bin_width)


Item = ReadSounds | ReadCounts | Extract | Fit
