"""Recording the output of many modules in one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from distributed_trf.errors import FeatureError


class _AllRecorded(Exception):  # noqa: N818  nothing is wrong
    """Ends a forward pass once all requested layers are recorded."""


@contextmanager
def recorded(
    model: Any, names: Iterable[str], take: Callable[[str, Any], None], *, whole: bool = True
) -> Iterator[None]:
    """Call ``take`` with the output of each named module as it is computed, while the block runs.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    names
        Dotted module names.
    take
        Called with name and output during the forward pass, once for each name; outputs that it does not keep are freed
        as the pass goes on. If a module returns several values, as a recurrent one does, the first is its output.
    whole
        Whether the pass goes on to its end, which shows whether a module runs twice; otherwise the block ends as soon
        as every module has run.

    Raises
    ------
    FeatureError
        If a module does not exist, runs twice in one pass, or does not run.
    """
    names = tuple(names)
    modules = dict(model.named_modules())
    missing = [name for name in names if name not in modules]
    if missing:
        raise FeatureError(
            f"{type(model).__name__} has no module {', '.join(missing)}; {_nearest(missing[0], modules)}"
            "check the layer names in the network's table"
        )
    fired: set[str] = set()

    def hook(name: str) -> Any:
        def fire(_module: Any, _inputs: Any, output: Any) -> None:
            if name in fired:
                raise FeatureError(
                    f"module {name} ran twice in one forward pass; its second output would overwrite the first"
                )
            fired.add(name)
            # A PackedSequence is a tuple, and an output by itself.
            first = output[0] if type(output) in (tuple, list) else output
            if not hasattr(first, "data"):
                raise FeatureError(f"module {name} returned {type(output).__name__}, expected a tensor")
            take(name, first)
            if not whole and len(fired) == len(names):
                raise _AllRecorded

        return fire

    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        yield
    except _AllRecorded:
        pass
    finally:
        for handle in handles:
            handle.remove()
    silent = [name for name in names if name not in fired]
    if silent:
        raise FeatureError(f"module {', '.join(silent)} did not run in the forward pass")


def _nearest(name: str, modules: Iterable[str]) -> str:
    near = get_close_matches(name, modules, n=1, cutoff=0.5)
    return f"the nearest name is {near[0]}; " if near else ""
