"""Network tables: the layers of a network and their outputs, as YAML in ``configs/networks/``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from distributed_trf.config.extraction import FIXED, TRAINED, NetworkSettings, Weights
from distributed_trf.config.fields import Hertz, Name, Source
from distributed_trf.config.load import Settings, load, locate
from distributed_trf.errors import ConfigError


class Layer(Settings):
    """One module whose output is recorded."""

    id: Annotated[int, Field(ge=0)]
    name: str
    type: Literal["conv", "rnn", "transformer", "spectrogram"]
    width: Annotated[int, Field(ge=1)]
    """Features per frame."""
    rate: Annotated[float, Field(gt=0)]
    """Frames per second."""
    receptive_field: float | None = None
    """Milliseconds; None if the architecture does not bound it."""
    time_last: bool = False
    """Whether the output is (sound, feature, ..., frame), with features numbered channel by channel, instead of (sound,
    frame, feature)."""


class NetworkTable(Settings):
    """The description of a network, known before it is built."""

    name: Name
    family: str
    """The code that builds it."""
    sfreq: Hertz
    """Sampling rate of its input."""
    source: Source | None = None
    """Hub id, folder or file of its trained weights."""
    revision: str | None = None
    config: dict[str, Any] = {}
    """Architecture of the untrained network."""
    parameters: Annotated[int, Field(ge=0)] | None = None
    """Number of parameters of the whole network; for planning."""
    gflop_per_second: Annotated[float, Field(ge=0)] | None = None
    """Billions of floating-point operations per second of sound, a multiplication and an addition count as two;
    for planning."""
    layers: Annotated[list[Layer], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct_layers(self) -> NetworkTable:
        ids = [layer.id for layer in self.layers]
        if len(set(ids)) < len(ids):
            raise ValueError(f"layer ids {ids} must differ")
        return self

    @property
    def is_spectrogram(self) -> bool:
        """Whether it is a spectrogram, which has nothing to train."""
        return all(layer.type == "spectrogram" for layer in self.layers)


def load_table(name: str) -> NetworkTable:
    """Read a network table, given its path or the name of one in ``configs/networks/``."""
    return load(locate(name, "configs/networks"), NetworkTable)


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
        If the study requests other weights than fixed of a spectrogram, or fixed ones of a network.
    """
    if table.is_spectrogram:
        if settings.weights not in (None, [FIXED]):
            raise ConfigError(f"networks: {table.name} is a spectrogram; its weights can only be [fixed]")
        return (FIXED,)
    weights = settings.weights or [TRAINED]
    if FIXED in weights:
        raise ConfigError(
            f"networks: {table.name} has weights; fixed is for spectrograms, so choose trained or a control"
        )
    return tuple(dict.fromkeys(weights))
