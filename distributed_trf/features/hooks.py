"""Recording the output of many modules in one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from distributed_trf.errors import FeatureError


class _AllHeard(Exception):  # noqa: N818  nothing is wrong
    """Leaves a forward pass of which no more is needed."""


@contextmanager
def recorded(
    model: Any, names: Iterable[str], take: Callable[[str, Any], None], *, whole: bool = True
) -> Iterator[None]:
    """Hand the outputs of named modules to ``take`` as they come, while the block runs.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    names
        Dotted module names.
    take
        Called with name and output in the forward pass, once for each name; what it does not keep is freed as the pass
        goes on. Where a module returns several things, such as a recurrent one, the first is its output.
    whole
        Whether the pass goes on to its end, which tells whether a module fires twice; if not, the block is left as soon
        as every module has fired.

    Raises
    ------
    FeatureError
        If a module does not exist, fires twice in one pass, or never fires.
    """
    names = tuple(names)
    modules = dict(model.named_modules())
    missing = [name for name in names if name not in modules]
    if missing:
        raise FeatureError(
            f"{type(model).__name__} has no module {', '.join(missing)}; {_nearest(missing[0], modules)}"
            "check the layer names in the network's table"
        )
    heard: set[str] = set()

    def hook(name: str) -> Any:
        def fire(_module: Any, _inputs: Any, output: Any) -> None:
            if name in heard:
                raise FeatureError(f"module {name} ran twice in one pass, so that one layer would overwrite another")
            heard.add(name)
            # A PackedSequence is a tuple, and an output by itself.
            first = output[0] if type(output) in (tuple, list) else output
            if not hasattr(first, "data"):
                raise FeatureError(f"module {name} returned {type(output).__name__}, expected a tensor")
            take(name, first)
            if not whole and len(heard) == len(names):
                raise _AllHeard

        return fire

    handles = [modules[name].register_forward_hook(hook(name)) for name in names]
    try:
        yield
    except _AllHeard:
        pass
    finally:
        for handle in handles:
            handle.remove()
    silent = [name for name in names if name not in heard]
    if silent:
        raise FeatureError(f"module {', '.join(silent)} did not run in the forward pass")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"the nearest name is {near[0]}; " if near else ""
