"""Networks that have not learnt, or no longer know: what trained ones are compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed_trf.config.weights import Weights, kind_of, seed_of
from distributed_trf.errors import FeatureError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Control:
    """A way to change weights."""

    change: Callable[[nn.Module], None]
    """Changes a module in place, drawing from torch's global random state on the CPU."""
    of_trained: bool
    """Whether it starts from trained weights."""


def apply_control(model: nn.Module, weights: Weights) -> int:
    """Change the weights of a network on the CPU in place. Torch's global random state is left as it was.

    Returns
    -------
    int
        Number of parameters that were changed.

    Raises
    ------
    FeatureError
        If a parameter would stay as it was, so that the control would not be one.
    """
    import torch

    control = CONTROLS[kind_of(weights)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed_of(weights))  # torch.manual_seed would seed every GPU for good
        control.change(model)
    return sum(p.numel() for p in model.parameters())


def reset(model: nn.Module) -> None:
    """Re-initialise module by module with torch's own defaults.

    Every module that has ``reset_parameters`` is reset, in the order of ``named_modules``: the published control (Ahmed
    et al. 2025), with a seed.
    """
    modules = [(name, m) for name, m in model.named_modules() if callable(getattr(m, "reset_parameters", None))]
    covered = {id(p) for _, m in modules for p in m.parameters()}
    left = [name for name, p in model.named_parameters() if id(p) not in covered]
    if left or not covered:
        raise FeatureError(f"{type(model).__name__}: cannot reset {', '.join(left) or 'any parameter'}")
    for _, module in modules:
        module.reset_parameters()


CONTROLS: dict[str, Control] = {"reset": Control(reset, of_trained=False)}
