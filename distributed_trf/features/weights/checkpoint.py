"""Trained weights from files into a network, without executing anything that a file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.pickled import read_pickled
from distributed_trf.features.weights.source import weights_source

if TYPE_CHECKING:
    import torch
    from torch import nn

    Module = TypeVar("Module", bound=nn.Module)

State = dict[str, "torch.Tensor"]
INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WHOLE = ("model.safetensors", "pytorch_model.bin")


def load_checkpoint(model: Module, table: NetworkTable, settings: NetworkSettings) -> Module:
    """Give a network the weights of the file or folder that its study or table names, and return it.

    Raises
    ------
    FeatureError
        If there are none, they cannot be read or do not fit the network in every key and shape.
    """
    source, _ = weights_source(table, settings)
    load_state(model, read_state(Path(source)), source)
    return model


def read_state(source: Path) -> State:
    """Read the tensors of a checkpoint onto the CPU.

    Parameters
    ----------
    source
        A file of safetensors or of ``torch.save`` (of a state dict, or of a dict that holds one as ``state_dict`` or
        ``model``), or a folder as ``save_pretrained`` leaves it.

    Returns
    -------
    dict
        Tensors by name.

    Raises
    ------
    FeatureError
        If there is no such file, or none that holds tensors by name.
    """
    import torch

    if source.is_dir():
        state: State = {}
        for file in _weight_files(source):
            state.update(read_state(file))
        return state
    if not source.is_file():
        raise FeatureError(f"{source}: there is no such file or folder; give the trained weights as `source`")
    found = _read(source)
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict):
        kind = "pickled object" if isinstance(found, type) else type(found).__name__
        raise FeatureError(
            f"{source}: holds one {kind}, expected tensors by name; save what state_dict() of the network returns"
        )
    tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise FeatureError(f"{source}: holds no tensors by name; its keys are {_some([*map(str, found)]) or 'none'}")
    return tensors


def without_prefix(state: State, prefix: str) -> State:
    """Return the tensors whose names begin with ``prefix``, named without it; others are left out."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _weight_files(folder: Path) -> list[Path]:
    for index in (folder / name for name in INDICES):
        if index.is_file():
            try:
                return [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise FeatureError(f"{index}: cannot be read as an index of shards: {error}; fetch it again") from error
    for name in WHOLE:
        if (folder / name).is_file():
            return [folder / name]
    raise FeatureError(
        f"{folder}: holds neither {' nor '.join(WHOLE)}; give the folder of the trained weights as `source` in the "
        "study"
    )


def _read(file: Path) -> Any:
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        return read_pickled(file)
    except Exception as error:  # whatever a damaged file makes of its reader
        raise FeatureError(f"{file}: cannot be read as a checkpoint: {error}; fetch it again") from error


def load_state(model: nn.Module, state: State, source: str | Path) -> None:
    """Give a network its weights; every key and shape must fit.

    Raises
    ------
    FeatureError
        Listing keys that are missing, those that are too many, and those of another shape.
    """
    own = model.state_dict()
    lists = {
        "missing": [key for key in own if key not in state],
        "not of this network": [key for key in state if key not in own],
        "of another shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
            for key in own
            if key in state and state[key].shape != own[key].shape
        ],
    }
    if any(lists.values()):
        told = "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in lists.items() if keys)
        raise FeatureError(
            f"{source}: these are not the weights of {type(model).__name__}: {told}. Give those of the network as "
            "`source` in the study, or leave `trained` out"
        )
    model.load_state_dict(state)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
