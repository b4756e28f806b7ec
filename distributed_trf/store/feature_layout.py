"""Where the frames of each stimulus lie in a network's arrays, and which of the network's frames those are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a network and what it holds of each stimulus."""

    id: int
    name: str
    type: str
    rate: float
    """Frames per second that the network gives."""
    width: int
    """Features per frame."""
    native: tuple[int, ...]
    """Frames that the network gives of each stimulus, leading silence included."""
    frames: tuple[int, ...]
    """Frames in store of each stimulus: as many, or fewer that span the same time."""

    def stored_rate(self, stimulus: int) -> float:
        """Frames per second in store of a stimulus."""
        return self.rate * self.frames[stimulus] / max(self.native[stimulus], 1)


@dataclass(frozen=True)
class FeatureLayout:
    """Everything that fixes the shape of a network's feature store."""

    stimuli: tuple[str, ...]
    durations: tuple[float, ...]
    """Seconds of each stimulus, leading silence not included."""
    batches: tuple[int, ...]
    """Number of stimuli in each batch, in the order of ``stimuli``; a batch is what one work item writes."""
    layers: tuple[StoredLayer, ...]
    lead_in: float
    """Seconds of silence before each sound."""

    def with_layers(self, stored: FeatureLayout) -> FeatureLayout | None:
        """Return the layout with the layers of another one beside its own; None where they are laid out otherwise."""
        layers = {layer.id: layer for layer in stored.layers} | {layer.id: layer for layer in self.layers}
        whole = replace(self, layers=tuple(layers[k] for k in sorted(layers)))
        same = whole == replace(stored, layers=whole.layers) and set(stored.layers) <= set(whole.layers)
        return whole if same else None

    def slot(self, layer: StoredLayer) -> int:
        """Rows of one chunk: frames of the longest batch. Every batch has a chunk of its own, padded with NaN."""
        if layer.id not in self._slots:
            self._slots[layer.id] = max(sum(layer.frames[a:b]) for a, b in self.batch_borders)
        return self._slots[layer.id]

    @cached_property
    def _slots(self) -> dict[int, int]:
        """What ``slot`` has found, by the layer's id: whoever counts all batches asks for each of them."""
        return {}

    def first_rows(self, layer: StoredLayer) -> list[int]:
        """First row of each stimulus in the layer's array."""
        slot = self.slot(layer)
        return [k * slot + sum(layer.frames[a:i]) for k, (a, b) in enumerate(self.batch_borders) for i in range(a, b)]

    @cached_property
    def batch_borders(self) -> tuple[tuple[int, int], ...]:
        """First and one past the last stimulus of each batch."""
        ends = np.cumsum(self.batches).tolist()
        return tuple(zip([0, *ends[:-1]], ends, strict=True))

    @cached_property
    def bytes(self) -> int:
        """Size on disk before compression."""
        return sum(4 * len(self.batches) * self.slot(layer) * layer.width for layer in self.layers)
