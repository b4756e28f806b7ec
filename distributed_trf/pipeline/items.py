"""Work items: small, frozen descriptions of what one task does; ``work`` has what each kind of item needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

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
"""Names of the stages for readers."""


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
    """Read the sounds of a stimulus set from the recordings."""

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
    """Extract the features of all layers of a network for one batch of stimuli."""

    stage: ClassVar[str] = EXTRACT
    network: str
    weights: Weights
    batch: int

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-{self.network}-{self.weights}-{self.batch:04d}"


@dataclass(frozen=True)
class FeatureSpace:
    """Layers of a network with some weights, side by side: what has one penalty in a fit."""

    network: str
    weights: Weights
    layers: tuple[int, ...]
    """Their ids."""


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
    def space(self) -> FeatureSpace:
        """The features that are fitted."""
        return FeatureSpace(self.network, self.weights, (self.layer,))

    @property
    def cell(self) -> Cell:
        """Its coordinates in the grid of results."""
        return (self.stimuli, self.network, self.weights, self.layer, self.bin_width)


@dataclass(frozen=True)
class Analysis(Item):
    """An analysis outside the grid of fits; it writes its own group.

    The fields of an item label its results: each is a dimension of length one of what is opened.
    """

    stage: ClassVar[str] = ANALYSE
    kind: ClassVar[str]
    """First part of its key; the settings of the analysis name it (see ``AnalysisSettings.branches``)."""

    @property
    def cell(self) -> dict[str, Any]:
        """Labels of its results, by dimension."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class FitTogether(Analysis):
    """Fit and test all units on several layers of a network as one model."""

    kind: ClassVar[str] = "together"
    network: str
    weights: Weights
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{self.stimuli}-{self.network}-{self.weights}-{self.bin_width:g}ms"


@dataclass(frozen=True)
class FitJoint(Analysis):
    """Fit and test all units on feature spaces of several networks as one model."""

    kind: ClassVar[str] = "joint"
    joint: str
    """Name of the analysis in the study."""
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{self.stimuli}-{self.joint}-{self.bin_width:g}ms"


@dataclass(frozen=True)
class FitPartition(Analysis):
    """Fit and test all units on subsets of feature spaces."""

    kind: ClassVar[str] = "partition"
    partition: str
    """Name of the analysis in the study."""
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{self.stimuli}-{self.partition}-{self.bin_width:g}ms"


@dataclass(frozen=True)
class LayerAnalysis(Analysis):
    """An analysis of one layer."""

    network: str
    weights: Weights
    layer: int
    bin_width: float

    @property
    def space(self) -> FeatureSpace:
        """The features of the layer."""
        return FeatureSpace(self.network, self.weights, (self.layer,))

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{_layer_key(self)}"


@dataclass(frozen=True)
class FitBeyond(LayerAnalysis):
    """Fit and test all units on some feature spaces with and without one layer."""

    kind: ClassVar[str] = "beyond"
    beyond: str
    """Name of the analysis in the study."""

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{super().key}-{self.beyond}"


@dataclass(frozen=True)
class BootstrapTraining(LayerAnalysis):
    """Fit some sessions on one layer many times, each on a drawn part of the training stimuli."""

    kind: ClassVar[str] = "bootstrap-training"
    training_percent: float
    """Percent of the duration of the training stimuli."""

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


Source = Fit | FitTogether | FitJoint | FitPartition | LayerAnalysis
"""An item that fits features on bins of some width."""


def _layer_key(item: Fit | LayerAnalysis) -> str:
    return f"{item.stimuli}-{item.network}-{item.weights}-{item.layer:02d}-{item.bin_width:g}ms"


def layer_part(layer: int) -> str:
    """Name the part of an extraction's fingerprint that only one layer depends on."""
    return f"layer{PART}{layer}"


def bins_part(bin_width: float) -> str:
    """Name the part of a session's fingerprint that only the counts at one bin width depend on."""
    return f"bin width in ms{PART}{bin_width:g}"
