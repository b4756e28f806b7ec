"""Files of weights: their JSON, their errors, and the tensor names of other versions and training frameworks."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import FeatureError, shown

if TYPE_CHECKING:
    import torch
    from torch import nn


def read_json(file: Path, what: str) -> dict[str, Any]:
    """Read a JSON file in a folder of weights.

    Raises
    ------
    FeatureError
        If it is missing or holds no JSON of names and values; the message says that it cannot be read as ``what``.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise FeatureError(
            f"{file}: cannot be read as {what}: {error_text(error)}; fetch it again, or give the folder of the trained "
            "weights as `source` in the study"
        ) from error
    return content


def shards_of(index: Path) -> dict[str, Path]:
    """Return the file of each tensor that an index names.

    Raises
    ------
    FeatureError
        If it cannot be read, or names files of other folders.
    """
    shards = read_json(index, "an index of shards").get("weight_map")
    folder, pairs = index.parent, shards.items() if isinstance(shards, dict) else ()
    if not pairs or not all(isinstance(file, str) and (folder / file).parent == folder for _, file in pairs):
        raise FeatureError(
            f"{index}: cannot be read as an index of shards: `weight_map` does not name files in the same "
            "folder; fetch it again"
        )
    return {name: folder / file for name, file in pairs}


def error_text(error: Exception) -> str:
    """Return the text of an error in one short line: some are empty, and others repeat the file."""
    kind, text = type(error).__name__, shown(" ".join(str(error).split()), 200, quoted=False)
    return text if isinstance(error, UnpicklingError) else f"{kind}: {text}" if text else kind


@dataclass(frozen=True)
class Stored:
    """A tensor in a file that is not read yet."""

    shape: tuple[int, ...]
    is_floating: bool
    file: Path
    path: tuple[str, ...]
    """Keys of nested dicts that lead to it."""

    def is_floating_point(self) -> bool:
        """Tell whether its numbers are floating-point ones, as tensors do."""
        return self.is_floating


State = dict[str, "torch.Tensor"]
Found = Mapping[str, "torch.Tensor | Stored"]
"""Tensors by name, some of them not read yet."""

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""Prefixes that data parallelism, compilation and training frameworks add to the names of all tensors."""

_LATER = {
    "weight_g": "parametrizations.weight.original0",  # magnitude and direction of a normalised weight, before torch 2.1
    "weight_v": "parametrizations.weight.original1",
    "gamma": "weight",  # of norms, in files that were made from those of TensorFlow
    "beta": "bias",
    "mask_time_emb_vector": "masked_spec_embed",  # as in facebook/wav2vec2-base-100h
}
"""Old and present last parts of tensor names."""

BATCHES = "num_batches_tracked"
"""Last part of the name of a tensor that no output depends on, and old files lack."""
_COMPUTED = frozenset((BATCHES, "position_ids", "inv_freq", "_float_tensor", "version"))
"""Last parts of names of tensors that modules no longer store, but compute if they need them."""


def unwrapped(state: Found, model: nn.Module) -> Found:
    """Remove a common prefix of all tensor names, unless the model itself has such names."""
    expected = model.state_dict().keys()
    while state and not expected & state.keys():
        wrapper = next((word for word in WRAPPERS if all(key.startswith(word) for key in state)), None)
        if wrapper is None:
            return state
        state = {key.removeprefix(wrapper): value for key, value in state.items()}
    return state


def later_name(key: str, expected: Container[str]) -> str:
    """Return the present name of a tensor that has an old one; any other stays as it is."""
    stem, dot, last = key.rpartition(".")
    later = f"{stem}{dot}{_LATER.get(last, last)}"
    return later if key not in expected and later in expected else key


def as_named_now(state: Found, model: nn.Module) -> Found:
    """Rename tensors to a model's present names, and leave out those that it computes.

    The number of training batches, which no output depends on and old files lack, is taken from the model if it is
    missing.
    """
    expected = model.state_dict()
    named: dict[str, torch.Tensor | Stored] = {}
    for key, value in state.items():
        later = later_name(key, expected)
        if later != key and later in state:
            later = key
        if later in expected or key.rpartition(".")[2] not in _COMPUTED:
            named[later] = value
    for key, _ in model.named_buffers():
        if key not in expected:
            named.pop(key, None)
    return {key: value for key, value in expected.items() if key.rpartition(".")[2] == BATCHES} | named
