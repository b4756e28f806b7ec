"""What the code behind a kind of network offers, spectrograms included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import Weights
from distributed_trf.features.table import Layer, NetworkTable

Keep = Callable[[Layer, Sequence[int], Sequence[Array]], None]
"""Takes what a layer gave of the sounds at some positions of the batch: of each the frames, shape (frames, width), on
any device, which may be written over when it returns."""


@dataclass(frozen=True)
class Work:
    """What hearing a batch of sounds takes."""

    flops: float
    """Floating-point operations, a multiplication and an addition being two."""
    weights: int
    """Bytes of the network while it hears nothing."""
    hearing: int
    """Bytes that are alive beside them at the widest step of a pass, without the frames that are kept."""


class Network(Protocol):
    """A network that is ready to hear sounds."""

    @property
    def n_bytes(self) -> int:
        """Memory that it holds while nothing is heard."""

    @property
    def changed(self) -> int | None:
        """How many parameters a weight control changed; None for trained weights and spectrograms."""

    @property
    def parts(self) -> int:
        """In how many parts the last batch was heard; more than 1 where it did not fit the device's memory."""

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer], keep: Keep) -> None:
        """Hear prepared sounds, each of shape (n_samples,), and hand what every layer gives of each to ``keep``,
        of as many at once as are heard at once.

        It may do so again for a batch that it must hear anew in halves; the last ones count.

        A sound gives the same frames whatever it is heard together with.
        """


class Family(Protocol):
    """The code behind a kind of network."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """What its numbers depend on beside this package."""

    @property
    def extra(self) -> str:
        """The extra of this package that brings them."""

    def frame_rate(self, layer: Layer) -> float:
        """Return the frames per second of a layer."""

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return how many frames a layer gives of a sound (at the network's rate), before anything is built.

        Raises
        ------
        FeatureError
            If the network cannot hear a sound of that length.
        """

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count what a batch of sounds of these lengths takes."""

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> Network:
        """Build the network with its weights on a device."""
