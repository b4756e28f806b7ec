"""Models of the transformers library, untrained or with the weights that a folder holds.

Only ``config.json`` and tensors of a folder are read: none of its code runs, and every tensor must belong to the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import ConfigError
from distributed_trf.features.weights.architecture import folder_config, table_config
from distributed_trf.features.weights.checkpoint import load_state
from distributed_trf.features.weights.prefixes import OF_TRAINING, model_prefix, present_name, with_tied
from distributed_trf.features.weights.stored import stored_tensors, tensor_names
from distributed_trf.features.weights.transformers_internals import present_names, transformers_class
from distributed_trf.features.weights.weight_files import Found, as_named_now

if TYPE_CHECKING:
    from torch import nn


def untrained_model(model_class: str, architecture: Mapping[str, Any], network: str) -> nn.Module:
    """Make a model with its initial weights.

    Parameters
    ----------
    model_class
        A class of transformers.
    architecture
        Settings that differ from the defaults of the class.
    network
        Name of the network's table, for errors.

    Raises
    ------
    ConfigError
        If the model cannot be made.
    """
    made = transformers_class(model_class)
    try:
        return made(table_config(made.config_class, architecture, network))
    except ConfigError:
        raise
    except Exception as error:  # a wrong configuration may raise anything
        raise ConfigError(f"network {network}: {model_class} cannot be made from its config: {error}") from error


def trained_model(
    model_class: str,
    folder: Path,
    architecture: Mapping[str, Any],
    network: str,
    heads: tuple[str, ...] | None,
    part: str = "",
    prefix: str | None = None,
    ignore: Sequence[str] = (),
) -> nn.Module:
    """Load a model as its folder describes it.

    Parameters
    ----------
    model_class
        A class of transformers without head, such as ``Wav2Vec2Model``.
    folder
        With ``config.json`` and the weights of that class, of a class with a head on it, or of a larger model that has
        it as a part. Of the others no file is opened that an index lists.
    architecture
        Settings in the network's table; the folder must not contradict them.
    network
        The name of that table, for errors.
    heads
        Modules that other classes add to the model, whose tensors are left out; None leaves out all other modules.
    part
        Where the settings of the class are in ``config.json``, dotted; empty for the whole.
    prefix
        Of the names of the model's tensors in the checkpoint; None finds it out.
    ignore
        Patterns of the names of tensors that are left out.

    Raises
    ------
    FeatureError
        If the folder holds another network, or weights that do not fit in every key and shape.
    """
    made = transformers_class(model_class)
    model = made(folder_config(made.config_class, folder, architecture, network, part))
    _load(model, folder, heads, prefix, ignore)
    return model


def trained_with_head(model_class: str, folder: Path, architecture: Mapping[str, Any], network: str) -> nn.Module:
    """Load a model with a head, such as ``Wav2Vec2ForCTC``, as its folder describes it (see ``trained_model``)."""
    made = transformers_class(model_class)
    model = made(folder_config(made.config_class, folder, architecture, network))
    _load(model, folder, heads=())
    return model


def names_of_model(
    model_class: str,
    folder: Path,
    names: Sequence[str],
    architecture: Mapping[str, Any],
    network: str,
    part: str = "",
    prefix: str | None = None,
) -> list[str]:
    """Return those names of a checkpoint's tensors that are the model's own (see ``trained_model``)."""
    import torch

    if prefix is None:
        made = transformers_class(model_class)
        with torch.device("meta"):
            model = made(folder_config(made.config_class, folder, architecture, network, part))
        prefix = model_prefix(names, model, present_names(model), folder)
    return [name for name in names if name.startswith(prefix)]


def _load(
    model: Any, folder: Path, heads: tuple[str, ...] | None, prefix: str | None = None, ignore: Sequence[str] = ()
) -> None:
    """Give a model the tensors that a folder holds under a prefix, found if it is not given."""
    renamed, names = present_names(model), tensor_names(folder)
    if prefix is None:
        prefix = model_prefix(names, model, renamed, folder)
    own = {name for name in names if name.startswith(prefix)}
    state = stored_tensors(folder, ignore=ignore, names=own if heads is None else None)
    expected = model.state_dict()
    found: dict[str, Any] = {}
    for name, tensor in state.items():
        key = name.removeprefix(prefix)
        if name in own:
            later = present_name(key, expected, renamed)
            found[key if prefix + later in state else later] = tensor
        elif name.removeprefix(prefix.removesuffix(f"{model.base_model_prefix}.")).split(".")[0] not in (heads or ()):
            found[name] = tensor
    load_state(model, _with_mask(with_tied(found, model), model), folder)


def _with_mask(state: Found, model: nn.Module) -> Found:
    """Add the tensors that only training needs."""
    import torch

    named = as_named_now(state, model)
    masks = {key: value for key, value in model.state_dict().items() if key.rpartition(".")[2] == OF_TRAINING}
    return {key: torch.zeros_like(value) for key, value in masks.items()} | dict(named)
