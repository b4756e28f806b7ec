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
from distributed_trf.features.weights.transformers_internals import names_of_class, present_names, transformers_class
from distributed_trf.features.weights.weight_files import Found, as_named_now, read_json

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
    _load(model, folder, heads, part, prefix, ignore)
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

    if prefix is not None:
        return [name for name in names if name.startswith(prefix)]
    made = transformers_class(model_class)
    with torch.device("meta"):
        model = made(folder_config(made.config_class, folder, architecture, network, part))
    return [*_own_keys(model, folder, names, prefix, part)[1]]


def _load(
    model: Any,
    folder: Path,
    heads: tuple[str, ...] | None,
    part: str = "",
    prefix: str | None = None,
    ignore: Sequence[str] = (),
) -> None:
    """Give a model the tensors that a folder holds under a prefix, found if it is not given."""
    prefix, own = _own_keys(model, folder, tensor_names(folder), prefix, part)
    state = stored_tensors(folder, ignore=ignore, names=own.keys() if heads is None else None)
    around = prefix.removesuffix(f"{model.base_model_prefix}.")
    found = {
        own.get(name, name): tensor
        for name, tensor in state.items()
        if name in own or name.removeprefix(around).split(".")[0] not in (heads or ())
    }
    load_state(model, _with_mask(with_tied(found, model), model), folder)


def _own_keys(
    model: Any, folder: Path, names: Sequence[str], prefix: str | None, part: str
) -> tuple[str, dict[str, str]]:
    """Return the prefix of a model's tensors in a checkpoint, and the present name of each by the file's.

    The names of a larger model are tried as they are, and as its own class has them today.
    """
    renamed, expected = present_names(model), model.state_dict()
    found, named = prefix, {name: name for name in names}
    if found is None:
        found, is_whole = model_prefix(names, model, renamed, folder, part)
        if not is_whole:
            kind = read_json(folder / "config.json", "the configuration of a network").get("model_type")
            of_whole = names_of_class(str(kind))
            today = {name: of_whole(name) for name in names}
            other, is_whole = model_prefix(today.values(), model, renamed, folder, part)
            found, named = (other, today) if is_whole else (found, named)
    inner = {name: key.removeprefix(found) for name, key in named.items() if key.startswith(found)}
    taken, own = set(inner.values()), {}
    for name, key in inner.items():
        later = present_name(key, expected, renamed)
        own[name] = key if later in taken else later
    return found, own


def _with_mask(state: Found, model: nn.Module) -> Found:
    """Add the tensors that only training needs."""
    import torch

    named = as_named_now(state, model)
    masks = {key: value for key, value in model.state_dict().items() if key.rpartition(".")[2] == OF_TRAINING}
    return {key: torch.zeros_like(value) for key, value in masks.items()} | dict(named)
