"""Weights that trained ones are compared with: of networks that have not learnt, or no longer know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed_trf.config.weights import PROJECTIONS, SCALED, Weights, factor_of, kind_of, seed_of
from distributed_trf.errors import FeatureError
from distributed_trf.features.weights.folding import fold_parametrizations
from distributed_trf.features.weights.reset import reset

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Control:
    """A way to change weights."""

    change: Callable[[nn.Module, Weights], int]
    """Changes a network in place, drawing from torch's global random state on the CPU; returns how many parameters."""
    of_trained: bool
    """Whether it starts from trained weights."""


def apply_control(model: nn.Module, weights: Weights) -> int:
    """Change the weights of a network on the CPU in place, and leave it in eval mode.

    What changes is the parameters that layers use, each once where several share it: a weight that is computed from
    others, as by weight normalisation, is replaced by itself first (see ``fold_parametrizations``), so that a control
    does not depend on how a checkpoint writes a weight. Buffers, such as the running statistics of batch normalisation,
    stay as they are, but for ``reset``.

    Draws follow the seed alone, whatever the device that the network goes to; torch's global random state is left as it
    was.

    Parameters
    ----------
    model
        The network, trained where ``CONTROLS`` says so.
    weights
        Any kind but ``trained`` and ``fixed``.

    Returns
    -------
    int
        Number of parameters that were changed.

    Raises
    ------
    FeatureError
        If a parameter would stay as it was, so that the control would not be one. The network is of no use then.
    """
    import torch

    fold_parametrizations(model)
    seed = 0 if kind_of(weights) == SCALED else seed_of(weights)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU for good
        return CONTROLS[kind_of(weights)].change(model, weights)


def _change_each(model: nn.Module, weights: Weights, change: Callable[[torch.Tensor], object]) -> int:
    """Change parameter by parameter; only one whose entries are all the same may stay as it was."""
    changed, stayed = 0, []
    for name, p in sorted(model.named_parameters()):  # folding puts a weight behind its bias
        before = p.clone()
        change(p)
        n_changed = int((p != before).sum())
        changed += n_changed
        if not n_changed and not _is_constant(before):
            stayed.append(name)
    if stayed or not changed:
        raise FeatureError(
            f"{type(model).__name__}: {weights} left {', '.join(stayed) or 'every parameter'} as it was, so it is no "
            "control; leave it out of the study"
        )
    return changed


def _is_constant(values: torch.Tensor) -> bool:
    return bool((values == values.flatten()[:1]).all())


def _permute(values: torch.Tensor) -> None:
    """Put entries in random order; an order that leaves them as they were is drawn again."""
    import torch

    before = values.flatten().clone()
    while True:
        values.copy_(before[torch.randperm(before.numel())].view_as(values))
        if not torch.equal(values.flatten(), before) or _is_constant(values):
            return


CONTROLS: dict[str, Control] = {
    **dict.fromkeys(("reset", *PROJECTIONS), Control(lambda model, _: reset(model), of_trained=False)),
    "permuted": Control(lambda model, word: _change_each(model, word, _permute), of_trained=True),
    "random": Control(lambda model, word: _change_each(model, word, lambda p: p.normal_()), of_trained=False),
    "random_uniform": Control(lambda model, word: _change_each(model, word, lambda p: p.uniform_()), of_trained=False),
    SCALED: Control(lambda model, word: _change_each(model, word, lambda p: p.mul_(factor_of(word))), of_trained=True),
}
