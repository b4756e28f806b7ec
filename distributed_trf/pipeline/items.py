"""Work items: small, frozen descriptions of what one task does; what each kind of them needs is in ``work``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

from distributed_trf.config.extraction import Weights
from distributed_trf.store.receipts import ANALYSE as ANALYSE
from distributed_trf.store.receipts import ASSESS as ASSESS
from distributed_trf.store.receipts import EXTRACT as EXTRACT
from distributed_trf.store.receipts import FIT as FIT
from distributed_trf.store.receipts import PART
from distributed_trf.store.receipts import READ as READ
from distributed_trf.store.result_grid import Cell
from distributed_trf.store.stored_recordings import session_key, sounds_key

STAGES = (READ, ASSESS, EXTRACT, FIT, ANALYSE)
"""In the order they run: each reads what those before wrote."""
LABELS = {
    READ: "read recordings",
    ASSESS: "assess units",
    EXTRACT: "extract features",
    FIT: "fit layers",
    ANALYSE: "analyses",
}
"""What readers call a stage."""


@dataclass(frozen=True)
class Item(ABC):
    """What one task does."""

    stage: ClassVar[str]
    stimuli: str
    """The stimulus set."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""


@dataclass(frozen=True)
class ReadSounds(Item):
    """Cut the sounds of a stimulus set out of the recordings."""

    stage: ClassVar[str] = READ

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return sounds_key(self.stimuli)


@dataclass(frozen=True)
class ReadSession(Item):
    """Read the spikes of one session, and bin them at every bin width of the study."""

    stage: ClassVar[str] = READ
    session: str

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return session_key(self.stimuli, self.session)


@dataclass(frozen=True)
class Assess(Item):
    """Measure how well the units of one session repeat themselves."""

    stage: ClassVar[str] = ASSESS
    bin_width: float
    session: str

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-{self.bin_width:g}ms-{self.session}"


@dataclass(frozen=True)
class Extract(Item):
    """Take the features of all layers of a network for one batch of stimuli."""

    stage: ClassVar[str] = EXTRACT
    network: str
    weights: Weights
    batch: int

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-{self.network}-{self.weights}-{self.batch:04d}"


@dataclass(frozen=True)
class Fit(Item):
    """Fit and test all units of all sessions on one layer."""

    stage: ClassVar[str] = FIT
    network: str
    weights: Weights
    layer: int
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return _layer_key(self)

    @property
    def cell(self) -> Cell:
        """Where its results lie."""
        return (self.stimuli, self.network, self.weights, self.layer, self.bin_width)


class Source(Protocol):
    """Of an item that fits: whose features, and how wide the bins are."""

    @property
    def stimuli(self) -> str:
        """Stimulus set."""

    @property
    def network(self) -> str:
        """Feature source."""

    @property
    def weights(self) -> Weights:
        """Kind of weights."""

    @property
    def bin_width(self) -> float:
        """Milliseconds."""


@dataclass(frozen=True)
class Analysis(Item):
    """What a study asks for beside the grid of fits, on the features of a network; it writes a group of its own.

    The fields of an item label its results: each is a dimension of length one of what is opened.
    """

    stage: ClassVar[str] = ANALYSE
    kind: ClassVar[str]
    """What its key begins with; the settings of the analysis name it (see ``AnalysisSettings.branches``)."""
    network: str
    weights: Weights

    @property
    def cell(self) -> dict[str, Any]:
        """Where its results lie: labels by dimension."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class FitTogether(Analysis):
    """Fit and test all units on several layers of a network as one model."""

    kind: ClassVar[str] = "together"
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{self.stimuli}-{self.network}-{self.weights}-{self.bin_width:g}ms"


@dataclass(frozen=True)
class LayerAnalysis(Analysis):
    """An analysis of one layer."""

    layer: int
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{_layer_key(self)}"


@dataclass(frozen=True)
class BootstrapTraining(LayerAnalysis):
    """Fit some sessions on one layer many times, each on a drawn part of the training stimuli."""

    kind: ClassVar[str] = "bootstrap-training"
    training_percent: float
    """Of their duration."""

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{super().key}-{self.training_percent:g}percent"


@dataclass(frozen=True)
class BootstrapTest(LayerAnalysis):
    """Test some sessions on one layer many times, each on drawn test stimuli and repeats."""

    kind: ClassVar[str] = "bootstrap-test"


@dataclass(frozen=True)
class FitLowpass(LayerAnalysis):
    """Fit and test all units of all sessions on one layer whose features are low-passed."""

    kind: ClassVar[str] = "lowpass"
    lowpass_bin: float
    """Milliseconds."""

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{super().key}-{self.lowpass_bin:g}ms"


def _layer_key(item: Fit | LayerAnalysis) -> str:
    return f"{item.stimuli}-{item.network}-{item.weights}-{item.layer:02d}-{item.bin_width:g}ms"


def layer_part(layer: int) -> str:
    """Name what one layer of an extraction depends on alone."""
    return f"layer{PART}{layer}"


def bins_part(bin_width: float) -> str:
    """Name what the counts of a session at one bin width depend on alone."""
    return f"bin width in ms{PART}{bin_width:g}"
