"""Every module of a network that gives frames: found by passing sounds through it on shapes alone.

Which axis of a module's output is what follows from what changes: the axis of sounds with their number, that of time
with their length. Networks that pad every sound to one window do not change with its length; there the axis of time is
that whose size divides the frames of the network's spectrogram.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import FeatureError
from distributed_trf.features.hooks import values_of
from distributed_trf.features.torch_internals import flop_counter

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]

SHORT, LONG = 1.0, 4.0
"""Seconds of sound whose passes tell the axes, and over the longer of which operations are counted."""


@dataclass(frozen=True)
class Fired:
    """A call of a module in a forward pass."""

    name: str
    """Dotted; empty for the whole network."""
    call: int
    """From 1 on."""
    shape: Shape
    """Of the first tensor that it gave."""
    given: Shape | None
    """Of its first input, if that is a tensor."""


@dataclass(frozen=True)
class FrameModule:
    """A module that gives features over time."""

    name: str
    calls: int
    """How often it runs in a pass."""
    shape: Shape
    """Of its output for one sound of ``SHORT``, or of the network's window."""
    sound_axis: int | None
    """None where the frames of all sounds follow each other."""
    time_axis: int
    given: Shape | None = None
    """Of its first input."""
    of_input: bool = False
    """Whether its input is meant, whose shape ``shape`` then is."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.shape[self.time_axis]

    @property
    def width(self) -> int:
        """Features per frame."""
        width = 1
        for axis, size in enumerate(self.shape):
            width *= 1 if axis in (self.sound_axis, self.time_axis) else size
        return width

    @property
    def axes(self) -> dict[str, Any]:
        """How a table says where its axes are (see ``Layer``)."""
        if self.sound_axis is None:
            return {"packed": True}
        if self.time_axis == 1 and len(self.shape) == 3:
            return {}
        if self.time_axis == len(self.shape) - 1:
            return {"time_last": True}
        return {"time_axis": self.time_axis}


class _EnoughFired(Exception):  # noqa: N818  nothing is wrong
    """Ends a forward pass once the requested modules have run."""


class Passes:
    """Forward passes of a network, of which each that was whole is remembered.

    Parameters
    ----------
    model
        On any device; on ``meta`` nothing is computed.
    run
        Passes a number of sounds of a length in samples.
    """

    def __init__(self, model: nn.Module, run: Callable[[int, int], None]) -> None:
        self.model, self._run = model, run
        self._whole: dict[tuple[int, int], list[Fired]] = {}
        self._flops: dict[tuple[int, int], float] = {}

    def whole(self, n_sounds: int, n_samples: int) -> list[Fired]:
        """Return every call of a module that gave a tensor, in the order in which they end."""
        key = n_sounds, n_samples
        if key not in self._whole:
            with flop_counter() as counter:
                self._whole[key] = self._fired(n_sounds, n_samples, None)
            self._flops[key] = counter.get_total_flops()
        return self._whole[key]

    def until(self, last: str, n_samples: int) -> list[Fired]:
        """Return the calls of one sound's pass that ends after the module called ``last``."""
        return self._whole.get((1, n_samples)) or self._fired(1, n_samples, last)

    def flops(self, n_samples: int) -> float:
        """Return the operations of one sound's pass; a multiplication and an addition count as two."""
        self.whole(1, n_samples)
        return self._flops[1, n_samples]

    def _fired(self, n_sounds: int, n_samples: int, last: str | None) -> list[Fired]:
        calls: dict[str, int] = {}
        found: list[Fired] = []

        def hook(name: str) -> Any:
            def record(_module: Any, args: Any, kwargs: Any, output: Any) -> None:
                calls[name] = calls.get(name, 0) + 1
                values, inputs = values_of(output), [*args, *kwargs.values()]
                if values and hasattr(values[0], "shape"):
                    first = inputs[0] if inputs else None
                    given = None if first is None or not hasattr(first, "shape") else tuple(first.shape)
                    found.append(Fired(name, calls[name], tuple(values[0].shape), given))
                if name == last:
                    raise _EnoughFired

            return record

        modules = self.model.named_modules()
        handles = [module.register_forward_hook(hook(name), with_kwargs=True) for name, module in modules]
        try:
            self._run(n_sounds, n_samples)
        except _EnoughFired:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return found


def frame_modules(passes: Passes, sfreq: float, window: float | None, *, of_patches: bool = False) -> list[FrameModule]:
    """Return the modules that give frames, in the order in which they run.

    Parameters
    ----------
    passes
        Of the network.
    sfreq
        Samples per second.
    window
        Seconds that every sound is padded to; None for any length.
    of_patches
        Whether tokens are patches: those of (sound, token, feature), or (sound, feature, frequency, time).

    Raises
    ------
    FeatureError
        If no module gives frames.
    """
    n = round(sfreq * (SHORT if window is None else min(window, SHORT)))
    alone, both = passes.whole(1, n), _shapes(passes.whole(2, n))
    longer = None if window is not None else _shapes(passes.whole(1, round(sfreq * LONG)))
    kinds: Mapping[str, nn.Module] = dict(passes.model.named_modules())
    found: dict[str, FrameModule] = {}
    for one in alone:
        if one.name in found:
            found[one.name] = replace(found[one.name], calls=one.call)
            continue
        key = (one.name, one.call)
        if longer is not None:
            time_axis = _axis_that_differs(one.shape, longer.get(key, one.shape))
        elif of_patches:
            time_axis = {3: 1, 4: 3}.get(len(one.shape))
        else:
            time_axis = _axis_of_a_window(one.shape, kinds[one.name], max(alone[-1].given or (0,)))
        module = _frame_module(one, one.shape, both.get(key, one.shape), time_axis)
        if module is not None:
            found[one.name] = module
    if not found:
        raise FeatureError(
            f"{type(passes.model).__name__}: none of its {len(kinds)} modules gives features over time, shape (sound, "
            "time, feature) in any order; name a network that hears sound"
        )
    return list(found.values())


