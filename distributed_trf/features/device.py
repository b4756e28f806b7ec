"""A GPU that torch and cupy share: each keeps memory that it has used, and gives it back only when told to.

One pool for both would spare that, and RAPIDS' ``rmm`` offers one. But torch calls it as a pluggable allocator, with
which it no longer tells running out of memory from other errors (pytorch issue 133280), on which hearing in halves
rests, nor how much it holds (133281), and cuDNN's benchmark fails (98481). It would also have to be set before anything
else in the process touches the GPU. So each has its own, and they hand it over.

Nothing here does anything on the CPU.

Between host and device: whole passes at a time, and nothing is waited for until all is under way.

Copies to and from pinned memory are queued on torch's current stream like the calculation itself, so they are done in
the order in which they were asked for, and whoever waits for the last one has waited for all. Pinned memory is torch's
own: it is handed out again only after the copies from and to it are done.
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


def to_model(values: torch.Tensor, device: str, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Bring what a network hears in a pass to its device and, if one is given, its dtype."""
    values = values if dtype is None else values.to(dtype)
    return values if device == "cpu" else values.pin_memory().to(device, non_blocking=True)


class Gathered:
    """Brings what layers give to the host, each layer's frames of a pass at once."""

    def __init__(self) -> None:
        self._sums: list[Array] = []
        """Of each copy. NaN or Inf anywhere makes the sum NaN or Inf, in whatever order it is taken."""

    def take(self, pieces: Sequence[Array]) -> list[np.ndarray]:
        """Copy arrays of one width, shape (frames, width) each and all on the same device, to float32 on the host.

        They are copied at once, since a module that works in place writes over what it was given; those from a device
        may be read once ``seem_finite`` has returned.
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
        """Wait for all copies, and say that nothing is NaN or Inf; if not, something is, or is nearly too large."""
        on_device = [total for total in self._sums if is_torch_array(total)]
        if on_device:
            import torch

            return bool(torch.stack(on_device).isfinite().all())  # the copy of this to the host ends the queue
        return bool(np.isfinite(self._sums).all())


def _copy(piece: Array, host: np.ndarray) -> None:
    if is_torch_array(piece):
        import torch

        torch.from_numpy(host).copy_(piece)
    else:
        host[:] = piece
