"""A GPU that torch and cupy share: each keeps memory that it has used, and gives it back only when told to.

Nothing here does anything on the CPU.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_on(device: str) -> Iterator[None]:
    """Leave a device to torch while the block runs, and to others after it."""
    give_back_cupy_blocks(device)
    try:
        yield
    finally:
        give_back_torch_blocks(device)


def give_back_cupy_blocks(device: str) -> None:
    """Free what cupy keeps of a device without using it."""
    if device != "cpu" and "cupy" in sys.modules:
        sys.modules["cupy"].get_default_memory_pool().free_all_blocks()


def give_back_torch_blocks(device: str) -> None:
    """Free what torch keeps of a device without using it."""
    if device != "cpu" and "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()


def network_room(device: str) -> int:
    """Return the bytes of a device that networks may take: half of a GPU, the other half being for what they hear.

    On the CPU it is none, where planning counts a single network.
    """
    torch = sys.modules.get("torch")  # without it no network is there yet
    if device == "cpu" or torch is None or not torch.cuda.is_available():
        return 0
    return torch.cuda.get_device_properties(device).total_memory // 2
