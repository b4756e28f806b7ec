"""Limits on the threads of BLAS and torch in this process, set while it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from distributed_trf.clusters.this_machine import with_variables

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that torch reads when it is loaded."""


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limit the threads of BLAS and torch while the block runs.

    The limits are set inside the process: environment variables come too late for loaded libraries. Torch takes seconds
    to load, and a study of spectrograms does not need it, so it is not loaded for this.
    """
    import numpy.linalg  # noqa: F401  its BLAS must be loaded to be limited
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    before = _threads_of_torch()
    with threadpool_limits(threads), with_variables(dict.fromkeys(VARIABLES, str(threads))):
        _hold_torch(threads)
        try:
            yield
        finally:
            _hold_torch(before)


def _threads_of_torch() -> int:
    """Return how many threads torch takes, or would take if it were loaded now."""
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    asked = next((os.environ[name] for name in VARIABLES if os.environ.get(name, "").isdecimal()), "0")
    return int(asked) or len(os.sched_getaffinity(0))


def _hold_torch(threads: int) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
