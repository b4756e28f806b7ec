"""How much sound a frame of a convolutional front end depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed_trf.features.probe.modules import FrameModule

if TYPE_CHECKING:
    from torch import nn

_POINTWISE = ("Linear", "Dropout", "Identity", "LayerNorm", "BatchNorm1d", "BatchNorm2d", "GroupNorm", "Embedding")
"""Classes that combine no frames; norms of a whole sound (GroupNorm) are not counted, as is usual."""


def receptive_fields(model: nn.Module, modules: Sequence[FrameModule], first: int = 1, hop: int = 1) -> dict[str, int]:
    """Return the receptive field in samples of each module up to the first that looks at all frames.

    Convolutions and pooling widen it: with a kernel of k frames, dilation d and frames that are h samples apart,

        field -> field + (k - 1) d h,    h -> h stride.

    Parameters
    ----------
    model
        The network.
    modules
        Its modules that give frames, in the order in which they end.
    first, hop
        Samples that a frame of the network's input depends on, and between such frames: 1 and 1 of a network that takes
        samples, window and hop of one that takes a spectrogram.

    Returns
    -------
    dict
        By name; modules behind the first that attends, recurs or is not known are left out.
    """
    kinds: dict[str, nn.Module] = dict(model.named_modules())
    field, found = first, {}
    for module in modules:
        step = None if _attends(kinds, module.name) else _step(kinds[module.name], module)
        if step is None:
            break
        kernel, stride = step
        field, hop = field + (kernel - 1) * hop, hop * stride
        found[module.name] = field
    return found


def _attends(kinds: Mapping[str, Any], name: str) -> bool:
    """Tell whether a module is attention, a part of it, or holds it."""
    parts = name.split(".")
    around = [kinds[".".join(parts[:k])] for k in range(1, len(parts))]
    return any("attention" in type(kind).__name__.lower() for kind in (*around, *kinds[name].modules()))


def _step(kind: Any, module: FrameModule) -> tuple[int, int] | None:
    """Return the frames that one output frame of a module takes, and its stride; None if that is not known."""
    from torch import nn

    if isinstance(kind, nn.Conv1d | nn.Conv2d | nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d):
        axis = module.time_axis - 2
        kernel, stride = _of_axis(kind.kernel_size, axis), _of_axis(kind.stride, axis)
        return 1 + (kernel - 1) * _of_axis(getattr(kind, "dilation", 1), axis), stride
    return (1, 1) if _is_known(kind) else None


def _is_known(kind: nn.Module) -> bool:
    """Tell whether it is known which frames a module combines, besides those that modules in it do."""
    from torch import nn

    name = type(kind).__name__
    convolves = isinstance(kind, nn.Conv1d | nn.Conv2d | nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d)
    if convolves or name in _POINTWISE or "Activation" in name or name.startswith(("GELU", "ReLU", "SiLU", "ELU")):
        return True
    children = list(kind.children())
    return bool(children) and all(_is_known(child) for child in children)


def _of_axis(value: int | Sequence[int], axis: int) -> int:
    return value if isinstance(value, int) else value[axis if len(value) > 1 else 0]