def frame_input(passes: Passes, name: str, sfreq: float) -> FrameModule | None:
    """Return the input of a module as frames, if it is; for networks that take sounds of any length.

    Parameters
    ----------
    passes
        Of the network.
    name
        Of the module.
    sfreq
        Samples per second.
    """
    short, long = round(sfreq * SHORT), round(sfreq * LONG)
    calls = [passes.whole(1, short), passes.whole(2, short), passes.whole(1, long)]
    given = [next((one.given for one in found if one.name == name), None) for found in calls]
    if given[0] is None or given[1] is None or given[2] is None:
        return None
    found = _frame_module(Fired(name, 1, given[0], None), given[0], given[1], _axis_that_differs(given[0], given[2]))
    return None if found is None else replace(found, of_input=True)


def _frame_module(one: Fired, alone: Shape, both: Shape, time_axis: int | None) -> FrameModule | None:
    """Return a module by the shape for one sound and for two, and by its axis of time; None if it gives no frames."""
    if time_axis is None or len(alone) < 2:
        return None
    sound_axis = _axis_that_differs(alone, both)
    if sound_axis == time_axis and len(alone) == 2:
        return FrameModule(one.name, 1, alone, None, time_axis, one.given)
    if sound_axis not in (0, 1) or sound_axis == time_axis or len(alone) < 3 or (sound_axis and time_axis):
        return None
    if (alone[sound_axis], both[sound_axis]) != (1, 2):  # windows or heads are counted on the axis of sounds as well
        return None
    return FrameModule(one.name, 1, alone, sound_axis, time_axis, one.given)


def _shapes(calls: Sequence[Fired]) -> dict[tuple[str, int], Shape]:
    return {(one.name, one.call): one.shape for one in calls}


def _axis_that_differs(one: Shape, other: Shape) -> int | None:
    """Return the only axis on which two shapes differ, if there is one."""
    if len(one) != len(other):
        return None
    differing = [axis for axis, (m, n) in enumerate(zip(one, other, strict=True)) if m != n]
    return differing[0] if len(differing) == 1 else None


def _axis_of_a_window(shape: Shape, module: nn.Module, spectrogram_frames: int) -> int | None:
    """Return the axis whose size is that of the spectrogram over 1, 2, 4 ..., as strides make it."""
    from torch import nn

    if len(shape) < 3:
        return None
    steps = {2**k for k in range(8)}
    n = spectrogram_frames
    fitting = [a for a, size in enumerate(shape) if a > 0 and any(size in (n // s, -(-n // s)) for s in steps)]
    if len(fitting) == 1:
        return fitting[0]
    convolves = isinstance(module, nn.Conv1d | nn.BatchNorm1d)
    return len(shape) - 1 if convolves and len(shape) == 3 else 1 if len(shape) == 3 else None


class FrameCounts:
    """Counts the frames that modules give for sounds of some length.

    Modules with the same numbers of frames for two lengths, as all blocks of a stack have, count as one: further passes
    end after the first of them.

    Parameters
    ----------
    passes
        Of the network.
    modules
        Whose frames are counted, in the order in which they run.
    lengths
        The two lengths, in samples.
    """

    def __init__(self, passes: Passes, modules: Sequence[FrameModule], lengths: Sequence[int]) -> None:
        self._passes, self._modules = passes, list(modules)
        found = [self._counted(passes.whole(1, n)) for n in lengths]
        first: dict[tuple[int, ...], str] = {}
        self._alike: dict[str, str] = {}
        """By name, the module that counts for it."""
        for module in self._modules:
            name = module.name
            self._alike[name] = first.setdefault(tuple(counts[name] for counts in found if name in counts), name)
        self._last = list(first.values())[-1]

    def __call__(self, n_samples: int) -> dict[str, int]:
        """Return the number of frames for a sound of a length, by name of a module."""
        counts = self._counted(self._passes.until(self._last, n_samples))
        return {name: counts[first] for name, first in self._alike.items()}

    def _counted(self, calls: Sequence[Fired]) -> dict[str, int]:
        shapes = {one.name: (one.shape, one.given) for one in calls if one.call == 1}
        counts = {}
        for module in self._modules:
            shape = shapes.get(module.name, (None, None))[module.of_input]
            if shape is not None:
                counts[module.name] = shape[module.time_axis]
        return counts
