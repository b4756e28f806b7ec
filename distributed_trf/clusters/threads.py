"""Threads of the libraries in this process."""

from __future__ import annotations

from typing import Any


def limit_threads(threads: int) -> Any:
    """Hold BLAS and torch to some threads; the limit on BLAS lasts for as long as the object returned.

    Set from inside the process: environment variables come too late for libraries that are loaded already.
    """
    import numpy.linalg  # noqa: F401  its BLAS must be loaded to be limited
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    limit = threadpool_limits(threads)
    try:
        import torch
    except ImportError:
        return limit
    torch.set_num_threads(threads)
    return limit
