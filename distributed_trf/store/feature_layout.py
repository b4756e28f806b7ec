"""Where the frames of each stimulus lie in a network's arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a network and what it holds of each stimulus."""

    id: int
    name: str
    type: str
    rate: float
    """Frames per second."""
    width: int
    """Features per frame."""
    frames: tuple[int, ...]
    """Frames of each stimulus, leading silence included."""


@dataclass(frozen=True)
class FeatureLayout:
    """Everything that fixes the shape of a network's feature store."""

    stimuli: tuple[str, ...]
    batches: tuple[int, ...]
    """Number of stimuli in each batch, in the order of ``stimuli``; a batch is what one work item writes."""
    layers: tuple[StoredLayer, ...]
    lead_in: float
    """Seconds of silence before each sound."""

    def slot(self, layer: StoredLayer) -> int:
        """Rows of one chunk: frames of the longest batch. Every batch has a chunk of its own, padded with NaN."""
        return max(sum(layer.frames[a:b]) for a, b in self.batch_borders)

    def start(self, layer: StoredLayer, stimulus: int) -> int:
        """First row of a stimulus in the layer's array."""
        for batch, (a, b) in enumerate(self.batch_borders):
            if a <= stimulus < b:
                return batch * self.slot(layer) + sum(layer.frames[a:stimulus])
        raise IndexError(stimulus)

    @cached_property
    def batch_borders(self) -> tuple[tuple[int, int], ...]:
        """First and one past the last stimulus of each batch."""
        ends = np.cumsum(self.batches).tolist()
        return tuple(zip([0, *ends[:-1]], ends, strict=True))

    @property
    def bytes(self) -> int:
        """Size on disk before compression."""
        return sum(4 * len(self.batches) * self.slot(layer) * layer.width for layer in self.layers)
