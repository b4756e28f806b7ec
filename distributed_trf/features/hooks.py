"""Recording the output of many modules in one forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from distributed_trf.errors import FeatureError


@contextmanager
def recorded(model: Any, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Record the outputs of named modules while the block runs.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    names
        Dotted module names.

    Yields
    ------
    dict
        Filled with one tensor per name by the model's forward pass.

    Raises
    ------
    FeatureError
        If a module does not exist, fires twice in one pass, returns no tensor, or never fires.
    """
    names = tuple(names)
    modules = dict(model.named_modules())
    missing = [name for name in names if name not in modules]
    if missing:
        raise FeatureError(
            f"{type(model).__name__} has no module {', '.join(missing)}; check the layer names in the network's table"
        )
    outputs: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if name in outputs:
                raise FeatureError(f"module {name} ran twice in one pass, so that one layer would overwrite another")
            if not hasattr(output, "detach"):
                raise FeatureError(f"module {name} returned {type(output).__name__}, expected one tensor")
            outputs[name] = output.detach()

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in names]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
    silent = [name for name in names if name not in outputs]
    if silent:
        raise FeatureError(f"module {', '.join(silent)} did not run in the forward pass")
