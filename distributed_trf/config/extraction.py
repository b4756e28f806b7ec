"""Which networks a study hears with, and how."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WrapValidator

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


AUTO_STORED, AUTO_HEARD = 64, 16
"""Stimuli of a work item and of a pass on the CPU where the study leaves them to the package."""


def _number_or_auto(value: Any, check: Any) -> Any:
    try:
        return check(value)
    except ValidationError as error:
        raise ValueError("expected a whole number of stimuli, at least 1, or auto") from error


class ExtractionSettings(Settings):
    """How networks hear and what is kept of it."""

    batch: Annotated[Literal["auto"] | Annotated[int, Field(ge=1)], WrapValidator(_number_or_auto)] = 16
    """Stimuli that one extraction takes and stores at once; ``auto`` stores ``AUTO_STORED``. On a GPU as many of them
    are heard in one pass as its free memory holds; on the CPU all, with ``auto`` ``AUTO_HEARD``."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In which networks calculate. The half ones are quicker on a GPU and change features in the third digit."""
    keep: Literal["100Hz", "native"] = "100Hz"
    """Frame rate of what is stored: at most 100 Hz, which loses nothing at bins of 10 ms or more, or each layer's own.
    """

    @property
    def stored(self) -> int:
        """Stimuli of a work item, the same on every machine."""
        return AUTO_STORED if self.batch == "auto" else self.batch

    def heard(self, device: str) -> int:
        """Return how many stimuli at most a device is given at once."""
        return AUTO_HEARD if self.batch == "auto" and device == "cpu" else self.stored
