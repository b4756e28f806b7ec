"""Network tables: the layers of a network and their outputs, as YAML in ``configs/networks/``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from distributed_trf.config.extraction import FIXED, TRAINED, NetworkSettings, Weights
from distributed_trf.config.fields import Hertz, Name, Source
from distributed_trf.config.load import Settings, load, locate
from distributed_trf.config.own_features import as_own_features
from distributed_trf.errors import ConfigError

LayerType = Literal["conv", "rnn", "transformer", "codec", "spectrogram", "table"]
OWN = "table"
"""The family, and the type of layers, of features of one's own."""
FIXED_TYPES = ("spectrogram", OWN)
"""Types of layers that have nothing to train."""


SOUND_RATE = 16_000
"""Hertz at which lengths of sounds are counted where features are one's own."""


class Grid(Settings):
    """How the tokens of a layer tile frequency and time, as the patches of a spectrogram do."""

    bands: Annotated[int, Field(ge=1)]
    """Patches along frequency."""
    bands_first: bool = True
    """Whether all tokens of one band follow each other, instead of all tokens of one time."""
    special: Annotated[int, Field(ge=0)] = 0
    """Tokens before the grid that are no patch; they are left out."""
    folds: Annotated[int, Field(ge=1)] = 1
    """Pieces of time that the network stacks along frequency, one below the other."""
    keep: Literal["flatten", "mean"] = "flatten"
    """Whether the features of all bands are put side by side, band by band, or averaged."""


class Layer(Settings):
    """One module whose output is recorded."""

    id: Annotated[int, Field(ge=0)]
    """By which studies and results name the layer."""
    name: str
    """The module, dotted."""
    type: LayerType
    """What kind of layer it is, in figures."""
    width: Annotated[int, Field(ge=1)]
    """Features per frame."""
    rate: Annotated[float, Field(gt=0)]
    """Frames per second."""
    receptive_field: float | None = None
    """Milliseconds; None if the architecture does not bound it."""
    time_last: bool = False
    """Whether the output is (sound, feature, ..., frame), with features numbered channel by channel, instead of (sound,
    frame, feature)."""
    time_axis: Annotated[int, Field(ge=0)] | None = None
    """Axis of time where it is neither the second nor the last: 0 for (frame, sound, feature), 2 for (sound, channel,
    frame, feature)."""
    packed: bool = False
    """Whether the frames of all sounds follow each other, without an axis of sounds: (frame, feature)."""
    grid: Grid | None = None
    """For tokens that tile frequency and time."""
    input: bool = False
    """Whether the module's input is taken instead of its output."""
    call: Annotated[int, Field(ge=1)] | None = None
    """Which call of a module that runs several times in a pass."""
    output: int | None = None
    """Which of several values that the module gives."""
    columns: tuple[int, int] | None = None
    """First feature and the one after the last, of a layer that is a part of the module's features, such as one head
    of attention; of every token where there is a ``grid``."""
    hop: Annotated[int, Field(ge=1)] | None = None
    """Samples per frame: a sound of n samples has ``(n + offset) // hop`` frames. None if that is not known."""
    offset: int = 0
    """Samples; see ``hop``."""

    @model_validator(mode="after")
    def _one_axis_of_time(self) -> Layer:
        if sum((self.time_last, self.time_axis is not None, self.packed)) > 1:
            raise ValueError("time_last, time_axis and packed exclude each other; name one")
        if self.columns is not None and not 0 <= self.columns[0] < self.columns[1]:
            raise ValueError(f"columns {list(self.columns)} are no range; write [first, last + 1]")
        return self

    def identity(self) -> dict[str, Any]:
        """Return what determines the features; fields that came later count where they are given."""
        first = {"id", "name", "type", "width", "rate", "receptive_field", "time_last"}
        return self.model_dump(include=first) | self.model_dump(exclude=first, exclude_defaults=True)


