"""A module of a network that becomes a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from distributed_trf.features.probe.modules import FrameModule

Kind = Literal["conv", "rnn", "transformer", "codec"]


@dataclass(frozen=True)
class Picked:
    """A module that becomes a layer, or several."""

    module: FrameModule
    kind: Kind
    what: str
    """Its place in the network, for the table's comments."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the layer."""


def each_call(module: FrameModule, kind: Kind, what: str) -> list[Picked]:
    """Return a layer for each time that a module runs in a pass."""
    if module.calls == 1:
        return [Picked(module, kind, what)]
    calls = range(1, module.calls + 1)
    return [Picked(module, kind, f"{what}, call {call}", {"call": call}) for call in calls]
