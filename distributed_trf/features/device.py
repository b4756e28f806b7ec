"""A GPU that torch and cupy share: each keeps memory that it has used, and gives it back only when told to.

One pool for both would spare that, and RAPIDS' ``rmm`` offers one. But torch calls it as a pluggable allocator, with
which it no longer tells running out of memory from other errors (pytorch issue 133280), on which hearing in halves
rests, nor how much it holds (133281), and cuDNN's benchmark fails (98481). It would also have to be set before anything
else in the process touches the GPU. So each has its own, and they hand it over.

Nothing here does anything on the CPU.

Float32 that is float32: no library may round the factors of a network's products to fewer bits.

Between host and device: whole passes at a time, and nothing is waited for until all is under way.

Copies to and from pinned memory are queued on torch's current stream like the calculation itself, so they are done in
the order in which they were asked for, and whoever waits for the last one has waited for all. Pinned memory is torch's
own: it is handed out again only after the copies from and to it are done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

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


PARENTS = (("generic", "all"), ("cuda", "all"), ("mkldnn", "all"))
CHILDREN = tuple((library, kind) for library in ("cuda", "mkldnn") for kind in ("conv", "rnn", "matmul"))
"""Settings of torch from 2.9 on. What is not set follows its parent, and that the first of them."""

_LOCK = Lock()
_RESTORE: list[Callable[[], None]] = []
"""Of the first that is inside, one for each: the settings are those of the process, not of a thread."""


@contextmanager
def plain_float32() -> Iterator[None]:
    """Have torch calculate float32 products with all 24 bits while the block runs, and as it was told to after it.

    By default convolutions and recurrent layers on a GPU take TensorFloat-32, of 11 bits; so do other products where
    the process or ``TORCH_ALLOW_TF32_CUBLAS_OVERRIDE``, which torch reads once and keeps as one of these settings, says
    so, and bfloat16 on some CPUs. Products of bfloat16 and float16 are left as they are: what their sums may lose on
    the way is no more than what their factors lost before.
    """
    with _LOCK:
        _RESTORE.append(_RESTORE[0] if _RESTORE else _make_plain())
    try:
        yield
    finally:
        with _LOCK:
            restore = _RESTORE.pop()
            if not _RESTORE:
                restore()


def _make_plain() -> Callable[[], None]:
    import torch

    torch_c: Any = torch._C
    if not hasattr(torch_c, "_set_fp32_precision_setter"):  # before 2.9
        matmul, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False

        def restore_old() -> None:
            torch.set_float32_matmul_precision(matmul)
            torch.backends.cudnn.allow_tf32 = cudnn

        return restore_old

    read, write = torch_c._get_fp32_precision_getter, torch_c._set_fp32_precision_setter
    try:
        older = torch.get_float32_matmul_precision()
    except RuntimeError:  # it was set to one thing by the older functions and to another by the newer
        older = "high"
    # From the top: below a parent that is "ieee", whatever else is read was set there, and is all that must be set.
    found = {}
    for setting in (*PARENTS, *CHILDREN):
        if (value := read(*setting)) != "ieee":
            found[setting] = value
            write(*setting, "ieee")
    products = {}
    try:
        torch_c._get_cublas_allow_tf32()
    except RuntimeError:  # the older function allows what the newer does not, and whoever asks it would stop here
        for library in ("cuda", "mkldnn"):  # where the older one sets the newer ones as well
            parent = (library, "all") if (library, "all") in found else PARENTS[0]
            write(*parent, "tf32")
            products[library] = "none" if read(library, "matmul") == "tf32" else "ieee"
            write(*parent, "ieee")
        torch.set_float32_matmul_precision("highest")

    def restore() -> None:
        if products:
            torch.set_float32_matmul_precision(older)
        for library, value in products.items():
            write(library, "matmul", value)
        for setting, value in found.items():
            write(*setting, value)

    return restore


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