class NetworkTable(Settings):
    """The description of a network, known before it is built."""

    name: Name
    """As studies name it: the name of the file."""
    family: str
    """The code that builds it."""
    sfreq: Hertz
    """Sampling rate of its input."""
    source: Source | None = None
    """Hub id, folder or file of its trained weights."""
    revision: str | None = None
    """Commit of ``source`` on the hub."""
    licence: str | None = None
    """Of the weights, as their files or their page state it."""
    made_from: str | None = None
    """Digest of the files and of the choice of layers that the table was made from; None for one that was written."""
    config: dict[str, Any] = {}
    """Architecture of the untrained network."""
    window: Annotated[float, Field(gt=0)] | None = None
    """Seconds that every sound is padded to, which is also the longest that the network takes; None for any length."""
    parameters: Annotated[int, Field(ge=0)] | None = None
    """Number of parameters of the whole network; for planning."""
    gflop_per_second: Annotated[float, Field(ge=0)] | None = None
    """Billions of floating-point operations per second of sound, a multiplication and an addition count as two;
    for planning. With ``window``, of the window."""
    layers: Annotated[list[Layer], Field(min_length=1)]
    """What is recorded, from first to last."""

    @model_validator(mode="after")
    def _distinct_layers(self) -> NetworkTable:
        ids = [layer.id for layer in self.layers]
        if len(set(ids)) < len(ids):
            raise ValueError(f"layer ids {ids} must differ")
        return self

    @model_validator(mode="before")
    @classmethod
    def _plain_own_features(cls, content: Any) -> Any:
        """Complete a table of one's own features, whose layers need no more than name, width and rate."""
        if not isinstance(content, dict) or content.get("family") != OWN:
            return content
        layers = content.get("layers")
        if isinstance(layers, list):
            layers = [{"id": k, "type": OWN, **x} if isinstance(x, dict) else x for k, x in enumerate(layers)]
        return {"sfreq": SOUND_RATE, **content, **({} if layers is None else {"layers": layers})}

    @model_validator(mode="after")
    def _own_features(self) -> NetworkTable:
        odd = [layer.id for layer in self.layers if (layer.type == OWN) != self.reads_files]
        if odd:
            raise ValueError(f"layer {odd[0]}: layers of type {OWN} are those of family {OWN}, which has no others")
        if self.reads_files:
            as_own_features(self.config)
            if self.source is None:
                raise ValueError("give the folder or file of the features as `source`")
        return self

    @property
    def reads_files(self) -> bool:
        """Whether its features are one's own, read from files by stimulus; no sound is transformed."""
        return self.family == OWN

    @property
    def is_fixed(self) -> bool:
        """Whether it has nothing to train: a spectrogram, or a table of one's own features."""
        return all(layer.type in FIXED_TYPES for layer in self.layers)


FOLDER = "configs/networks"
"""Where tables are, in the working directory and among those that ship."""


def load_table(name: str) -> NetworkTable:
    """Read a network table, given its path or the name of one in ``configs/networks/``."""
    return load(locate(name, FOLDER), NetworkTable)


def chosen_layers(table: NetworkTable, settings: NetworkSettings) -> tuple[Layer, ...]:
    """Return the layers that a study requests, in the table's order.

    Raises
    ------
    ConfigError
        If the study names a layer that the network does not have.
    """
    if settings.layers == "all":
        return tuple(table.layers)
    ids = {layer.id for layer in table.layers}
    unknown = sorted(set(settings.layers) - ids)
    if unknown:
        raise ConfigError(f"networks: {table.name} has no layer {unknown[0]}; it has {sorted(ids)}")
    return tuple(layer for layer in table.layers if layer.id in settings.layers)


def chosen_weights(table: NetworkTable, settings: NetworkSettings) -> tuple[Weights, ...]:
    """Return the kinds of weights that a study requests.

    Raises
    ------
    ConfigError
        If the study requests other weights than fixed of a spectrogram or table, or fixed ones of a network.
    """
    if table.is_fixed:
        if settings.weights not in (None, [FIXED]):
            raise ConfigError(f"networks: {table.name} is a {table.layers[0].type}; its weights can only be [fixed]")
        return (FIXED,)
    weights = settings.weights or [TRAINED]
    if FIXED in weights:
        raise ConfigError(
            f"networks: {table.name} has weights; fixed is for spectrograms and tables, so choose trained or a control"
        )
    return tuple(dict.fromkeys(weights))
