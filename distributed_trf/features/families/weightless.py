"""Networks that look at numbers and so cannot run on shapes alone: with weights of zeros that take no memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def weightless(new: Callable[[], nn.Module]) -> nn.Module:
    """Make a network on the CPU, each of whose parameters is one zero that stands at every place.

    What it computes is no use, but the shapes are right. A network of any size takes only the memory of its
    activations, of one layer's weights at a time, and of its buffers, which have their own values: some say how far a
    convolution pads.

    Parameters
    ----------
    new
        Makes the network.

    Raises
    ------
    Exception
        Whatever a network raises that computes with its parameters while it is made.
    """
    import torch
    from torch.nn.modules.module import register_module_parameter_registration_hook

    def without_memory(_module: Any, _name: str, parameter: Any) -> Any:
        is_held = parameter is not None and not parameter.is_meta
        return torch.nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad) if is_held else None

    handle = register_module_parameter_registration_hook(without_memory)
    try:
        model = new()
    finally:
        handle.remove()
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            zeros = torch.zeros((), dtype=parameter.dtype).expand(parameter.shape)
            setattr(module, name, torch.nn.Parameter(zeros, requires_grad=False))
    return model
