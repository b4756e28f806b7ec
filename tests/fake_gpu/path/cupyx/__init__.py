"""cupyx: pinned arrays, and whether failed factorisations are told."""

import math
import threading
from contextlib import contextmanager

import numpy as np

_local = threading.local()


def geterr():
    """Return what is told; as the real one, after a block None stays where nothing was set."""
    return {"divide": None, "over": None, "under": None, "invalid": None,
            "linalg": getattr(_local, "linalg", "ignore")}  # fmt: skip


@contextmanager
def errstate(*, divide=None, over=None, under=None, invalid=None, linalg=None):
    if any(v is not None for v in (divide, over, under, invalid)) or linalg not in (None, "ignore", "raise"):
        raise NotImplementedError
    before = geterr()["linalg"]
    _local.linalg = linalg or before
    try:
        yield
    finally:
        _local.linalg = before


def empty_pinned(shape, dtype=float, order="C"):
    from cupy.cuda import alloc_pinned_memory

    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    memory = alloc_pinned_memory(math.prod(shape) * np.dtype(dtype).itemsize)
    return np.ndarray(shape, dtype=dtype, buffer=memory, order=order)


def zeros_pinned(shape, dtype=float, order="C"):
    made = empty_pinned(shape, dtype, order)
    made[...] = 0
    return made
