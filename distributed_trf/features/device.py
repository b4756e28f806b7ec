"""A GPU for the forward passes of networks: memory shared with cupy, and copies from and to it.

Memory: torch and cupy each keep memory that they have used, and free it only when asked. One pool for both would avoid
that, and RAPIDS' ``rmm`` offers one. But torch calls it as a pluggable allocator. Then torch no longer distinguishes
running out of memory from other errors (pytorch issue 133280), which splitting a batch needs, does not report how much
it holds (133281), and cuDNN's benchmark fails (98481). The pool would also have to be set before anything else in the
process uses the GPU. So each library has its own pool, and frees it for the other.

Copies: they go through pinned memory and are queued on torch's current stream like the computation itself. So they are
done in order, and waiting for the last one waits for all. The pinned memory belongs to torch, which reuses it only
after the copies are done.

Nothing here does anything on the CPU.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from array_api_compat import is_torch_array

from distributed_trf.arrays import Array

if TYPE_CHECKING:
    import torch


@contextmanager
def torch_on(device: str) -> Iterator[None]:
    """Give a device's memory to torch while the block runs, and free it for others after that."""
    free_cupy_blocks(device)
    try:
        yield
    finally:
        free_torch_blocks(device)


def free_cupy_blocks(device: str) -> int:
    """Free the unused memory of a device that cupy keeps; return the number of bytes."""
    if device == "cpu" or "cupy" not in sys.modules:
        return 0
    pool = sys.modules["cupy"].get_default_memory_pool()
    kept = pool.free_bytes()
    pool.free_all_blocks()
    return int(kept)


def free_torch_blocks(device: str) -> None:
    """Free the unused memory of a device that torch keeps."""
    if device != "cpu" and "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()


def network_room(device: str) -> int:
    """Return the bytes of a device that networks may take: half of a GPU; the other half is for their forward passes.

    On the CPU it is 0, because planning counts a single network there.
    """
    torch = sys.modules.get("torch")  # without torch no network is loaded yet
    if device == "cpu" or torch is None or not torch.cuda.is_available():
        return 0
    return torch.cuda.get_device_properties(device).total_memory // 2


def is_crowded(device: str) -> bool:
    """Tell whether less than half of a GPU is free, counting the unused memory that cupy keeps as free."""
    torch = sys.modules.get("torch")  # without torch no network is loaded
    if device == "cpu" or torch is None:
        return False
    free, total = torch.cuda.mem_get_info(device)
    cupy = sys.modules.get("cupy")
    return 2 * (free + (cupy.get_default_memory_pool().free_bytes() if cupy else 0)) < total


def free_bytes(device: str) -> int:
    """Return the bytes that torch may still take: on a GPU the free ones and those that torch keeps unused."""
    if device == "cpu":
        import psutil

        return int(psutil.virtual_memory().available)
    cuda = sys.modules["torch"].cuda
    return int(cuda.mem_get_info(device)[0] + cuda.memory_reserved(device) - cuda.memory_allocated(device))


def to_model(values: torch.Tensor, device: str, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Copy the input of a forward pass to the network's device and, if given, convert it to a dtype."""
    values = values if dtype is None else values.to(dtype)
    return values.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else values.to(device)


class Gathered:
    """Copies the outputs of layers to the host, all frames of a layer in a pass at once."""

    def __init__(self) -> None:
        self._sums: list[Array] = []
        """The sum of each copy. A NaN or Inf anywhere makes the sum NaN or Inf, in any order of summation."""

    def take(self, pieces: Sequence[Array]) -> list[np.ndarray]:
        """Copy arrays of one width, shape (frames, width) each and all on the same device, to float32 on the host.

        They are copied immediately, because a module that works in place overwrites its input. Copies from a device may
        be read once ``seem_finite`` has returned.
        """
        ends = np.cumsum([piece.shape[0] for piece in pieces]).tolist()
        shape = (ends[-1], pieces[0].shape[1])
        if is_torch_array(pieces[0]) and pieces[0].device.type != "cpu":
            import torch

            block = torch.cat(list(pieces)).float()
            pinned = torch.empty(shape, dtype=torch.float32, pin_memory=True)
            pinned.copy_(block, non_blocking=True)
            self._sums.append(block.sum())
            host = pinned.numpy()
        else:
            host = np.empty(shape, dtype=np.float32)
            for piece, start, end in zip(pieces, [0, *ends], ends, strict=False):
                _copy(piece, host[start:end])
            with np.errstate(over="ignore", invalid="ignore"):
                self._sums.append(host.sum())
        return np.split(host, ends[:-1])

    def seem_finite(self) -> bool:
        """Wait for all copies; True if no value is NaN or Inf. False also if the sum of finite values overflows."""
        on_device = [total for total in self._sums if is_torch_array(total)]
        if on_device:
            import torch

            return bool(torch.stack(on_device).isfinite().all())  # the copy of this to the host ends the queue
        return bool(np.isfinite(self._sums).all())


def to_host(rows: Sequence[Array]) -> np.ndarray:
    """Copy rows of one width, shape (width,) each and all on the same device, to float32 on the host; wait for it."""
    if is_torch_array(rows[0]):
        import torch

        return torch.stack(list(rows)).float().cpu().numpy()
    return np.stack(rows).astype(np.float32)


def _copy(piece: Array, host: np.ndarray) -> None:
    if is_torch_array(piece):
        import torch

        torch.from_numpy(host).copy_(piece)
    else:
        host[:] = piece
