"""Models of the transformers library, untrained or with the weights that a folder holds.

Of a folder only ``config.json`` and tensors are read: no code of it runs, and every tensor must have its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import ConfigError, FeatureError, MissingExtraError
from distributed_trf.features.weights.checkpoint import State, load_state, read_state, without_prefix

if TYPE_CHECKING:
    from torch import nn

_WEIGHT_NORM = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}
"""Magnitude and direction of a normalised weight, as files from before torch 2.1 name them and as modules do."""

_OF_TRAINING = "masked_spec_embed"
"""Stands in for masked frames while a network learns; some published files lack it, and hearing never uses it."""

_NOT_ARCHITECTURE = ("decoder_", "vocab_size")
"""Settings that change no layer that hears."""

_NOT_OF_A_FILE = ("attn_implementation", "experts_implementation")
"""Ways to compute that a file could name, some of which fetch code."""


def transformers_class(name: str) -> Any:
    """Return a class of transformers by its name.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    ConfigError
        If it has no such class.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "models") from error
    try:
        return getattr(transformers, name)
    except AttributeError as error:
        raise ConfigError(
            f"transformers {transformers.__version__} has no class {name!r}; take one from its documentation, such as "
            "HubertModel"
        ) from error


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
        return made(made.config_class(**architecture))
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
    state = _without_heads(read_state(folder), made.base_model_prefix + ".", heads)
    load_state(model, _as_named_now(state, model), folder)
    return model


def trained_with_head(model_class: str, folder: Path, architecture: Mapping[str, Any], network: str) -> nn.Module:
    """Load a model with a head, such as ``Wav2Vec2ForCTC``, as its folder describes it (see ``trained_model``)."""
    made = transformers_class(model_class)
    model = made(_folder_config(made.config_class, folder, architecture, network))
    load_state(model, _with_tied(_as_named_now(read_state(folder), model), model), folder)
    return model


def _folder_config(config_class: Any, folder: Path, architecture: Mapping[str, Any], network: str) -> Any:
    file = folder / "config.json"
    try:
        content = json.loads(file.read_text())
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except (OSError, ValueError) as error:
        raise FeatureError(
            f"{file}: cannot be read as the configuration of a network: {error}; give the folder of the trained "
            "weights as `source` in the study"
        ) from error
    if content.get("model_type") != config_class.model_type:
        raise FeatureError(
            f"{file}: model_type is {content.get('model_type')!r}, but network {network} is a "
            f"{config_class.model_type!r}; give the folder of its weights as `source` in the study"
        )
    try:
        config = config_class(**{key: value for key, value in content.items() if key not in _NOT_OF_A_FILE})
        expected = config_class(**architecture)
    except Exception as error:  # whatever a configuration makes of what it is given
        raise FeatureError(f"{file}: not a configuration of {config_class.__name__}: {error}") from error
    found, promised = config.to_dict(), expected.to_dict()
    wrong = [
        f"{key} is {found[key]} instead of {promised[key]}"
        for key in architecture
        if not key.startswith(_NOT_ARCHITECTURE) and found[key] != promised[key]
    ]
    if wrong:
        raise FeatureError(
            f"{file}: not the architecture of network table {network}: {'; '.join(wrong)}. Give the folder of that "
            "network as `source` in the study, or name the network that it is"
        )
    return config


def _without_heads(state: State, prefix: str, heads: tuple[str, ...] | None) -> State:
    """Bring the names of a file to those of the model without head."""
    if not any(key.startswith(prefix) for key in state):
        return state
    if heads is not None:
        beside = tuple(f"{head}." for head in heads)
        return {key.removeprefix(prefix): value for key, value in state.items() if not key.startswith(beside)}
    return without_prefix(state, prefix)


def _as_named_now(state: State, model: nn.Module) -> State:
    """Name what is there as the model does, drop tables that it computes, and add what only training needs."""
    import torch

    own = model.state_dict()
    named: State = {}
    for key, value in state.items():
        stem, dot, last = key.rpartition(".")
        modern = f"{stem}{dot}{_WEIGHT_NORM.get(last, last)}"
        named[modern if modern in own else key] = value
    for key, _ in model.named_buffers():
        if key not in own:
            named.pop(key, None)
    if _OF_TRAINING in own and _OF_TRAINING not in named:
        named[_OF_TRAINING] = torch.zeros_like(own[_OF_TRAINING])
    return named


def _with_tied(state: State, model: nn.Module) -> State:
    """Add what files leave out because the model has it twice, such as a readout that is its table of words."""
    own = model.state_dict()
    held = {own[key].data_ptr(): value for key, value in state.items() if key in own}
    return state | {key: held[own[key].data_ptr()] for key in own.keys() - state.keys() if own[key].data_ptr() in held}
