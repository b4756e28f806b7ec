"""What a network is made of: its main stack of blocks, what hears, and what makes sound again.

The main stack is the list of modules that give frames with most parameters, with attention or recurrence before
without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from distributed_trf.features.probe.modules import FrameModule
from distributed_trf.features.probe.picked import Kind

if TYPE_CHECKING:
    from torch import nn


class Anatomy:
    """What a network is made of.

    Parameters
    ----------
    model
        The network.
    modules
        Its modules that give frames, in the order in which they run.
    """

    def __init__(self, model: nn.Module, modules: Sequence[FrameModule]) -> None:
        self.modules = modules
        self.types: dict[str, nn.Module] = dict(model.named_modules())
        self.by_name = {module.name: module for module in modules}
        self.place = {module.name: k for k, module in enumerate(modules)}
        self.decoder = next((name for name, _ in model.named_children() if decodes(name) and self._runs(name)), None)
        """The part of a codec that makes sound again; None where what decodes is not run, as of a recogniser."""
        self.blocks = self._flattened(self._blocks())
        """Of the main stack; of stages that are lists of blocks themselves, the inner ones."""

    def hears(self, name: str) -> bool:
        """Tell whether a module belongs to what hears, not to what makes sound or text."""
        return not decodes(name.partition(".")[0])

    def kind(self, module: FrameModule) -> Kind:
        """Return what a module, or what of the network runs before it, is made of."""
        if self.attends(module.name):
            return "transformer"
        if self.recurs(module.name):
            return "rnn"
        if any("quant" in word.lower() for word in self._classes_within(module.name)):
            return "codec"
        first = next((self.place[m.name] for m in self.modules if self.attends(m.name)), len(self.modules))
        if self.place[module.name] > first:
            return "transformer"
        first = next((self.place[m.name] for m in self.modules if self.recurs(m.name)), len(self.modules))
        return "rnn" if self.place[module.name] > first else "conv"

    def attends(self, name: str) -> bool:
        """Tell whether a module holds attention."""
        return any("attention" in word.lower() for word in self._classes_within(name))

    def recurs(self, name: str) -> bool:
        """Tell whether a module holds a recurrent one."""
        from torch.nn import RNNBase

        return any(isinstance(self.types[inner], RNNBase) for inner in self.within(name))

    def within(self, name: str) -> list[str]:
        """Return the names of a module and of those that it holds."""
        return [inner for inner in self.types if inner == name or inner.startswith(f"{name}." if name else "")]

    def _runs(self, name: str) -> bool:
        return any(inner in self.by_name for inner in self.within(name))

    def _classes_within(self, name: str) -> list[str]:
        return [type(self.types[inner]).__name__ for inner in self.within(name)]

    def _blocks(self) -> list[FrameModule]:
        """Return the blocks of the main stack: of lists of modules that give frames, the one with most parameters
        among those that attend, or else recur, or else convolve.
        """
        from torch.nn import ModuleList, Sequential

        stacks: list[tuple[int, int, list[FrameModule]]] = []
        for name, module in self.types.items():
            if not isinstance(module, ModuleList | Sequential) or not self.hears(name):
                continue
            blocks = [self.by_name[f"{name}.{k}"] for k, _ in module.named_children() if f"{name}.{k}" in self.by_name]
            if not blocks:
                continue
            rank = 2 if self.attends(name) else 1 if self.recurs(name) else 0
            stacks.append((rank, sum(p.numel() for p in module.parameters()), blocks))
        return max(stacks, key=lambda stack: stack[:2])[2] if stacks else []

    def _flattened(self, blocks: Iterable[FrameModule]) -> list[FrameModule]:
        from torch.nn import ModuleList

        found: list[FrameModule] = []
        for block in blocks:
            lists = [name for name in self.within(block.name) if isinstance(self.types[name], ModuleList)]
            inner = [
                self.by_name[f"{name}.{k}"]
                for name in lists
                for k, _ in self.types[name].named_children()
                if f"{name}.{k}" in self.by_name and self.attends(f"{name}.{k}")
            ]
            found += inner if inner and self.attends(block.name) else [block]
        return found


def decodes(name: str) -> bool:
    """Tell whether a part of a network, by its name, makes sound or text."""
    return ("decoder" in name and "encoder" not in name) or name in ("backbone", "head")
