"""Work items: small, frozen descriptions of what one task does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from distributed_trf.config.extraction import Weights
from distributed_trf.store.receipts import ANALYSE as ANALYSE
from distributed_trf.store.receipts import ASSESS as ASSESS
from distributed_trf.store.receipts import EXTRACT as EXTRACT
from distributed_trf.store.receipts import FIT as FIT
from distributed_trf.store.receipts import PART
from distributed_trf.store.receipts import READ as READ
from distributed_trf.store.result_grid import Place

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
class ReadSounds:
    """Cut the sounds of a stimulus set out of the recordings."""

    stage: ClassVar[str] = READ
    stimuli: str

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-sounds"


@dataclass(frozen=True)
class ReadSession:
    """Read the spikes of one session, and bin them at every bin width of the study."""

    stage: ClassVar[str] = READ
    stimuli: str
    session: str

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.stimuli}-{self.session}"


@dataclass(frozen=True)
class Assess:
    """Measure how well the units of one session repeat themselves."""

    stage: ClassVar[str] = ASSESS
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
        return _layer_key(self)

    @property
    def place(self) -> Place:
        """Where its results lie."""
        return (self.stimuli, self.network, self.weights, self.layer, self.bin_width)


@dataclass(frozen=True)
class FitTogether:
    """Fit and test all units on several layers of a network as one model."""

    stage: ClassVar[str] = ANALYSE
    kind: ClassVar[str] = "together"
    stimuli: str
    network: str
    weights: Weights
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{self.stimuli}-{self.network}-{self.weights}-{self.bin_width:g}ms"


@dataclass(frozen=True)
class BootstrapTraining:
    """Fit some sessions on one layer many times, each on a drawn part of the training stimuli."""

    stage: ClassVar[str] = ANALYSE
    kind: ClassVar[str] = "bootstrap-training"
    stimuli: str
    network: str
    weights: Weights
    layer: int
    bin_width: float
    percent_duration: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{_layer_key(self)}-{self.percent_duration:g}percent"


@dataclass(frozen=True)
class BootstrapTest:
    """Test some sessions on one layer many times, each on drawn test stimuli and repeats."""

    stage: ClassVar[str] = ANALYSE
    kind: ClassVar[str] = "bootstrap-test"
    stimuli: str
    network: str
    weights: Weights
    layer: int
    bin_width: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{_layer_key(self)}"


@dataclass(frozen=True)
class FitLowpass:
    """Fit and test all units of all sessions on one layer whose features are low-passed."""

    stage: ClassVar[str] = ANALYSE
    kind: ClassVar[str] = "lowpass"
    stimuli: str
    network: str
    weights: Weights
    layer: int
    bin_width: float
    lowpass_bin: float

    @property
    def key(self) -> str:
        """Unique name within the stage, fit for a file."""
        return f"{self.kind}-{_layer_key(self)}-{self.lowpass_bin:g}ms"


def _layer_key(item: Fit | BootstrapTraining | BootstrapTest | FitLowpass) -> str:
    return f"{item.stimuli}-{item.network}-{item.weights}-{item.layer:02d}-{item.bin_width:g}ms"


def layer_part(layer: int) -> str:
    """Name what one layer of an extraction depends on alone."""
    return f"layer{PART}{layer}"


def bins_part(bin_width: float) -> str:
    """Name what the counts of a session at one bin width depend on alone."""
    return f"bin width in ms{PART}{bin_width:g}"


Analysis = FitTogether | BootstrapTraining | BootstrapTest | FitLowpass
"""What a study asks for beside the grid of fits; each is a zarr group of its own."""
Item = ReadSounds | ReadSession | Assess | Extract | Fit | Analysis
