"""Recording the output of many modules in one forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from typing import Any

from distributed_trf.errors import FeatureError


@dataclass(frozen=True)
class Tap:
    """Where in a forward pass something is recorded."""

    module: str
    """Dotted name."""
    input: bool = False
    """Whether it is the module's first input instead of its output."""
    call: int | None = None
    """Which call of a module that runs several times in a pass, from 1 on; None for one that runs once."""
    output: int | None = None
    """Which of several values; None for the first."""
    time_axis: int = 1
    """Axis of time in what is recorded; tells values of different lengths from others."""


class _AllRecorded(Exception):  # noqa: N818  nothing is wrong
    """Ends a forward pass once everything that was requested is recorded."""


@contextmanager
def recorded(
    model: Any, taps: Iterable[Tap], take: Callable[[Tap, Any], None], *, whole: bool = True
) -> Iterator[None]:
    """Call ``take`` with the tensor of each tap as it is computed, while the block runs.

    Parameters
    ----------
    model
        A ``torch.nn.Module``.
    taps
        What to record.
    take
        Called with tap and tensor during the forward pass, once for each tap; tensors that it does not keep are freed
        as the pass goes on.
    whole
        Whether the pass goes on to its end, which shows whether a module runs twice; otherwise the block ends as soon
        as all is recorded.

    Raises
    ------
    FeatureError
        If a module does not exist, does not run, runs twice in one pass where no call is chosen, or gives several
        tensors of different lengths where none is chosen.
    """
    taps = tuple(taps)
    modules = dict(model.named_modules())
    missing = list(dict.fromkeys(tap.module for tap in taps if tap.module not in modules))
    if missing:
        raise FeatureError(
            f"{type(model).__name__} has no module {', '.join(missing)}; {_nearest(missing[0], modules)}"
            "check the layer names in the network's table"
        )
    calls: Counter[Tap] = Counter()
    done: set[Tap] = set()

    def fire(tap: Tap, value: Any) -> None:
        calls[tap] += 1
        if tap.call is None and calls[tap] > 1:
            raise FeatureError(
                f"module {tap.module} ran twice in one forward pass; its second output would overwrite the first; "
                "choose one of them with `call: 1`, `call: 2` and so on of the layer in the network's table"
            )
        if calls[tap] != (tap.call or 1):
            return
        done.add(tap)
        take(tap, _one_tensor(tap, value, modules[tap.module]))
        if not whole and len(done) == len(taps):
            raise _AllRecorded

    def hook(tap: Tap) -> Any:
        module = modules[tap.module]
        if tap.input:
            return module.register_forward_pre_hook(
                lambda _module, args, kwargs: fire(tap, args if args else tuple(kwargs.values())), with_kwargs=True
            )
        return module.register_forward_hook(lambda _module, _inputs, output: fire(tap, output))

    handles = [hook(tap) for tap in taps]
    try:
        yield
    except _AllRecorded:
        pass
    finally:
        for handle in handles:
            handle.remove()
    silent = [tap for tap in taps if tap not in done]
    if silent:
        few = [f"{tap.module} {calls[tap]} times, not {tap.call}" for tap in silent if calls[tap]]
        raise FeatureError(
            f"module {', '.join(few)}: it ran less often in the forward pass than its layer's `call` says"
            if few
            else f"module {', '.join(dict.fromkeys(tap.module for tap in silent))} did not run in the forward pass"
        )


def _one_tensor(tap: Tap, value: Any, module: Any) -> Any:
    """Return the tensor that a tap means; of several values the first, as of a recurrent module."""
    from torch.nn import RNNBase

    values = values_of(value)
    if tap.output is not None:
        if not -len(values) <= tap.output < len(values):
            raise FeatureError(
                f"module {tap.module} gives {len(values)} values, so that none is `output: {tap.output}`"
            )
        first = values[tap.output]
    else:
        first = values[0] if values else value
        state_follows = isinstance(module, RNNBase)
        lengths = {tuple(first.shape)} if hasattr(first, "shape") else set()
        lengths |= {tuple(v.shape) for v in values if not state_follows and _is_longer(first, v, tap.time_axis)}
        if len(lengths) > 1:
            raise FeatureError(
                f"module {tap.module} gives tensors of shapes {' and '.join(map(str, sorted(lengths)))}; choose one "
                "with `output: 0`, `output: 1` and so on of the layer in the network's table"
            )
    if not hasattr(first, "data"):
        raise FeatureError(f"module {tap.module} returned {type(first).__name__}, expected a tensor")
    return first


def values_of(value: Any) -> list[Any]:
    """Return what a module gave as a list: a tensor, a tuple, a dict or a dataclass of some; None is left out."""
    if type(value) in (tuple, list):  # a PackedSequence is a tuple, and an output by itself
        values = list(value)
    elif isinstance(value, Mapping):
        values = list(value.values())
    elif is_dataclass(value):
        values = [getattr(value, field.name) for field in fields(value)]
    else:
        values = [value]
    return [one for one in values if one is not None]


def _is_longer(first: Any, other: Any, time_axis: int) -> bool:
    """Tell whether two values differ in the length of time alone."""
    shape, others = list(getattr(first, "shape", ())), list(getattr(other, "shape", ()))
    if len(shape) != len(others) or len(shape) < 3 or not -len(shape) <= time_axis < len(shape):
        return False
    m, n = shape.pop(time_axis), others.pop(time_axis)
    return bool(m != n) and shape == others


def _nearest(name: str, modules: Iterable[str]) -> str:
    near = get_close_matches(name, modules, n=1, cutoff=0.5)
    return f"the nearest name is {near[0]}; " if near else ""
