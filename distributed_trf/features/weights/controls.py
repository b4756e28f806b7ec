"""Weight controls: untrained or altered weights with which trained ones are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from distributed_trf.config.extraction import PROJECTIONS, SCALED, Weights, factor_of, kind_of, seed_of
from distributed_trf.errors import FeatureError
from distributed_trf.features.torch_internals import own_initialiser, remove_old_normalisations
from distributed_trf.features.weights.transformers_internals import forget_loaded, model_initialiser

if TYPE_CHECKING:
    import torch
    from torch import nn


def fold_parametrizations(model: nn.Module) -> None:
    """Replace parametrised weights by the weights themselves, in place and in eval mode.

    Weight and spectral normalisation describe a weight by other tensors (as in the positional convolution of wav2vec
    2.0: a direction and a length), which helps training. Afterwards the network gives the same outputs, and its
    parameters are the weights that its layers multiply by.

    Parameters
    ----------
    model
        With parametrisations of ``torch.nn.utils.parametrize``, or the older hooks of ``torch.nn.utils.weight_norm``
        and ``torch.nn.utils.spectral_norm``.
    """
    import torch
    from torch.nn.utils import parametrize

    model.eval()  # in training, reading a spectrally normalised weight changes it
    modules: list[Any] = list(model.modules())
    for module in modules:
        if parametrize.is_parametrized(module):
            module.parametrizations.requires_grad_()  # otherwise torch would leave a buffer
            for name in list(module.parametrizations):
                with torch.enable_grad():
                    parametrize.remove_parametrizations(module, name)
        remove_old_normalisations(module)


def reset(model: nn.Module) -> int:
    """Re-initialise a network in place, drawing from torch's global random state.

    Every module that has ``reset_parameters`` is reset with torch's own defaults, in the order of ``named_modules``:
    the published control (Ahmed et al. 2025). It also resets the running statistics of batch normalisation. If two
    modules share a tensor, the last one draws it. A parameter that no such module holds is drawn first, by
    ``_reset_parameters`` of its module (torch's attention) or by ``_init_weights`` of its transformers model (such as
    wav2vec 2.0's ``masked_spec_embed``, from U(0, 1)).

    Returns
    -------
    int
        Number of parameters; all of them are drawn again or set to their initial value.

    Raises
    ------
    FeatureError
        If the network has no parameter, or one that nothing resets. It is then unusable.
    """
    for p in model.parameters():
        p.fill_(float("nan"))  # a parameter that nothing resets stays NaN
    modules: list[Any] = [m for m in model.modules() if callable(getattr(m, "reset_parameters", None))]
    covered = {id(p) for m in modules for p in m.parameters()}
    for holder, initialise in _initialisers(model):
        bare = [p for p in holder.parameters(recurse=False) if id(p) not in covered]
        for p in bare:
            forget_loaded(p)
        if bare:
            initialise()
    for module in modules:
        module.reset_parameters()
    left = [name for name, p in model.named_parameters() if p.isnan().any()]
    n_parameters = sum(p.numel() for p in model.parameters())
    if left or not n_parameters:
        raise FeatureError(
            f"{type(model).__name__}: cannot reset {', '.join(left) or 'any parameter'}; a module is reset by its "
            "`reset_parameters`: give one to the module that holds them, or leave `reset` out of the study"
        )
    return n_parameters


def _initialisers(
    module: Any, initialise: Callable[[nn.Module], None] | None = None
) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Yield modules with the function that draws their own parameters where ``reset_parameters`` does not."""
    initialise = model_initialiser(module) or initialise
    if (own := own_initialiser(module)) is not None:
        yield module, own
    elif initialise is not None:
        yield module, partial(initialise, module)
    for child in module.children():
        yield from _initialisers(child, initialise)


@dataclass(frozen=True)
class Control:
    """A weight control: a way to change weights."""

    change: Callable[[nn.Module, Weights], int]
    """Changes a network in place, drawing from torch's global random state on the CPU; returns how many parameters."""
    starts_trained: bool
    """Whether it starts from trained weights."""


def apply_control(model: nn.Module, weights: Weights) -> int:
    """Change the weights of a network on the CPU in place, and leave it in eval mode.

    The parameters that layers use are changed, each once if several layers share it. A parametrised weight, as by
    weight normalisation, is first replaced by the weight itself (see ``fold_parametrizations``), so a control does not
    depend on how a checkpoint writes a weight. Buffers, such as the running statistics of batch normalisation, stay
    unchanged, except with ``reset``.

    Draws depend on the seed alone, not on the network's later device; torch's global random state is not changed.

    Parameters
    ----------
    model
        The network, with trained weights if ``CONTROLS`` says so.
    weights
        Any kind but ``trained`` and ``fixed``.

    Returns
    -------
    int
        Number of parameters that were changed.

    Raises
    ------
    FeatureError
        If a parameter would stay unchanged, so that there would be no control. The network is then unusable.
    """
    import torch

    fold_parametrizations(model)
    seed = 0 if kind_of(weights) == SCALED else seed_of(weights)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed every GPU, for good
        return CONTROLS[kind_of(weights)].change(model, weights)


def _change_each(model: nn.Module, weights: Weights, change: Callable[[torch.Tensor], object]) -> int:
    """Change parameter by parameter; only one whose entries are all the same may stay unchanged."""
    changed, stayed = 0, []
    for name, p in sorted(model.named_parameters()):  # sorted, because folding puts a weight after its bias
        before = p.clone()
        change(p)
        n_changed = int((p != before).sum())
        changed += n_changed
        if not n_changed and not _is_constant(before):
            stayed.append(name)
    if stayed or not changed:
        raise FeatureError(
            f"{type(model).__name__}: {weights} left {', '.join(stayed) or 'every parameter'} unchanged, so it is no "
            "control; leave it out of the study"
        )
    return changed


def _is_constant(values: torch.Tensor) -> bool:
    return bool((values == values.flatten()[:1]).all())


def _permute(values: torch.Tensor) -> None:
    """Put entries in random order; an order that changes nothing is drawn again."""
    import torch

    before = values.flatten().clone()
    while True:
        values.copy_(before[torch.randperm(before.numel())].view_as(values))
        if not torch.equal(values.flatten(), before) or _is_constant(values):
            return


CONTROLS: dict[str, Control] = {
    **dict.fromkeys(("reset", *PROJECTIONS), Control(lambda model, _: reset(model), starts_trained=False)),
    "permuted": Control(lambda model, word: _change_each(model, word, _permute), starts_trained=True),
    "random": Control(lambda model, word: _change_each(model, word, lambda p: p.normal_()), starts_trained=False),
    "random_uniform": Control(
        lambda model, word: _change_each(model, word, lambda p: p.uniform_()), starts_trained=False
    ),
    SCALED: Control(
        lambda model, word: _change_each(model, word, lambda p: p.mul_(factor_of(word))), starts_trained=True
    ),
}
