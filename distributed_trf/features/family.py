"""The interface of network families, spectrograms included, and the work that a forward pass takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from distributed_trf.arrays import Array
from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.errors import ConfigError
from distributed_trf.features.table import Layer, NetworkTable

STEP = 3
"""Arrays as large as a network's widest layer that a pass holds at once: the input of a step, its output, and the
working copy of a convolution."""


def counted_work(table: NetworkTable, n_samples: Sequence[int], step_values: int) -> Work:
    """Count the work of a batch from the table's ``parameters`` and ``gflop_per_second``.

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
    """Count the numbers that a transformer's block holds for each frame at the widest step of its feed-forward part.

    Two arrays of ``inner`` numbers are alive, before and after the activation, and seven of ``width``: the block's
    input, the residual, the normalised input, and the queries, keys, values and output of attention, whose memory the C
    library keeps for reuse.
    """
    return 2 * inner + 7 * width


Keep = Callable[[Layer, Sequence[int], Sequence[Array]], None]
"""Takes the output of a layer for the sounds at some positions of the batch: for each sound the frames, shape (frames,
width), on any device. The caller may overwrite them after the call."""


@dataclass(frozen=True)
class Origin:
    """Which stimulus a sound is."""

    stimuli: str
    """Its stimulus set."""
    id: str
    lead_in: float
    """Seconds of silence before it, which are part of the samples."""

    def __str__(self) -> str:
        return f"stimulus {self.id!r} of {self.stimuli}"


@dataclass(frozen=True, eq=False, slots=True)
class Sound:
    """A sound as networks are given it."""

    samples: np.ndarray
    """float64 of shape (n_samples,) at the network's rate, leading silence included (see ``prepare_sound``)."""
    origin: Origin | None = None
    """None for a sound that is no stimulus, such as noise, or a piece of one."""
    kept: Mapping[int, int] = field(default_factory=dict)
    """Frames that are kept of a layer, by its id, where that is known; a spectrogram may give these instead of all."""


@dataclass(frozen=True)
class Work:
    """The work of passing a batch of sounds through a network."""

    flops: float
    """Floating-point operations; a multiplication and an addition count as two."""
    weights: int
    """Bytes of the network itself."""
    activations: int
    """Further bytes at the widest step of a forward pass, without the frames that are kept."""
    gathered: int = 0
    """Bytes of frames that are gathered on the host before they are kept, and of the list of what to gather."""


class Network(Protocol):
    """A network that is built and ready for forward passes."""

    @property
    def table(self) -> NetworkTable | None:
        """The table that it was built from, completed by the files of its source; None if it leaves them nothing."""

    @property
    def n_bytes(self) -> int:
        """Memory that it holds between forward passes."""

    @property
    def changed(self) -> int | None:
        """How many parameters a weight control changed; None for trained weights and where there are no weights."""

    @property
    def parts(self) -> int:
        """Number of parts in which the last batch was passed; above 1 if it did not fit the device's memory."""

    @property
    def notes(self) -> Sequence[str]:
        """What a run reports about the last batch, such as features that were cut to the length of their sound."""

    def __call__(self, sounds: Sequence[Sound], layers: Sequence[Layer], keep: Keep) -> None:
        """Pass prepared sounds; call ``keep`` with each layer's output.

        ``keep`` is called once per layer and forward pass, with all sounds of the pass. If a batch must be passed again
        in halves, ``keep`` is called again for its sounds, and the last call counts.

        The frames of a sound do not depend on the other sounds of its batch.
        """


class Family(Protocol):
    """The code behind a kind of network."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """The libraries that its numbers depend on, besides this package."""

    @property
    def extra(self) -> str:
        """The extra of this package that installs them."""

    def frame_rate(self, layer: Layer) -> float:
        """Return the frames per second of a layer."""

    def n_frames(self, table: NetworkTable, layer: Layer, n_samples: int) -> int:
        """Return the number of frames of a layer for a sound (at the network's rate); nothing needs to be built.

        Raises
        ------
        FeatureError
            If the network cannot take a sound of that length.
        """

    def work(self, table: NetworkTable, n_samples: Sequence[int]) -> Work:
        """Count the work of a batch of sounds of these lengths."""

    def build(
        self, table: NetworkTable, settings: NetworkSettings, weights: Weights, *, device: str, dtype: str
    ) -> Network:
        """Build the network with its weights on a device."""
