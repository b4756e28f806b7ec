"""The layers of a network that a study wants: its convolutional front end, each block of its main stack, final norm.

The main stack is the list of modules that give frames with most parameters, with attention or recurrence before
without. Of a codec, which makes sound again from what it heard, only the part that hears counts, and what it gives to
the part that decodes. Modules are named as they are in the network, so that whoever knows it recognises them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributed_trf.config.extraction import LayerChoice
from distributed_trf.errors import ConfigError
from distributed_trf.features.probe.modules import FrameModule
from distributed_trf.features.table import LayerType

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Picked:
    """A module that becomes a layer, or several."""

    module: FrameModule
    kind: LayerType
    what: str
    """Its place in the network, for the table's comments."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the layer."""


def pick(
    model: nn.Module,
    modules: Sequence[FrameModule],
    choice: LayerChoice,
    input_of: Callable[[str], FrameModule | None] = lambda _: None,
) -> list[Picked]:
    """Choose modules of a network.

    Parameters
    ----------
    model
        The network.
    modules
        Its modules that give frames, in the order in which they run.
    choice
        Which are wanted.
    input_of
        Returns the input of a module as frames.

    Raises
    ------
    ConfigError
        If no module is called as requested, or the network has no such parts.
    """
    anatomy = Anatomy(model, modules)
    decoded = None
    if choice.modules == "stack":
        picked = _stack(anatomy)
        decoded = input_of(anatomy.decoder) if anatomy.decoder is not None else None
    else:
        wanted = ".*" if choice.modules == "all" else choice.modules
        chosen = [m for m in modules if m.name and re.fullmatch(wanted, m.name)]
        if not chosen:
            raise ConfigError(
                f"layers: no module of {type(model).__name__} that gives frames matches {choice.modules!r}; they are "
                f"{', '.join(m.name for m in modules[:6])} and so on: `--layers all --dry-run` lists them"
            )
        picked = [Picked(m, anatomy.kind(m), "as requested", anatomy.calls_of(m, call))
                  for m in chosen for call in range(1, m.calls + 1)]  # fmt: skip
    inner = [one for part in dict.fromkeys(choice.parts) for one in _parts(anatomy, part)]
    if choice.heads:
        inner += _heads(anatomy)
    picked = sorted([*picked, *inner], key=lambda one: anatomy.place[one.module.name])
    if decoded is not None:
        picked.append(Picked(decoded, "codec", "what is decoded: embeddings of the quantised codes", {"input": True}))
    return picked


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
        ran = {module.name.partition(".")[0] for module in modules}
        self.decoder = next((name for name, _ in model.named_children() if _decodes(name) and name in ran), None)
        """The part of a codec that makes sound again; not a decoder that never ran, as of a network of which the encoder
        runs alone."""
        self.blocks = self._blocks()

    def hears(self, name: str) -> bool:
        """Tell whether a module belongs to what hears, not to what makes sound or text."""
        return not _decodes(name.partition(".")[0])

    def kind(self, module: FrameModule) -> LayerType:
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

    def calls_of(self, module: FrameModule, call: int) -> dict[str, Any]:
        """Return how a table names one call of a module."""
        return {"call": call} if module.calls > 1 else {}

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


def _stack(anatomy: Anatomy) -> list[Picked]:
    """Return front end, blocks and final norm."""
    blocks = _flattened(anatomy, anatomy.blocks)
    if not blocks:
        return [Picked(m, anatomy.kind(m), "module") for m in anatomy.modules if m.name]
    if anatomy.decoder is not None:
        return _codec_stack(anatomy, blocks)
    inner = [anatomy.place[name] for name in anatomy.within(blocks[0].name) if name in anatomy.place]
    first, last = min(inner), anatomy.place[blocks[-1].name]
    front = [Picked(m, "conv", "front end") for m in _front_end(anatomy, first)]
    picked = [Picked(m, anatomy.kind(m), f"block {k}", anatomy.calls_of(m, 1)) for k, m in enumerate(blocks)]
    final = [m for m in anatomy.modules[last + 1 :] if _is_final_norm(anatomy, m, blocks[-1])]
    return [*front, *picked, *(Picked(m, picked[-1].kind, "final norm") for m in final[:1])]


def _codec_stack(anatomy: Anatomy, blocks: Sequence[FrameModule]) -> list[Picked]:
    """Return what convolves, the blocks of attention if there are any, and what is decoded."""
    of_blocks = {name for block in blocks if anatomy.attends(block.name) for name in anatomy.within(block.name)}
    front = [m for m in _front_end(anatomy, len(anatomy.modules)) if m.name not in of_blocks]
    picked = [Picked(m, anatomy.kind(m), "encoder") for m in front]
    picked += [Picked(m, anatomy.kind(m), f"block {k}") for k, m in enumerate(blocks) if m.name in of_blocks]
    return picked


def _decodes(name: str) -> bool:
    return ("decoder" in name and "encoder" not in name) or name in ("backbone", "head")


