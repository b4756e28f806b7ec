"""Windows of past sound: where the frames of a layer end, and which piece of a sound each of them sees.

Everything here follows from the number of frames that a family counts for a sound; nothing is built.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np

from distributed_trf.config.extraction import PROJECTIONS, Weights, kind_of
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.family import Family, Work
from distributed_trf.features.table import Layer, NetworkTable

AT_ONCE = 16
"""Windows of a forward pass on the CPU."""
LISTED_BYTES = 600
"""Memory of one window in the list of those of a batch, measured."""
COUNTED_LENGTHS = 9
"""Lengths of windows whose operations are counted; those of other lengths lie on straight lines between them."""


def frame_ends(rule: Family, table: NetworkTable, layer: Layer, n_samples: int) -> np.ndarray:
    """Return where the frames of a layer end.

    Frame i ends at sample ``e_i``, the length of the shortest sound that has it:
    ``e_i = min {n : n_frames(n) > i}``. It may be centred on less than that, but never on more.

    Parameters
    ----------
    rule, table, layer
        The layer, and the family that counts its frames.
    n_samples
        Length of a sound at the network's rate.

    Returns
    -------
    np.ndarray
        int64 of shape (n_frames,), not descending, in samples; the same for all sounds, up to their length.

    Raises
    ------
    FeatureError
        If the network cannot take a sound of that length.
    """
    n_frames, content = rule.n_frames(table, layer, n_samples), table.model_dump_json()
    try:  # some more than are needed, so that sounds of many lengths share them
        ends = _ends(cast("Hashable", rule), content, layer.id, 1 << n_samples.bit_length())
    except FeatureError:  # of a network that takes none that long
        ends = _ends(cast("Hashable", rule), content, layer.id, n_samples)
    return ends[:n_frames]


@lru_cache(maxsize=4096)
def _ends(rule: Family, table_json: str, layer_id: int, n_samples: int) -> np.ndarray:
    table = NetworkTable.model_validate_json(table_json)
    (layer,) = (layer for layer in table.layers if layer.id == layer_id)
    total = rule.n_frames(table, layer, n_samples)

    def count(n: int) -> int:
        try:
            return rule.n_frames(table, layer, n) if n > 0 else 0
        except FeatureError:  # the whole length is none too long, so this one is too short
            return 0

    ends: list[int] = []
    last, step = 0, 1
    while len(ends) < total:
        found = last + step  # as far from the end before as that from the one before it, in most layers
        if not (found <= n_samples and count(found) > len(ends) >= count(found - 1)):
            found = _shortest(count, len(ends), last, n_samples)
        ends += [found] * (count(found) - len(ends))
        last, step = found, found - last
    return np.asarray(ends, dtype=np.int64)


def _shortest(count: Callable[[int], int], frame: int, low: int, high: int) -> int:
    """Return the shortest length above ``low`` that has a frame; ``high`` has it."""
    step = 1
    while low + step < high and count(low + step) <= frame:
        low, step = low + step, 2 * step
    high = min(low + step, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) > frame else (middle, high)
    return high


def window_samples(rule: Family, table: NetworkTable, layer: Layer, context: float) -> int:
    """Return the length of a layer's windows: the longest sound within the context that ends with its last frame.

    Parameters
    ----------
    rule, table, layer
        The layer, and the family that counts its frames.
    context
        Seconds.

    Raises
    ------
    FeatureError
        If the network cannot take a sound of the context's length, or gives no frame for it.
    """
    n_samples = context_samples(table, context)
    ends = frame_ends(rule, table, layer, n_samples)
    if not ends.size:
        raise FeatureError(f"{table.name} layer {layer.id} ({layer.name}) has no frame for {n_samples} samples")
    return int(ends[-1])


def context_samples(table: NetworkTable, context: float) -> int:
    """Return the whole samples of a context at a network's rate."""
    return int(context * table.sfreq + 1e-6)


@dataclass(frozen=True)
class Windows:
    """The window of each frame of a layer for one sound."""

    starts: np.ndarray
    """First sample; below 0 where silence is put before the sound, because the network takes no window as short."""
    ends: np.ndarray
    """The sample after the last one, which is that where the frame ends."""
    positions: np.ndarray
    """Which frame of the window it is: the last, or where several end together the one that is as many before it."""


