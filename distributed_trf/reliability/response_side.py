"""What scores need of responses whatever the prediction is: a process keeps it from one layer to the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, fields
from threading import Lock

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, namespace
from distributed_trf.reliability.noise_corrected import RepeatPowers
from distributed_trf.reliability.noise_intervals import RepeatNoise
from distributed_trf.trf.correlation import mean_of_unit_length

CACHE_BYTES = 128 << 20
"""Of what a process keeps, on all devices together. Where all sessions need more, as where long recordings are tested
whole, each fit computes it again."""

_KEPT: OrderedDict[tuple[Hashable, str, str], ResponseSide] = OrderedDict()
"""By content, library and device; the least recently used come first."""
_LOCK = Lock()


@dataclass(frozen=True, eq=False)
class ResponseSide:
    """Of units' responses, for any prediction of them."""

    mean: Array
    """Of repeats at unit length, shape (T, U)."""
    varying: Array
    """Units that vary in a repeat, shape (U,)."""
    powers: RepeatPowers
    noise: RepeatNoise

    @classmethod
    def of(cls, responses: Array) -> ResponseSide:
        """Compute it from responses of shape (R, T, U)."""
        return cls(*mean_of_unit_length(responses), RepeatPowers.of(responses), RepeatNoise.of(responses))

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        parts = [getattr(of, part.name) for of in (self, self.powers, self.noise) for part in fields(of)]
        return sum(8 * part.size for part in parts if hasattr(part, "size"))


def side_values(repeats: int, bins: int, units: int) -> int:
    """Return how many numbers a ``ResponseSide`` holds."""
    of_noise = bins + bins // 2 if repeats > 1 else 0
    return units * (bins + of_noise + repeats + 6)


def response_side(y_true: Array, content: Hashable) -> ResponseSide:
    """Return what scores need of responses, computed once as long as there is room; it must not be written to.

    Parameters
    ----------
    y_true
        Shape (R, T, U).
    content
        What the responses follow from: those of one content are the same.
    """
    key = (content, namespace(y_true).__name__, str(device_of(y_true)))
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
    made = ResponseSide.of(y_true)
    with _LOCK:
        _KEPT[key] = made
        while sum(kept.nbytes for kept in _KEPT.values()) > CACHE_BYTES:
            _KEPT.popitem(last=False)
    return made
