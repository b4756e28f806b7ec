"""Threads of the libraries in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""What torch goes by when it is loaded."""


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Hold BLAS and torch to some threads for as long as the block runs.

    Set from inside the process: environment variables come too late for libraries that are loaded already. Torch takes
    seconds to load, and a study of spectrograms needs none, so that it is not loaded for this.
    """
    import numpy.linalg  # noqa: F401  its BLAS must be loaded to be limited
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    loaded = sys.modules.get("torch")
    before = len(os.sched_getaffinity(0)) if loaded is None else loaded.get_num_threads()
    environment = {name: os.environ.get(name) for name in VARIABLES}
    with threadpool_limits(threads):
        os.environ.update(dict.fromkeys(VARIABLES, str(threads)))
        _hold_torch(threads)
        try:
            yield
        finally:
            _hold_torch(before)
            for name, value in environment.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _hold_torch(threads: int) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
