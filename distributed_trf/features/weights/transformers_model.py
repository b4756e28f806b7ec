"""Models of the transformers library, untrained or with the weights that a folder holds.

Of a folder only ``config.json`` and tensors are read: no code of it runs, and every tensor must have its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import ConfigError, FeatureError, shown
from distributed_trf.features.weights.checkpoint import load_state, read_state, without_prefix
from distributed_trf.features.weights.transformers_internals import (
    as_we_compute,
    names_of_settings,
    settings_of_networks,
    transformers_class,
)
from distributed_trf.features.weights.weight_files import State, as_named_now, read_json, told, unwrapped

if TYPE_CHECKING:
    from torch import nn

_OF_TRAINING = "masked_spec_embed"
"""Stands in for masked frames while a network learns; some published files lack it, and hearing never uses it."""

_NOT_ARCHITECTURE = ("decoder_", "vocab_size")
"""Settings that change no layer that hears."""


def untrained_model(model_class: str, architecture: Mapping[str, Any], network: str) -> nn.Module:
    """Make a model with the weights that it is born with.

    Parameters
    ----------
    model_class
        A class of transformers.
    architecture
        What to change in the class's own configuration.
    network
        The table that says so, for errors.

    Raises
    ------
    ConfigError
        If no such model can be made.
    """
    made = transformers_class(model_class)
    try:
        return made(_table_config(made.config_class, architecture, network))
    except ConfigError:
        raise
    except Exception as error:  # whatever a configuration makes of its model
        raise ConfigError(f"network {network}: no {model_class} can be made of its config: {error}") from error


def trained_model(
    model_class: str, folder: Path, architecture: Mapping[str, Any], network: str, heads: tuple[str, ...] | None
) -> nn.Module:
    """Load a model as its folder describes it.

    Parameters
    ----------
    model_class
        A class of transformers without head, such as ``Wav2Vec2Model``.
    folder
        With ``config.json`` and the weights of that class, or of one that puts a head on it.
    architecture
        What the network's table says of it; the folder must not contradict.
    network
        The name of that table, for errors.
    heads
        Modules that other classes put beside the model, whose tensors are left out; None leaves out all that stands
        beside it.

    Raises
    ------
    FeatureError
        If the folder holds another network, or weights that do not fit in every key and shape.
    """
    made = transformers_class(model_class)
    model = made(_folder_config(made.config_class, folder, architecture, network))
    state = _without_heads(unwrapped(read_state(folder), model), made.base_model_prefix + ".", heads)
    load_state(model, _with_mask(state, model), folder)
    return model


def trained_with_head(model_class: str, folder: Path, architecture: Mapping[str, Any], network: str) -> nn.Module:
    """Load a model with a head, such as ``Wav2Vec2ForCTC``, as its folder describes it (see ``trained_model``)."""
    made = transformers_class(model_class)
    model = made(_folder_config(made.config_class, folder, architecture, network))
    load_state(model, _with_tied(_with_mask(unwrapped(read_state(folder), model), model), model), folder)
    return model


def _folder_config(config_class: Any, folder: Path, architecture: Mapping[str, Any], network: str) -> Any:
    file = folder / "config.json"
    content = read_json(file, "the configuration of a network")
    if content.get("model_type") != config_class.model_type:
        raise FeatureError(
            f"{file}: model_type is {shown(content.get('model_type'))}, but network {network} is a "
            f"{config_class.model_type!r}; give the folder of its weights as `source` in the study"
        )
    expected = _table_config(config_class, architecture, network)
    try:
        config = as_we_compute(config_class(**settings_of_networks(config_class, content)))
    except Exception as error:  # whatever a configuration makes of what it is given
        raise FeatureError(f"{file}: not a configuration of {config_class.__name__}: {told(error)}") from error
    wrong = [
        f"{key} is {shown(getattr(config, key))} instead of {shown(getattr(expected, key))}"
        for key in architecture
        if not key.startswith(_NOT_ARCHITECTURE) and _plain(getattr(config, key)) != _plain(getattr(expected, key))
    ]
    if wrong:
        raise FeatureError(
            f"{file}: not the architecture of network table {network}: {'; '.join(wrong)}. Give the folder of that "
            "network as `source` in the study, or name the network that it is"
        )
    return config


def _table_config(config_class: Any, architecture: Mapping[str, Any], network: str) -> Any:
    known = settings_of_networks(config_class, architecture)
    unknown = [key for key in architecture if key not in known]
    if unknown:
        near = get_close_matches(unknown[0], names_of_settings(config_class), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"network {network}, config: {unknown[0]} = {architecture[unknown[0]]!r} describes no network of "
            f"{config_class.__name__}{hint}"
        )
    return as_we_compute(config_class(**known))


def _plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value


def _without_heads(state: State, prefix: str, heads: tuple[str, ...] | None) -> State:
    """Bring the names of a file to those of the model without head."""
    if not any(key.startswith(prefix) for key in state):
        return state
    if heads is not None:
        return {key.removeprefix(prefix): value for key, value in state.items() if key.split(".")[0] not in heads}
    return without_prefix(state, prefix)


def _with_mask(state: State, model: nn.Module) -> State:
    """Add what only training needs."""
    import torch

    named = as_named_now(state, model)
    masks = {key: value for key, value in model.state_dict().items() if key.rpartition(".")[2] == _OF_TRAINING}
    return {key: torch.zeros_like(value) for key, value in masks.items()} | named


def _with_tied(state: State, model: nn.Module) -> State:
    """Add what files leave out because the model has it twice, such as a readout that is its table of words."""
    own = model.state_dict()
    held = {own[key].data_ptr(): value for key, value in state.items() if key in own}
    return state | {key: held[own[key].data_ptr()] for key in own.keys() - state.keys() if own[key].data_ptr() in held}
