"""What every worker does when it starts: its threads, and what it need not log.

Threads of the libraries in this process.

Tell all workers something, though some may be lost meanwhile.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from distributed import Worker, WorkerPlugin

from distributed_trf.errors import WorkersLostError


class WorkerSetup(WorkerPlugin):
    """Hold BLAS and torch to some threads for as long as the worker lives."""

    name = "distributed_trf"

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._limits = ExitStack()

    def setup(self, worker: Worker) -> None:
        """Set the limits when the worker starts, or starts again."""
        self._limits.enter_context(limited_threads(self.threads))
        # Profiles of deep call stacks are too deep for it to measure, and it says so each time.
        logging.getLogger("distributed.sizeof").setLevel(logging.ERROR)
        logging.getLogger("distributed.worker").addFilter(is_news)

    def teardown(self, worker: Worker) -> None:
        """Lift the limits again, where the worker goes on working for others."""
        self._limits.close()


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a worker need log something: not that a heartbeat found the scheduler closed, as when a run ends."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and "during heartbeat" in record.getMessage())


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


T = TypeVar("T")

ATTEMPTS = 5
PAUSE = 0.2
"""Seconds in which the scheduler notices who is gone."""


def tell_workers(client: Any, tell: Callable[..., T], *args: Any) -> T:
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
