"""Float32 that is float32: no library may round the factors of a network's products to fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

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
