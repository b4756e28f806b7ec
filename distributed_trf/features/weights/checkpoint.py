"""Loading trained weights from files into a network, without executing anything from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.source import weights_source
from distributed_trf.features.weights.stored import read_tensors, some, stored_tensors
from distributed_trf.features.weights.weight_files import Found, as_named_now, unwrapped

if TYPE_CHECKING:
    from torch import nn

    Module = TypeVar("Module", bound=nn.Module)

Value = TypeVar("Value")


def load_checkpoint(model: Module, table: NetworkTable, settings: NetworkSettings) -> Module:
    """Give a network the weights of the file or folder that its study or table names, and return it.

    Raises
    ------
    FeatureError
        If there are none, they cannot be read or do not fit the network in every key and shape.
    """
    source, _ = weights_source(table, settings)
    load_state(model, stored_tensors(Path(source)), source)
    return model


def without_prefix(state: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """Return the tensors whose names begin with ``prefix``, named without it; others are left out."""
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def load_state(model: nn.Module, state: Found, source: str | Path) -> None:
    """Give a network its weights; every key and shape must fit (see ``as_named_now`` for old names).

    Stored tensors are read once they fit. For a network on torch's device ``meta`` none is read: this tells whether
    they fit.

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
            if key in state and tuple(state[key].shape) != tuple(expected[key].shape)
        ],
        "of another kind of number": [
            key
            for key in expected
            if key in state and expected[key].is_floating_point() and not state[key].is_floating_point()
        ],
    }
    if any(lists.values()):
        problems = "; ".join(f"{len(keys)} {what}: {some(keys)}" for what, keys in lists.items() if keys)
        raise FeatureError(
            f"{source}: these are not the weights of {type(model).__name__}: {problems}. Give those of the network as "
            "`source` in the study, or leave `trained` out"
        )
    if not any(tensor.is_meta for tensor in expected.values()):
        model.load_state_dict(read_tensors(state))
