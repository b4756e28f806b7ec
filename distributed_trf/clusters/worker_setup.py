"""What every worker does when it starts: its threads, and what it need not log.

Threads of the libraries in this process.

Tell all workers something, though some may be lost meanwhile.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from distributed import Worker, WorkerPlugin

from distributed_trf.clusters.dask_internals import quiet_heartbeats
from distributed_trf.clusters.this_machine import with_variables
from distributed_trf.errors import WorkersLostError


class WorkerSetup(WorkerPlugin):
    """Hold BLAS and torch to some threads for as long as the worker lives."""

    name = "distributed_trf"

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._limits = ExitStack()

    def setup(self, worker: Worker) -> None:
        """Set the limits, and what is logged, when the worker starts, or starts again."""
        self._limits.enter_context(limited_threads(self.threads))
        self._limits.enter_context(quiet_heartbeats())

    def teardown(self, worker: Worker) -> None:
        """Leave all as it was, where the worker goes on working for others."""
        self._limits.close()


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


T = TypeVar("T")

ATTEMPTS = 5
PAUSE = 0.2
"""Seconds in which the scheduler notices who is gone."""


def on_all_workers(client: Any, tell: Callable[..., T], *args: Any) -> T:
    """Call what sends a message to every worker of a client, again when one that it was sent to is gone.

    Dask gives up such a message as a whole. That a worker was lost must not end a run: those that are left are told
    again, and one that comes in its place is told as it starts.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    tell
        A method of the client, such as ``client.register_plugin``.
    *args
        What it takes.

    Raises
    ------
    WorkersLostError
        If a worker was lost at every attempt.
    OSError
        If the scheduler itself is gone.
    """
    for _ in range(ATTEMPTS):
        try:
            return tell(*args)
        except OSError as error:
            if client.status != "running":
                raise
            lost = error
            time.sleep(PAUSE)
    raise WorkersLostError(
        f"each of {ATTEMPTS} times that the workers were set up one of them was lost: {lost}; see what ends them in "
        "the workers' logs"
    ) from lost
