"""The weights that layers use, where a network holds something else from which they are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def fold_parametrizations(model: nn.Module) -> None:
    """Replace what weights are computed from by the weights themselves, in place and in eval mode.

    Weight and spectral normalisation describe a weight by other tensors (as in the positional convolution of wav2vec
    2.0: a direction and a length), which serves training. A network gives the same outputs after, and its parameters
    are what its layers multiply by.

    Parameters
    ----------
    model
        With parametrisations of ``torch.nn.utils.parametrize``, or the older hooks of ``torch.nn.utils.weight_norm``
        and ``torch.nn.utils.spectral_norm``.
    """
    import torch
    from torch.nn.utils import parametrize, remove_spectral_norm
    from torch.nn.utils.spectral_norm import SpectralNorm
    from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

    model.eval()  # in training, reading a spectrally normalised weight changes it
    modules: list[Any] = list(model.modules())
    for module in modules:
        if parametrize.is_parametrized(module):
            module.parametrizations.requires_grad_()  # else torch would leave a buffer
            for name in list(module.parametrizations):
                with torch.enable_grad():
                    parametrize.remove_parametrizations(module, name)
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, WeightNorm):
                remove_weight_norm(module, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(module, hook.name)
