"""Loading trained weights from files into a network, without executing anything from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError, shown
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.pickled import read_pickled
from distributed_trf.features.weights.source import weights_source
from distributed_trf.features.weights.unpickle import INERT
from distributed_trf.features.weights.weight_files import State, as_named_now, error_text, read_json, unwrapped

if TYPE_CHECKING:
    from torch import nn

    Module = TypeVar("Module", bound=nn.Module)

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
        ``model``), or a folder as ``save_pretrained`` writes it.

    Returns
    -------
    dict
        Tensors by name.

    Raises
    ------
    FeatureError
        If there is no such file, or it holds no tensors by name.
    """
    import torch

    if source.is_dir():
        state: State = {}
        for file in _weight_files(source):
            state.update(read_state(file))
        return state
    if not source.is_file():
        raise FeatureError(f"{source}: there is no such file or folder; give the trained weights as `source`")
    content = _read(source)
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict):
        kind = "pickled object" if content is INERT else type(content).__name__
        raise FeatureError(
            f"{source}: holds one {kind}, expected tensors by name; save what state_dict() of the network returns"
        )
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise FeatureError(f"{source}: holds no tensors by name; its keys are {_some([*content]) or 'none'}")
    return tensors


def without_prefix(state: State, prefix: str) -> State:
    """Return the tensors whose names begin with ``prefix``, named without it; others are left out."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _weight_files(folder: Path) -> list[Path]:
    for index in (folder / name for name in INDICES):
        if index.is_file():
            shards = read_json(index, "an index of shards").get("weight_map")
            names = [*shards.values()] if isinstance(shards, dict) else []
            if not names or not all(isinstance(name, str) and (folder / name).parent == folder for name in names):
                raise FeatureError(
                    f"{index}: cannot be read as an index of shards: `weight_map` does not name files in the same "
                    "folder; fetch it again"
                )
            return [folder / name for name in sorted(set(names))]
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
    except Exception as error:  # a damaged file may make its reader raise anything
        raise FeatureError(f"{file}: cannot be read as a checkpoint: {error_text(error)}; fetch it again") from error


def load_state(model: nn.Module, state: State, source: str | Path) -> None:
    """Give a network its weights; every key and shape must fit (see ``as_named_now`` for old names).

    Raises
    ------
    FeatureError
        If they do not fit; it lists missing and extra keys, and those of another shape or kind of number.
    """
    expected, state = model.state_dict(), as_named_now(unwrapped(state, model), model)
    lists = {
        "missing": [key for key in expected if key not in state],
        "not of this network": [key for key in state if key not in expected],
        "of another shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
            for key in expected
            if key in state and state[key].shape != expected[key].shape
        ],
        "of another kind of number": [
            key
            for key in expected
            if key in state and expected[key].is_floating_point() and not state[key].is_floating_point()
        ],
    }
    if any(lists.values()):
        problems = "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in lists.items() if keys)
        raise FeatureError(
            f"{source}: these are not the weights of {type(model).__name__}: {problems}. Give those of the network as "
            "`source` in the study, or leave `trained` out"
        )
    model.load_state_dict(state)


def _some(keys: list[str]) -> str:
    return ", ".join(shown(key, 200, quoted=False) for key in keys[:8]) + (
        f" and {len(keys) - 8} more" if len(keys) > 8 else ""
    )
