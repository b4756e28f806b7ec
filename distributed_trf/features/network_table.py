"""Network tables: which layers a network has and what they give, as YAML in ``configs/networks/``."""

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
    """Milliseconds; None where it is not bounded by the architecture."""
    time_last: bool = False
    """Whether the module gives (sound, feature, ..., frame), so that features are numbered channel by channel, and not
    (sound, frame, feature)."""


class NetworkTable(Settings):
    """What is known of a network before it is built."""

    name: Name
    family: str
    """Which code builds it."""
    sfreq: Hertz
    """Sampling rate of the sound it hears."""
    source: Source | None = None
    """Hub id, folder or file of its trained weights."""
    revision: str | None = None
    config: dict[str, Any] = {}
    """Architecture of the untrained network."""
    parameters: Annotated[int, Field(ge=0)] | None = None
    """Of the whole network that is loaded; for planning."""
    gflop_per_second: Annotated[float, Field(ge=0)] | None = None
    """Billions of floating-point operations per second of sound, a multiplication and an addition being two; for
    planning."""
    layers: Annotated[list[Layer], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct_layers(self) -> NetworkTable:
        ids = [layer.id for layer in self.layers]
        if len(set(ids)) < len(ids):
            raise ValueError(f"layer ids {ids} must differ")
        return self

    @property
    def is_spectrogram(self) -> bool:
        """Whether it has nothing to train."""
        return all(layer.type == "spectrogram" for layer in self.layers)


def load_table(name: str) -> NetworkTable:
    """Read a network table, given its path or the name of one in ``configs/networks/``."""
    return load(locate(name, "configs/networks"), NetworkTable)


def chosen_layers(table: NetworkTable, settings: NetworkSettings) -> tuple[Layer, ...]:
    """Return the layers that a study asks for, in the table's order.

    Raises
    ------
    ConfigError
        If the study names a layer that the network does not have.
    """
    if settings.layers == "all":
        return tuple(table.layers)
    known = {layer.id for layer in table.layers}
    unknown = sorted(set(settings.layers) - known)
    if unknown:
        raise ConfigError(f"networks: {table.name} has no layer {unknown[0]}; it has {sorted(known)}")
    return tuple(layer for layer in table.layers if layer.id in settings.layers)


def chosen_weights(table: NetworkTable, settings: NetworkSettings) -> tuple[Weights, ...]:
    """Return the kinds of weights that a study asks for.

    Raises
    ------
    ConfigError
        If a spectrogram is asked for weights, or a network for none.
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
