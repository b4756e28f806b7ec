"""Files of weights: their JSON, their errors, and the tensor names of other versions and training frameworks."""

from __future__ import annotations

import json
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


def error_text(error: Exception) -> str:
    """Return the text of an error in one short line: some are empty, and others repeat the file."""
    kind, text = type(error).__name__, shown(" ".join(str(error).split()), 200, quoted=False)
    return text if isinstance(error, UnpicklingError) else f"{kind}: {text}" if text else kind


State = dict[str, "torch.Tensor"]

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

_BATCHES = "num_batches_tracked"
_COMPUTED = frozenset((_BATCHES, "position_ids", "inv_freq", "_float_tensor", "version"))
"""Last parts of names of tensors that modules no longer store, but compute if they need them."""


def unwrapped(state: State, model: nn.Module) -> State:
    """Remove a common prefix of all tensor names, unless the model itself has such names."""
    expected = model.state_dict().keys()
    while state and not expected & state.keys():
        wrapper = next((word for word in WRAPPERS if all(key.startswith(word) for key in state)), None)
        if wrapper is None:
            return state
        state = {key.removeprefix(wrapper): value for key, value in state.items()}
    return state


def as_named_now(state: State, model: nn.Module) -> State:
    """Rename tensors to a model's present names, and leave out those that it computes.

    The number of training batches, which no output depends on and old files lack, is taken from the model if it is
    missing.
    """
    expected = model.state_dict()
    named: State = {}
    for key, value in state.items():
        stem, dot, last = key.rpartition(".")
        later = f"{stem}{dot}{_LATER.get(last, last)}"
        if key in expected or later in state or later not in expected:
            later = key
        if later in expected or last not in _COMPUTED:
            named[later] = value
    for key, _ in model.named_buffers():
        if key not in expected:
            named.pop(key, None)
    return {key: value for key, value in expected.items() if key.rpartition(".")[2] == _BATCHES} | named
