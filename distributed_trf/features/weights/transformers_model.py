"""Models of the transformers library, untrained or with the weights that a folder holds.

Only ``config.json`` and tensors of a folder are read: none of its code runs, and every tensor must belong to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import ConfigError
from distributed_trf.features.weights.architecture import folder_config, table_config
from distributed_trf.features.weights.checkpoint import load_state, read_state, without_prefix
from distributed_trf.features.weights.transformers_internals import transformers_class
from distributed_trf.features.weights.weight_files import State, as_named_now, unwrapped

if TYPE_CHECKING:
    from torch import nn

_OF_TRAINING = "masked_spec_embed"
"""Replaces masked frames during training; some published files lack it, and extraction never uses it."""


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
    part
        Where the settings of the class are in ``config.json``, dotted; empty for the whole.

    Raises
    ------
    FeatureError
        If the folder holds another network, or weights that do not fit in every key and shape.
    """
    made = transformers_class(model_class)
    model = made(folder_config(made.config_class, folder, architecture, network, part))
    state = _without_heads(unwrapped(read_state(folder), model), made.base_model_prefix + ".", heads)
    load_state(model, _with_mask(state, model), folder)
    return model


def trained_with_head(model_class: str, folder: Path, architecture: Mapping[str, Any], network: str) -> nn.Module:
    """Load a model with a head, such as ``Wav2Vec2ForCTC``, as its folder describes it (see ``trained_model``)."""
    made = transformers_class(model_class)
    model = made(folder_config(made.config_class, folder, architecture, network))
    load_state(model, _with_tied(_with_mask(unwrapped(read_state(folder), model), model), model), folder)
    return model


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
