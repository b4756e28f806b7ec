"""Networks that look at numbers and so cannot run on shapes alone: with weights of zeros that take no memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from distributed_trf.features.torch_internals import parameters_on_meta

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

    with parameters_on_meta():
        model = new()
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            zeros = torch.zeros((), dtype=parameter.dtype).expand(parameter.shape)
            setattr(module, name, torch.nn.Parameter(zeros, requires_grad=False))
    return model
