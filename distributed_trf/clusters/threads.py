"""Threads of the libraries in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Hold BLAS and torch to some threads for as long as the block runs.

    Set from inside the process: environment variables come too late for libraries that are loaded already.
    """
    import numpy.linalg  # noqa: F401  its BLAS must be loaded to be limited
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        try:
            import torch
        except ImportError:
            yield
            return
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
