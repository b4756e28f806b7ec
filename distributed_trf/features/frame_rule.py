"""How many frames a layer has for a sound of any length, as a rule found from the counts of a few lengths."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from math import ceil
from typing import NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class FrameRule(NamedTuple):
    """A sound of n samples has ``(n + offset) // hop`` frames.

    Every convolution, pooling and spectrogram has such a rule, and one after the other has one as well, because
    ``(n // a) // b`` equals ``n // (a * b)``.
    """

    hop: int
    """Samples per frame."""
    offset: int
    """Samples."""

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a sound."""
        return (n_samples + self.offset) // self.hop


def frame_rule(counts: Mapping[int, int]) -> FrameRule | None:
    """Find the rule that gives some numbers of frames.

    Parameters
    ----------
    counts
        Number of frames by number of samples.

    Returns
    -------
    FrameRule or None
        None if no rule gives all of them, or more than one does.
    """
    lengths = sorted(counts)
    pairs = [(m - n, counts[m] - counts[n]) for k, n in enumerate(lengths) for m in lengths[k + 1 :]]
    if any(frames < 0 for _, frames in pairs):
        return None
    # Frames f more after s more samples: (f - 1) hop < s < (f + 1) hop.
    shortest = max((samples // (frames + 1) + 1 for samples, frames in pairs), default=1)
    longest = min((ceil(samples / (frames - 1)) - 1 for samples, frames in pairs if frames > 1), default=None)
    if longest is None:
        return None
    found: FrameRule | None = None
    for hop in range(shortest, longest + 1):
        # c frames of n samples: c hop <= n + offset < (c + 1) hop.
        least = max(c * hop - n for n, c in counts.items())
        most = min((c + 1) * hop - n for n, c in counts.items()) - 1
        if least <= most:
            if least < most or found is not None:
                return None
            found = FrameRule(hop, least)
    return found


def find_rules(count: Callable[[int], Mapping[Key, int]], n_samples: int, far: int) -> dict[Key, FrameRule | None]:
    """Find the rules of several layers, with as few passes through their network as bisection takes.

    Two lengths at which a layer gets one frame more determine its rule, and a third far from them shows whether the hop
    is a whole number of samples. The layers before it get one more at the same lengths, so that a chain of layers takes
    the passes of its last one: twice the logarithm of its hop.

    Parameters
    ----------
    count
        Passes a sound of a number of samples and returns the number of frames of every layer, by its key.
    n_samples
        Length from which on lengths are tried, up to about three hops more.
    far
        Length up to which the rules have to hold; twice ``n_samples`` or more.

    Returns
    -------
    dict
        Rules by key; None for layers without one.
    """
    counts: dict[int, Mapping[Key, int]] = {}

    def at(n: int) -> Mapping[Key, int]:
        if n not in counts:
            counts[n] = count(n)
        return counts[n]

    def rule(key: Key) -> FrameRule | None:
        return frame_rule({n: frames[key] for n, frames in counts.items()})

    held: list[int] = []
    for key in sorted(at(n_samples), key=at(n_samples).__getitem__):
        if rule(key) is None:
            step: int | None = n_samples
            for _ in range(2):
                step = step and _next_step(lambda n, key=key: at(n)[key], step)  # type: ignore[misc]  # bound early
        found = rule(key)
        if found is not None and not any(at(n)[key] > at(n - 1)[key] for n in held):
            last_step = found.n_frames(far) * found.hop - found.offset
            held.append(last_step)
            at(last_step - 1), at(last_step)
    return {key: rule(key) for key in at(n_samples)}


def _next_step(count: Callable[[int], int], n_samples: int) -> int | None:
    """Return the next length that has another number of frames, or None if twice the length has not."""
    same, reach = n_samples, ceil(n_samples / max(count(n_samples), 1)) + 1
    while count(n_samples + reach) == count(n_samples):
        same, reach = n_samples + reach, 2 * reach
        if reach > 2 * n_samples:
            return None
    other = n_samples + reach
    while other - same > 1:
        middle = (same + other) // 2
        if count(middle) == count(n_samples):
            same = middle
        else:
            other = middle
    return other