def windows(
    rule: Family, table: NetworkTable, layer: Layer, n_samples: int, context: float, shortest: int = 0
) -> Windows:
    """Return the windows of a layer's frames (see ``features.context``).

    Parameters
    ----------
    rule, table, layer
        The layer, and the family that counts its frames.
    n_samples
        Length of the sound at the network's rate.
    context
        Seconds.
    shortest
        Samples of the shortest window, at which a frame of the layer ends.
    """
    ends = frame_ends(rule, table, layer, n_samples)
    longest = window_samples(rule, table, layer, context)
    lengths = np.maximum(np.minimum(ends, longest), shortest)
    reference = frame_ends(rule, table, layer, max(n_samples, longest))
    after = np.searchsorted(reference, ends, "right")  # frames of the sound up to this end
    within = np.searchsorted(reference, lengths, "right")  # frames of the window
    return Windows(ends - lengths, ends, np.arange(ends.size) - after + within)


def windows_work(
    rule: Family, table: NetworkTable, layers: Sequence[Layer], n_samples: Sequence[int], context: float, at_once: int
) -> Work:
    """Count the work of passing a batch of sounds in windows.

    Every window counts as a whole pass, also that of a layer with a higher rate than others, whose pass ends early;
    and every network, also one that needs no windows, which is known only once it is built.

    Parameters
    ----------
    rule, table, layers
        The layers that are taken, and the family that counts their frames.
    n_samples
        Length of each sound at the network's rate, leading silence included.
    context
        Seconds.
    at_once
        Windows of a forward pass.
    """
    by_length: dict[int, list[Layer]] = {}
    for layer in layers:
        by_length.setdefault(window_samples(rule, table, layer, context), []).append(layer)
    lengths = np.concatenate(
        [
            np.minimum(np.unique(np.concatenate([frame_ends(rule, table, layer, n) for layer in alike])), longest)
            for longest, alike in by_length.items()
            for n in n_samples
        ]
    )
    longest = max(by_length)
    full = rule.work(table, [longest] * min(at_once, lengths.size))
    whole = rule.work(table, n_samples)  # of a network that turns out to need no windows
    gathered = LISTED_BYTES * lengths.size + sum(
        4 * rule.n_frames(table, layer, n) * layer.width for layer in layers for n in n_samples
    )
    return Work(_flops(rule, table, lengths), full.weights, max(full.activations, whole.activations), gathered=gathered)


def _flops(rule: Family, table: NetworkTable, lengths: np.ndarray) -> float:
    distinct = np.unique(lengths)
    some = distinct[np.unique(np.linspace(0, distinct.size - 1, COUNTED_LENGTHS).round().astype(int))]
    counted = [rule.work(table, [int(n)]).flops for n in some]
    return float(np.interp(lengths, some, counted).sum())


def check_context(rule: Family, table: NetworkTable, layers: Sequence[Layer], weights: Weights, context: float) -> None:
    """Check that windows of a context hold a frame of each layer, and that the network takes them.

    Raises
    ------
    ConfigError
        If the network is a spectrogram, a table or a projection, takes no sound that long, or if the context is shorter
        than what a frame of a layer sees or than the time between two frames.
    """
    where, n_samples = f"networks: {table.name}: context {context:g} s", context_samples(table, context)
    if table.is_fixed:
        raise ConfigError(
            f"{where}: it is a {table.layers[0].type}, whose frames see no more with a context; leave it out"
        )
    if kind_of(weights) in PROJECTIONS:
        raise ConfigError(
            f"{where}: weights {weights!r} project a spectrogram frame by frame, so that they see some milliseconds "
            "alone; give them to the network without a context"
        )
    for layer in layers:
        called = f"layer {layer.id} ({layer.name})"
        try:
            ends = frame_ends(rule, table, layer, max(1, n_samples))
        except FeatureError as error:
            if any(_takes(rule, table, layer, n_samples >> k) for k in range(1, n_samples.bit_length())):
                raise ConfigError(f"{where} is longer than the network takes; choose a shorter one. {error}") from error
            ends = np.empty(0)
        if not ends.size or ends[0] == ends[-1]:
            raise ConfigError(
                f"{where} is {n_samples} samples at {table.sfreq:g} Hz, in which {called} has no two frames one after "
                "another; choose a longer one, or leave the layer out of `layers`"
            )
        if layer.receptive_field is not None and 1000 * context < layer.receptive_field:
            raise ConfigError(
                f"{where} is shorter than the {layer.receptive_field:g} ms that a frame of {called} sees; choose a "
                "longer one, or leave the layer out of `layers`"
            )


def _takes(rule: Family, table: NetworkTable, layer: Layer, n_samples: int) -> bool:
    try:
        return rule.n_frames(table, layer, n_samples) > 0
    except FeatureError:
        return False
