"""The layers of a network that a study wants: its convolutional front end, each block of its main stack, final norm.

Of a codec, which makes sound again from what it heard, only the part that hears counts, and what it gives to
the part that decodes. Modules are named as they are in the network, so that whoever knows it recognises them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from distributed_trf.config.extraction import LayerChoice
from distributed_trf.errors import ConfigError
from distributed_trf.features.probe.anatomy import Anatomy
from distributed_trf.features.probe.modules import FrameModule
from distributed_trf.features.probe.parts import NONE, within_block
from distributed_trf.features.probe.picked import Picked, each_call

if TYPE_CHECKING:
    from torch import nn


def pick(
    model: nn.Module,
    modules: Sequence[FrameModule],
    choice: LayerChoice,
    input_of: Callable[[str], FrameModule | None] = lambda _: None,
) -> tuple[list[Picked], list[str]]:
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

    Returns
    -------
    list of Picked
        In the order in which they run.
    list of str
        Which of the parts some blocks do not have, a sentence each.

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
        picked = [one for m in chosen for one in each_call(m, anatomy.kind(m), "as requested")]
    inner: list[Picked] = []
    notes: list[str] = []
    for part in [*dict.fromkeys(choice.parts), *(["heads"] if choice.heads else [])]:
        found = {k: within_block(anatomy, part, k, block) for k, block in enumerate(anatomy.blocks)}
        without = [str(k) for k, several in found.items() if not several]
        if len(without) == len(found):
            raise ConfigError(f"{part}: the blocks of this network have {NONE[part]}; leave it out")
        if without:
            notes.append(f"Blocks {', '.join(without)} have {NONE[part]}")
        inner += [one for several in found.values() for one in several]
    known = [(one.module.name, one.options) for one in picked]
    picked += [one for one in inner if (one.module.name, one.options) not in known]
    picked.sort(key=lambda one: anatomy.place[one.module.name])
    if decoded is not None:
        picked.append(Picked(decoded, "codec", "what is decoded: embeddings of the quantised codes", {"input": True}))
    return picked, notes


def _stack(anatomy: Anatomy) -> list[Picked]:
    """Return front end, blocks and final norm."""
    blocks = anatomy.blocks
    if not blocks:
        return [one for m in anatomy.modules if m.name for one in each_call(m, anatomy.kind(m), "module")]
    if anatomy.decoder is not None:
        return _codec_stack(anatomy, blocks)
    inner = [anatomy.place[name] for name in anatomy.within(blocks[0].name) if name in anatomy.place]
    first, last = min(inner), anatomy.place[blocks[-1].name]
    front = [one for m in _front_end(anatomy, first) for one in each_call(m, anatomy.kind(m), "front end")]
    picked = [one for k, m in enumerate(blocks) for one in each_call(m, anatomy.kind(m), f"block {k}")]
    final = [m for m in anatomy.modules[last + 1 :] if _is_final_norm(anatomy, m, blocks[-1])]
    return [*front, *picked, *(Picked(m, picked[-1].kind, "final norm") for m in final[:1])]


def _codec_stack(anatomy: Anatomy, blocks: Sequence[FrameModule]) -> list[Picked]:
    """Return what convolves, the blocks of attention if there are any, and what is decoded."""
    of_blocks = {name for block in blocks if anatomy.attends(block.name) for name in anatomy.within(block.name)}
    front = [m for m in _front_end(anatomy, len(anatomy.modules)) if m.name not in of_blocks]
    picked = [one for m in front for one in each_call(m, anatomy.kind(m), "encoder")]
    attending = [(k, m) for k, m in enumerate(blocks) if m.name in of_blocks]
    return picked + [one for k, m in attending for one in each_call(m, anatomy.kind(m), f"block {k}")]


def _front_end(anatomy: Anatomy, first: int) -> list[FrameModule]:
    """Return what convolves or recurs before a place: members of a list of modules, or single modules."""
    from torch import nn

    leaves = [
        name
        for name, module in anatomy.types.items()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.RNNBase) and not _is_positional(name) and anatomy.hears(name)
    ]
    found: dict[str, FrameModule] = {}
    for leaf in leaves:
        parts = leaf.split(".")
        member = next((".".join(parts[: k + 1]) for k, part in enumerate(parts) if part.isdigit()), leaf)
        module = anatomy.by_name.get(member, anatomy.by_name.get(leaf))
        if module is not None and anatomy.place[module.name] < first:
            found[module.name] = module
    return sorted(found.values(), key=lambda module: anatomy.place[module.name])


def _is_positional(name: str) -> bool:
    return "pos" in name.lower().replace("compose", "")


def _is_final_norm(anatomy: Anatomy, module: FrameModule, block: FrameModule) -> bool:
    kind = type(anatomy.types[module.name]).__name__.lower()
    return "norm" in kind and module.width == block.width and module.frames == block.frames
