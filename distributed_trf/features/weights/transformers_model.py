"""Models of the transformers library, untrained or with the weights that a folder holds.

Only ``config.json`` and tensors of a folder are read: none of its code runs, and every tensor must belong to the model.
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
from distributed_trf.features.weights.weight_files import State, as_named_now, error_text, read_json, unwrapped

if TYPE_CHECKING:
    from torch import nn

_OF_TRAINING = "masked_spec_embed"
"""Replaces masked frames during training; some published files lack it, and extraction never uses it."""

_NOT_ARCHITECTURE = ("decoder_", "vocab_size")
"""Settings that change no layer of the encoder."""


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
        return made(_table_config(made.config_class, architecture, network))
    except ConfigError:
        raise
    except Exception as error:  # a wrong configuration may raise anything
        raise ConfigError(f"network {network}: {model_class} cannot be made from its config: {error}") from error


def trained_model(
    model_class: str, folder: Path, architecture: Mapping[str, Any], network: str, heads: tuple[str, ...] | None
) -> nn.Module:
    """Load a model as its folder describes it.

    Parameters
    ----------
    model_class
        A class of transformers without head, such as ``Wav2Vec2Model``.
    folder
        With ``config.json`` and the weights of that class, or of a class with a head on it.
    architecture
        Settings in the network's table; the folder must not contradict them.
    network
        The name of that table, for errors.
    heads
        Modules that other classes add to the model, whose tensors are left out; None leaves out all other modules.

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
    except Exception as error:  # a wrong file may raise anything
        raise FeatureError(f"{file}: not a configuration of {config_class.__name__}: {error_text(error)}") from error
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
    valid = settings_of_networks(config_class, architecture)
    unknown = [key for key in architecture if key not in valid]
    if unknown:
        near = get_close_matches(unknown[0], names_of_settings(config_class), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"network {network}, config: {unknown[0]} = {architecture[unknown[0]]!r} describes no network of "
            f"{config_class.__name__}{hint}"
        )
    return as_we_compute(config_class(**valid))


def _plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value


def _without_heads(state: State, prefix: str, heads: tuple[str, ...] | None) -> State:
    """Convert the names of a file to those of the model without head."""
    if not any(key.startswith(prefix) for key in state):
        return state
    if heads is not None:
        return {key.removeprefix(prefix): value for key, value in state.items() if key.split(".")[0] not in heads}
    return without_prefix(state, prefix)


def _with_mask(state: State, model: nn.Module) -> State:
    """Add the tensors that only training needs."""
    import torch

    named = as_named_now(state, model)
    masks = {key: value for key, value in model.state_dict().items() if key.rpartition(".")[2] == _OF_TRAINING}
    return {key: torch.zeros_like(value) for key, value in masks.items()} | named


def _with_tied(state: State, model: nn.Module) -> State:
    """Add tensors that files leave out because the model has them twice, such as a readout tied to its embedding."""
    full = model.state_dict()
    shared = {full[key].data_ptr(): value for key, value in state.items() if key in full}
    missing = {key: full[key].data_ptr() for key in full.keys() - state.keys()}
    return state | {key: shared[pointer] for key, pointer in missing.items() if pointer in shared}
