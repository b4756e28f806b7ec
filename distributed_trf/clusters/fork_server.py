"""Workers on this machine's cores as forks of one process, which has loaded what they need.

A Python that starts anew loads Dask and this package for more than a second of a core before it can work, and so does
each that takes the place of a worker that was killed. A fork has all that at once, and shares its memory.

The process is multiprocessing's fork server, one for all of this process. What is used of it beyond its documentation
(``_forkserver``, with ``_forkserver_pid``, ``_preload_modules`` and ``_stop``) was checked against Python 3.11;
``tests/architecture/test_internals.py`` names what a later version has moved.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from typing import Any

import psutil

from distributed_trf.clusters import preloading
from distributed_trf.clusters.dask_internals import own_preload
from distributed_trf.clusters.this_machine import with_variables

OF_EVERY_WORKER = (
    "distributed.nanny",
    "distributed_trf.clusters.worker_setup",
    "distributed_trf.clusters.worker_proof",
    "dask.multiprocessing",
    "scipy.linalg",
)
"""Modules that a worker loads before it gets work."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Of the server: a fork has none of its other threads. Workers set how many theirs are (see ``limited_threads``)."""
TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGHUP)
REAPED = 2.0
"""Seconds for the server to learn that a worker has ended."""


@contextmanager
def forked_workers(preload: Sequence[str]) -> Iterator[None]:
    """Have nannies of this process fork their workers, while the block runs, from a server that ends with it.

    The server begins to load at once, beside what this process does meanwhile. The C library reads the environment
    once, so the server gets that of the workers; what differs between workers, or comes later, their nannies set.

    If this process has a fork server already, its environment is another, and workers start anew as they do elsewhere.

    Parameters
    ----------
    preload
        Modules that workers shall have loaded beside those that every one needs. They must start no threads. What
        cannot be loaded is left out.
    """
    import dask

    server: Any = forkserver._forkserver
    if server._forkserver_pid is not None:
        yield
        return
    before = server._preload_modules
    own = dask.config.get("distributed.nanny.pre-spawn-environ")
    environment = {name: os.environ.get(name, str(value)) for name, value in own.items() if value is not None}
    try:
        forkserver.set_forkserver_preload([*OF_EVERY_WORKER, preloading.__name__])
        with (
            with_variables(environment | ONE_THREAD | {preloading.VARIABLE: " ".join(preload)}),
            deaf_to_the_terminal(),
        ):
            forkserver.ensure_running()
        with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}), own_preload():
            yield
    finally:
        _end(server)
        forkserver.set_forkserver_preload(before)


@contextmanager
def deaf_to_the_terminal() -> Iterator[None]:
    """Have processes and threads that this thread starts in the block ignore a terminal, from their first instruction.

    A terminal sends SIGINT (Ctrl-C) and SIGHUP (it closes) to workers as well. They would die with tracebacks while
    this process shuts down and ends them in order. Signals that a thread blocks are blocked in its child processes.
    """
    resource_tracker.ensure_running()  # otherwise it starts with the first process, and unblocks signals in that thread
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(server: Any) -> None:
    """End the server; one from which others forked processes in the meantime, not workers, ends with this process."""
    if server._forkserver_pid is None:
        return
    _, others = psutil.wait_procs(psutil.Process(server._forkserver_pid).children(), timeout=REAPED)
    if not others:
        os.kill(server._forkserver_pid, signal.SIGKILL)  # it holds nothing, and would take half a second to unload
        server._stop()
