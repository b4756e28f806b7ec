"""What files of weights say in words: JSON that stands beside tensors, and texts of theirs in errors.

Names that tensors have in files of other versions of torch and transformers, and of frameworks for training.
"""

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
    """Read a file that stands beside weights.

    Raises
    ------
    FeatureError
        If it is not there or holds no JSON of names and values; it says that the file is not ``what``.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        raise FeatureError(
            f"{file}: cannot be read as {what}: {told(error)}; fetch it again, or give the folder of the trained "
            "weights as `source` in the study"
        ) from error
    return content


def told(error: Exception) -> str:
    """Return what an error says, of which some say nothing and others repeat the file."""
    kind, text = type(error).__name__, shown(" ".join(str(error).split()), 200, quoted=False)
    return text if isinstance(error, UnpicklingError) else f"{kind}: {text}" if text else kind


State = dict[str, "torch.Tensor"]

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What data parallelism, compilation and frameworks for training put before the names of all tensors."""

_LATER = {
    "weight_g": "parametrizations.weight.original0",  # magnitude and direction of a normalised weight, before torch 2.1
    "weight_v": "parametrizations.weight.original1",
    "gamma": "weight",  # of norms, in files that were made from those of TensorFlow
    "beta": "bias",
    "mask_time_emb_vector": "masked_spec_embed",  # as in facebook/wav2vec2-base-100h
}
"""Last parts of names that modules have had, and have now."""

_BATCHES = "num_batches_tracked"
_COMPUTED = frozenset((_BATCHES, "position_ids", "inv_freq", "_float_tensor", "version"))
"""Last parts of names of what modules have kept beside their weights; what they need of it now, they compute."""


def unwrapped(state: State, model: nn.Module) -> State:
    """Take off what stands before the names of all tensors, unless the model itself has such names."""
    own = model.state_dict().keys()
    while state and not own & state.keys():
        wrapper = next((word for word in WRAPPERS if all(key.startswith(word) for key in state)), None)
        if wrapper is None:
            return state
        state = {key.removeprefix(wrapper): value for key, value in state.items()}
    return state


def as_named_now(state: State, model: nn.Module) -> State:
    """Name tensors as a model does, and leave out those that it computes.

    How many batches were seen in training, which no output depends on and files of old do not tell, is the model's own
    where it is not there.
    """
    own = model.state_dict()
    named: State = {}
    for key, value in state.items():
        stem, dot, last = key.rpartition(".")
        later = f"{stem}{dot}{_LATER.get(last, last)}"
        if key in own or later in state or later not in own:
            later = key
        if later in own or last not in _COMPUTED:
            named[later] = value
    for key, _ in model.named_buffers():
        if key not in own:
            named.pop(key, None)
    return {key: value for key, value in own.items() if key.rpartition(".")[2] == _BATCHES} | named
