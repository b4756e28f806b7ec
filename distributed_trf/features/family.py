"""What hearing sounds takes, from what a network's table says of it.

What the code behind a kind of network offers, spectrograms included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array
from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.errors import ConfigError
from distributed_trf.features.network_table import Layer, NetworkTable

STEP = 3
"""Arrays as large as a network's widest layer that a pass holds at once: what goes into a step, what comes out of it,
and the copy that a convolution works in."""


def counted_work(table: NetworkTable, n_samples: Sequence[int], step_values: int) -> Work:
    """Count by the table's ``parameters`` and ``gflop_per_second``.

    Parameters
    ----------
    table
        The network.
    n_samples
        Length of each sound of a batch at the network's rate, leading silence included.
    step_values
        Numbers, in float32, that the widest step of a pass holds of the whole batch.

    Raises
    ------
    ConfigError
        If the table lacks one of the two.
    """
    if table.gflop_per_second is None or table.parameters is None:
        missing = [field for field in ("parameters", "gflop_per_second") if getattr(table, field) is None]
        raise ConfigError(f"network {table.name}: to plan it, give {' and '.join(missing)} in its table")
    flops = 1e9 * table.gflop_per_second * sum(n_samples) / table.sfreq
    return Work(flops, 4 * table.parameters, 4 * step_values)


def block_values(width: int, inner: int) -> int:
    """Count the numbers that a transformer's block holds for each frame when its feed-forward part is widest.

    Before and after the activation there are ``inner`` of them. Of the ``width`` there are what the block was given,
    the residual and what was normalised; and, kept by the C library until they are used again, the queries,
    keys, values and outcome of attention.
    """
    return 2 * inner + 7 * width


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
