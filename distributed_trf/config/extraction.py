"""Which networks a study hears with, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distributed_trf.config.fields import Name, Source
from distributed_trf.config.load import Settings
from distributed_trf.config.weights import Weights


class NetworkSettings(Settings):
    """One network and what is asked of it."""

    name: Name
    weights: list[Weights] | None = None
    """Defaults to ``[trained]`` for a network and ``[fixed]`` for a spectrogram."""
    layers: Literal["all"] | list[Annotated[int, Field(ge=0)]] = "all"
    source: Source | None = None
    """Folder, file or hub id of the trained weights, instead of the network table's own."""
    revision: str | None = None
    """Commit of the hub id in ``source``."""


class ExtractionSettings(Settings):
    """How networks hear and what is kept of it."""

    batch: Annotated[int, Field(ge=1)] = 16
    """Stimuli that one extraction takes at once."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In which networks calculate. The half ones are quicker on a GPU and change features in the third digit."""
    keep: Literal["100Hz", "native"] = "100Hz"
    """Frame rate of what is stored: at most 100 Hz, which loses nothing at bins of 10 ms or more, or each layer's own.
    """