def _flattened(anatomy: Anatomy, blocks: Iterable[FrameModule]) -> list[FrameModule]:
    """Return blocks, of stages that are lists of blocks themselves the inner ones."""
    from torch.nn import ModuleList

    found: list[FrameModule] = []
    for block in blocks:
        lists = [name for name in anatomy.within(block.name) if isinstance(anatomy.types[name], ModuleList)]
        inner = [
            anatomy.by_name[f"{name}.{k}"]
            for name in lists
            for k, _ in anatomy.types[name].named_children()
            if f"{name}.{k}" in anatomy.by_name and anatomy.attends(f"{name}.{k}")
        ]
        found += inner if inner and anatomy.attends(block.name) else [block]
    return found


def _front_end(anatomy: Anatomy, first: int) -> list[FrameModule]:
    """Return what convolves or recurs before a place: members of a list of modules, or single modules."""
    from torch import nn

    leaves = [
        name
        for name, module in anatomy.types.items()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.RNNBase)
        and anatomy.hears(name)
        and not any(word in name.lower() for word in ("pos_", "position", "quantiz"))
    ]
    found: dict[str, FrameModule] = {}
    for leaf in leaves:
        parts = leaf.split(".")
        member = next((".".join(parts[: k + 1]) for k, part in enumerate(parts) if part.isdigit()), leaf)
        module = anatomy.by_name.get(member, anatomy.by_name.get(leaf))
        if module is not None and anatomy.place[module.name] < first:
            found[module.name] = module
    return sorted(found.values(), key=lambda module: anatomy.place[module.name])


def _is_final_norm(anatomy: Anatomy, module: FrameModule, block: FrameModule) -> bool:
    kind = type(anatomy.types[module.name]).__name__.lower()
    return "norm" in kind and module.width == block.width and module.frames == block.frames


def _parts(anatomy: Anatomy, part: str) -> list[Picked]:
    """Return the outputs of attention, or of the feed-forward layers, in each block."""
    found = []
    for k, block in enumerate(_flattened(anatomy, anatomy.blocks)):
        module = _attention(anatomy, block) if part == "attention" else _mlp(anatomy, block)
        if module is not None:
            found.append(Picked(module, "transformer", f"{part} of block {k}", anatomy.calls_of(module, 1)))
    if not found:
        raise ConfigError(f"parts: the blocks of this network have no {part} that gives frames; leave it out")
    return found


def _attention(anatomy: Anatomy, block: FrameModule) -> FrameModule | None:
    inner = [
        name for name in anatomy.within(block.name)[1:] if "attention" in type(anatomy.types[name]).__name__.lower()
    ]
    return next((anatomy.by_name[name] for name in inner if _is_as_block(anatomy, name, block)), None)


def _mlp(anatomy: Anatomy, block: FrameModule) -> FrameModule | None:
    """Return the last module of a block that is called a feed-forward layer, or else its last projection."""
    inner = [name for name in anatomy.within(block.name)[1:] if _is_as_block(anatomy, name, block)]
    words = ("feedforward", "mlp", "ffn")
    named = [name for name in inner if any(w in type(anatomy.types[name]).__name__.lower() for w in words)]
    outer = [name for name in named if not any(name.startswith(f"{other}.") for other in named)]
    if not outer:
        attention = _attention(anatomy, block)
        outer = [
            name
            for name in inner
            if type(anatomy.types[name]).__name__ == "Linear"
            and (attention is None or not name.startswith(f"{attention.name}."))
        ]
    return anatomy.by_name[max(outer, key=lambda name: anatomy.place[name])] if outer else None


def _is_as_block(anatomy: Anatomy, name: str, block: FrameModule) -> bool:
    """Tell whether a module gives as many frames and features as the block that it is in."""
    module = anatomy.by_name.get(name)
    return module is not None and (module.frames, module.width) == (block.frames, block.width)


def _heads(anatomy: Anatomy) -> list[Picked]:
    """Return, for each head of each block, its columns of what the output projection of attention is given."""
    found = []
    for k, block in enumerate(_flattened(anatomy, anatomy.blocks)):
        attention = _attention(anatomy, block)
        projection = None if attention is None else _output_projection(anatomy, attention)
        if attention is None or projection is None or projection.given is None:
            continue
        width, n_heads = projection.given[-1], _n_heads(anatomy.types[attention.name])
        if n_heads is None or width % n_heads:
            continue
        size = width // n_heads
        found += [
            Picked(
                projection,
                "transformer",
                f"head {h} of block {k}",
                {"input": True, "columns": [h * size, (h + 1) * size], "width": size},
            )
            for h in range(n_heads)
        ]
    if not found:
        raise ConfigError("heads: the blocks of this network have no attention whose heads can be told apart")
    return found


def _output_projection(anatomy: Anatomy, attention: FrameModule) -> FrameModule | None:
    """Return the last linear module of attention: it mixes the heads."""
    inner = [
        anatomy.by_name[name]
        for name in anatomy.within(attention.name)
        if name in anatomy.by_name and type(anatomy.types[name]).__name__ == "Linear"
    ]
    return max(inner, key=lambda module: anatomy.place[module.name]) if inner else None


def _n_heads(attention: Any) -> int | None:
    for name in ("num_heads", "num_attention_heads", "n_heads", "nhead", "n_head"):
        if isinstance(value := getattr(attention, name, None), int):
            return value
    config = getattr(attention, "config", None)
    for name in ("num_attention_heads", "encoder_attention_heads", "num_heads"):
        if isinstance(value := getattr(config, name, None), int):
            return value
    return None
