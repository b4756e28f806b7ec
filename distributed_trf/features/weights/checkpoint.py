"""Reading trained weights without executing anything that a file holds."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import FeatureError

if TYPE_CHECKING:
    import torch
    from torch import nn

State = dict[str, "torch.Tensor"]


class _Inert:
    """Stands for every object of a pickle that is no tensor: takes whatever is done to it and does nothing."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def __call__(self, *_args: Any, **_kwargs: Any) -> _Inert:
        return self

    def __setstate__(self, _state: Any) -> None: ...

    def __setitem__(self, _key: Any, _value: Any) -> None: ...

    def append(self, _value: Any) -> None: ...

    def extend(self, _values: Any) -> None: ...


class _TensorUnpickler(pickle.Unpickler):
    """Rebuilds tensors; every other class and function is inert, so that nothing foreign is imported or executed."""

    def find_class(self, module: str, name: str) -> Any:
        import torch

        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "Size"): torch.Size,
            ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
            ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        }
        if module == "torch" and name.endswith("Storage") and name in torch.__dict__:
            return torch.__dict__[name]
        return known.get((module, name), _Inert)


def _load_tensors(file: Any, **options: Any) -> Any:
    return _TensorUnpickler(file, **options).load()


_TENSORS_ONLY = SimpleNamespace(__name__="tensors only", Unpickler=_TensorUnpickler, load=_load_tensors)


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
    if source.is_dir():
        state: State = {}
        for file in _weight_files(source):
            state.update(read_state(file))
        return state
    if not source.is_file():
        raise FeatureError(f"{source}: there is no such file or folder; give the trained weights as `source`")
    try:
        found = _read_file(source)
    except Exception as error:  # whatever a damaged file makes of its reader
        raise FeatureError(f"{source}: cannot be read as a checkpoint: {error}; fetch it again") from error
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict):
        raise FeatureError(f"{source}: holds a {type(found).__name__}, expected tensors by name (a state dict)")
    tensors = {str(name): value for name, value in found.items() if hasattr(value, "numel")}
    if not tensors:
        raise FeatureError(f"{source}: holds no tensors by name; its keys are {', '.join(map(str, found)) or 'none'}")
    return tensors


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
    raise FeatureError(
        f"{folder}: holds neither model.safetensors nor pytorch_model.bin; give the folder of the trained weights as "
        "`source` in the study"
    )


def _read_file(file: Path) -> Any:
    import torch

    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # more than tensors is in it
        return torch.load(file, map_location="cpu", weights_only=False, pickle_module=_TENSORS_ONLY)


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
