"""Networks that have not learnt: every parameter drawn anew by the rule of the module that holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import FeatureError

if TYPE_CHECKING:
    from torch import nn


def reset(model: nn.Module) -> int:
    """Re-initialise a network in place, drawing from torch's global random state.

    Every module that has ``reset_parameters`` is reset with torch's own defaults, in the order of ``named_modules``:
    the published control (Ahmed et al. 2025). It also resets the running statistics of batch normalisation. Of two
    modules that share a tensor the last draws it. A parameter that no such module holds is drawn before, by
    ``_reset_parameters`` of the module that holds it (torch's attention) or by the ``_init_weights`` of its model of
    transformers (as wav2vec 2.0's ``masked_spec_embed``, from U(0, 1)).

    Returns
    -------
    int
        Number of parameters, all of them drawn anew or set to their first value.

    Raises
    ------
    FeatureError
        If there is none, or one that nothing resets. The network is of no use then.
    """
    for p in model.parameters():
        p.fill_(float("nan"))  # what nothing resets stays so
    modules: list[Any] = [m for m in model.modules() if callable(getattr(m, "reset_parameters", None))]
    covered = {id(p) for m in modules for p in m.parameters()}
    for holder, initialise in _initialisers(model):
        bare = [p for p in holder.parameters(recurse=False) if id(p) not in covered]
        for p in bare:
            p._is_hf_initialized = False  # else transformers leaves what it has loaded
        if bare:
            initialise()
    for module in modules:
        module.reset_parameters()
    left = [name for name, p in model.named_parameters() if p.isnan().any()]
    n_parameters = sum(p.numel() for p in model.parameters())
    if left or not n_parameters:
        raise FeatureError(
            f"{type(model).__name__}: cannot reset {', '.join(left) or 'any parameter'}; a module is reset by its "
            "`reset_parameters`: give one to what holds them, or leave `reset` out of the study"
        )
    return n_parameters


def _initialisers(
    module: Any, of_model: Callable[[nn.Module], None] | None = None
) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Pair modules with what draws their own parameters where ``reset_parameters`` does not."""
    of_model = getattr(module, "_init_weights", of_model)  # a model of transformers has one for all its modules
    if hasattr(module, "_reset_parameters"):
        yield module, module._reset_parameters
    elif of_model is not None:
        yield module, partial(of_model, module)
    for child in module.children():
        yield from _initialisers(child, of_model)
