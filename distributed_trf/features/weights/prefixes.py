"""Where the tensors of a model are in a checkpoint that may hold those of a larger one."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING

from distributed_trf.errors import FeatureError, shown
from distributed_trf.features.weights.weight_files import BATCHES, Found, later_name

if TYPE_CHECKING:
    import torch
    from torch import nn

OF_TRAINING = "masked_spec_embed"
"""Replaces masked frames during training; some published files lack it, and extraction never uses it."""

MOST_SHOWN = 8


def model_prefix(
    names: Iterable[str], model: nn.Module, renamed: Callable[[str], str], source: object, part: str = ""
) -> tuple[str, bool]:
    """Return the prefix under which a checkpoint holds every tensor of a model, such as ``audio_tower.``.

    Parameters
    ----------
    names
        Names of the tensors in the checkpoint.
    model
        The model, on any device.
    renamed
        Gives the name of a tensor of the model in this version of its library, given that in another one.
    source
        The checkpoint, for errors.
    part
        Where the settings of the model are in the configuration of a larger one: of several prefixes the one that is
        called so, as ``acoustic.`` for ``acoustic_config``, is meant.

    Returns
    -------
    str
        The prefix; empty for a checkpoint of the model alone. If no prefix has every tensor, the one that has the most
        of them.
    bool
        Whether it has every tensor.

    Raises
    ------
    FeatureError
        If several prefixes have every tensor: the checkpoint holds several such models.
    """
    group = _tied(model)
    wanted = {group[key] for key in group if key.rpartition(".")[2] not in (BATCHES, OF_TRAINING)}
    found: dict[str, set[int]] = {}
    for name in names:
        parts = name.split(".")
        for cut in range(len(parts)):
            key = present_name(".".join(parts[cut:]), group, renamed)
            if key in group:
                found.setdefault(".".join((*parts[:cut], "")), set()).add(group[key])
    whole = sorted(prefix for prefix, keys in found.items() if keys >= wanted)
    if len(whole) > 1:
        called = f"{part.rpartition('.')[2].removesuffix('_config')}."
        whole = [prefix for prefix in whole if f".{prefix}".endswith(f".{called}")] or whole
    if len(whole) > 1:
        raise FeatureError(
            f"{source}: holds the tensors of {type(model).__name__} {len(whole)} times, under the prefixes "
            f"{', '.join(shown(prefix) for prefix in whole[:MOST_SHOWN])}; name the one to use as `prefix` in the "
            "config of the network's table"
        )
    if whole:
        return whole[0], True
    return max(found, key=lambda prefix: (len(found[prefix] & wanted), -len(prefix)), default=""), False


def present_name(key: str, expected: Container[str], renamed: Callable[[str], str]) -> str:
    """Return the present name of a tensor that has that of another version; any other stays as it is."""
    for name in (later_name(key, expected), later_name(renamed(key), expected)):
        if name in expected:
            return name
    return key


def with_tied(state: Found, model: nn.Module) -> Found:
    """Add tensors that files leave out because the model has them twice, such as a readout tied to its embedding."""
    group = _tied(model)
    stored = {group[key]: value for key, value in state.items() if key in group}
    return dict(state) | {key: stored[number] for key, number in group.items() if key not in state and number in stored}


def _tied(model: nn.Module) -> dict[str, int]:
    """Number the tensors of a model by name; those that are the same have one number."""
    same: dict[str, int] = {}
    of_tensor: dict[int, int] = {}
    parameters: dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
    for number, key in enumerate(model.state_dict()):
        same[key] = of_tensor.setdefault(id(parameters[key]), number) if key in parameters else number
    return same
