"""Parts of the blocks of a network: what attention gives, what the feed-forward layer gives, and heads of attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from distributed_trf.features.probe.anatomy import Anatomy
from distributed_trf.features.probe.modules import FrameModule
from distributed_trf.features.probe.picked import Picked, each_call

NONE = {
    "attention": "no attention that gives frames",
    "mlp": "no feed-forward layer that gives frames",
    "heads": "no attention whose heads can be told apart by what its output projection is given",
}
"""What is said of blocks without some part."""


def within_block(anatomy: Anatomy, part: str, k: int, block: FrameModule) -> list[Picked]:
    """Return the output of attention or of the feed-forward layer in a block, or its heads; nothing if it has none."""
    if part == "heads":
        return _heads(anatomy, k, block)
    module = _attended(anatomy, block) if part == "attention" else _mlp(anatomy, block)
    return [] if module is None else each_call(module, "transformer", f"{part} of block {k}")


def _attended(anatomy: Anatomy, block: FrameModule) -> FrameModule | None:
    """Return what attention gives: of a module that adds its input and normalises the sum, its last projection."""
    attention = _attention(anatomy, block)
    projection = None if attention is None else _output_projection(anatomy, attention)
    if attention is None or projection is None:
        return attention
    after = [
        name for name in anatomy.within(attention.name) if anatomy.place.get(name, -1) > anatomy.place[projection.name]
    ]
    return projection if any("norm" in type(anatomy.types[name]).__name__.lower() for name in after) else attention


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


def _heads(anatomy: Anatomy, k: int, block: FrameModule) -> list[Picked]:
    """Return, for each head of a block, its columns of what the output projection of attention is given."""
    attention = _attention(anatomy, block)
    projection = None if attention is None else _output_projection(anatomy, attention)
    if attention is None or projection is None or projection.given is None:
        return []
    width, n_heads = projection.given[-1], _n_heads(anatomy.types[attention.name])
    if n_heads is None or width % n_heads:
        return []
    size, found = width // n_heads, []
    for h in range(n_heads):
        for one in each_call(projection, "transformer", f"head {h} of block {k}"):
            options = {**one.options, "input": True, "columns": [h * size, (h + 1) * size]}
            found.append(replace(one, options=options))
    return found


def _output_projection(anatomy: Anatomy, attention: FrameModule) -> FrameModule | None:
    """Return the last linear module of attention, which mixes the heads; None if its frames are not those of attention,
    as where a function of torch does all of it and no module is called.
    """
    inner = [
        anatomy.by_name[name]
        for name in anatomy.within(attention.name)
        if type(anatomy.types[name]).__name__ == "Linear" and _is_as_block(anatomy, name, attention)
    ]
    found = max(inner, key=lambda module: anatomy.place[module.name]) if inner else None
    is_fed = found is not None and found.given is not None and found.given[:-1] == found.shape[:-1]
    return found if is_fed else None


def _n_heads(attention: Any) -> int | None:
    for name in ("num_heads", "num_attention_heads", "n_heads", "nhead", "n_head"):
        if isinstance(value := getattr(attention, name, None), int):
            return value
    config = getattr(attention, "config", None)
    for name in ("num_attention_heads", "encoder_attention_heads", "num_heads"):
        if isinstance(value := getattr(config, name, None), int):
            return value
    return None
