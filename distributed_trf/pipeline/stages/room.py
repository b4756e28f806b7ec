"""Room on a GPU for what is no network, on a worker that keeps networks for the extractions to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from distributed_trf.errors import DeviceError
from distributed_trf.features.device import give_back_torch_blocks, is_crowded
from distributed_trf.features.network import make_room

T = TypeVar("T")


def with_room(device: str, calculate: Callable[[], T]) -> T:
    """Calculate, on a GPU after networks were let go where they leave less than half of it.

    Where its memory is not enough all the same and networks can go, they do, and it is calculated once more.
    """
    if device == "cpu":
        return calculate()
    give_back_torch_blocks(device)
    if is_crowded(device):
        make_room(device)
    try:
        return calculate()
    except (MemoryError, DeviceError) as error:  # cupy's is a MemoryError, and may be told as the cause of the other
        if not isinstance(error, MemoryError) and not isinstance(error.__cause__, MemoryError):
            raise
        if not make_room(device):
            raise
    return calculate()  # out of the handler, which holds what the first try had
