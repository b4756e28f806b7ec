"""Setting up workers: their threads and logs, and calls that reach all workers although some may be lost meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from distributed import Worker, WorkerPlugin

from distributed_trf.clusters.dask_internals import quiet_heartbeats
from distributed_trf.clusters.thread_limits import limited_threads
from distributed_trf.errors import WorkersLostError


class WorkerSetup(WorkerPlugin):
    """Limit the threads of BLAS and torch while the worker lives."""

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


T = TypeVar("T")

ATTEMPTS = 5
PAUSE = 0.2
"""Seconds in which the scheduler notices lost workers."""


def on_all_workers(client: Any, call: Callable[..., T], *args: Any) -> T:
    """Call a method that sends a message to every worker of a client, again if a worker is lost meanwhile.

    Dask gives up such a message as a whole. The loss of a worker must not end a run: the remaining workers get the
    message again, and a new worker gets it as it starts.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    call
        A method of the client, such as ``client.register_plugin``.
    *args
        Arguments of the method.

    Raises
    ------
    WorkersLostError
        If a worker was lost at every attempt.
    OSError
        If the scheduler itself is lost.
    """
    for _ in range(ATTEMPTS):
        try:
            return call(*args)
        except OSError as error:
            if client.status != "running":
                raise
            lost = error
            time.sleep(PAUSE)
    raise WorkersLostError(
        f"a worker was lost at each of {ATTEMPTS} attempts to set the workers up: {lost}; the workers' logs say why "
        "they end"
    ) from lost
