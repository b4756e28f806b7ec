"""A GPU that torch and cupy share: each keeps memory that it has used, and gives it back only when told to.

One pool for both would spare that, and RAPIDS' ``rmm`` offers one. But torch calls it as a pluggable allocator, with
which it no longer tells running out of memory from other errors (pytorch issue 133280), on which hearing in halves
rests, nor how much it holds (133281), and cuDNN's benchmark fails (98481). It would also have to be set before anything
else in the process touches the GPU. So each has its own, and they hand it over.

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


def give_back_cupy_blocks(device: str) -> int:
    """Free what cupy keeps of a device without using it, and return how many bytes that were."""
    if device == "cpu" or "cupy" not in sys.modules:
        return 0
    pool = sys.modules["cupy"].get_default_memory_pool()
    kept = pool.free_bytes()
    pool.free_all_blocks()
    return int(kept)


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


def is_crowded(device: str) -> bool:
    """Whether less of a GPU is free than the half that networks leave to others, what cupy keeps unused included."""
    torch = sys.modules.get("torch")  # without it no network is there
    if device == "cpu" or torch is None:
        return False
    free, total = torch.cuda.mem_get_info(device)
    cupy = sys.modules.get("cupy")
    return 2 * (free + (cupy.get_default_memory_pool().free_bytes() if cupy else 0)) < total


def free_bytes(device: str) -> int:
    """Return the bytes that torch may still take: of a GPU what is free and what torch itself keeps unused."""
    if device == "cpu":
        import psutil

        return int(psutil.virtual_memory().available)
    cuda = sys.modules["torch"].cuda
    return int(cuda.mem_get_info(device)[0] + cuda.memory_reserved(device) - cuda.memory_allocated(device))
