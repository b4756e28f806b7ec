"""What this package uses of ``distributed`` beyond its documentation; nothing else touches that.

Checked against distributed 2026.7.1; ``tests/architecture/test_internals.py`` names what a later version has moved.
Each function says what it rests on. Where that moves, what breaks is:

- workers of this machine: ``new_loop_runner``, ``kill_workers``, ``variables_of_nannies``, ``is_being_started``,
  ``own_preload``;
- workers by ssh: ``ssh_worker_class``; jobs of a queue: ``correct_state``, ``fail_without_workers_after``;
- the study's page on the dashboard: ``plugin_of``, ``serve_pages``, ``take_messages``, ``send_message``;
- what is done when workers or the scheduler are lost: ``gather_within``, ``scheduler_address``,
  ``lost_client_errors``, ``no_worker_error``, ``close_worker``, ``plugin_of``, ``reason``, ``quiet_heartbeats``.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any


def new_loop_runner() -> Any:
    """Return what starts an event loop in a thread and stops it; it is in ``distributed.utils``."""
    from distributed.utils import LoopRunner

    return LoopRunner()


def ssh_worker_class() -> Any:
    """Return what ``SSHCluster`` starts its workers with; here each has a host and options of its own."""
    from distributed.deploy.ssh import Worker

    return Worker


def is_being_started() -> bool:
    """Tell whether this process is a worker that imports the script which starts it.

    While ``multiprocessing`` (Python 3.11 to 3.13) does so, a spawned process is marked as ``_inheriting``.
    """
    return getattr(multiprocessing.current_process(), "_inheriting", False)


def variables_of_nannies() -> set[str]:
    """Return the names of what nannies set in the environment of this process, for workers to inherit.

    They do when they start a worker, and again when they start another in its place.
    """
    import dask

    return {*dask.config.get("distributed.nanny.pre-spawn-environ"), "PYTHONHASHSEED"}


@contextmanager
def own_preload() -> Iterator[None]:
    """Have nannies leave to this package what a fork server loads, while the block runs.

    Before the first one starts a worker, distributed would load pandas here, to name it to the server.
    """
    import distributed.utils

    before = distributed.utils._forkserver_preload_set
    distributed.utils._forkserver_preload_set = True
    try:
        yield
    finally:
        distributed.utils._forkserver_preload_set = before


def kill_workers(cluster: Any, patience: float) -> None:
    """Kill the workers of a ``LocalCluster`` that would not close, and close its scheduler, in ``patience`` seconds.

    Nannies name their processes; a cluster that is not ``closed`` would wait once more when this process ends.
    """
    from distributed import Status

    for process in multiprocessing.active_children():
        if process.name.startswith("Dask Worker process"):
            process.kill()
    with suppress(TimeoutError):
        cluster.sync(cluster.scheduler.close, callback_timeout=patience)
    cluster.status = Status.closed


async def correct_state(cluster: Any) -> None:
    """Have a ``SpecCluster`` start what it lacks and close what is too many, and wait for that on its event loop.

    ``scale`` asks for the same, but neither waits nor tells of what fails.
    """
    await cluster._correct_state()


def fail_without_workers_after(scheduler: Any, seconds: float) -> None:
    """Have the scheduler in this process fail tasks that wait so long for a worker; documented as a setting alone."""
    scheduler.no_workers_timeout = seconds


def plugin_of(process: Any, name: str) -> Any:
    """Return a plugin that a scheduler or worker has under a name, or None."""
    return process.plugins.get(name)


def serve_pages(scheduler: Any, pages: Sequence[tuple[str, type, dict[str, Any]]]) -> None:
    """Serve pages at the scheduler's dashboard: of each its path, its tornado handler and what that is made with."""
    scheduler.http_application.add_handlers(".*", [*pages])


def take_messages(scheduler: Any, name: str, take: Callable[..., None]) -> None:
    """Have a scheduler hand the messages of a name to a function (see ``send_message``)."""
    scheduler.handlers[name] = take


def send_message(client: Any, name: str, seconds: float, **content: Any) -> bool:
    """Send a message to the scheduler's function of that name; False if the client has no scheduler any more.

    Raises
    ------
    OSError, RuntimeError
        If the scheduler does not answer in so many seconds, or the client is closed.
    """
    scheduler = client.scheduler  # None once the client has given it up
    if scheduler is None:
        return False
    client.sync(getattr(scheduler, name), callback_timeout=seconds, **content)
    return True


def scheduler_address(client: Any) -> str:
    """Return the address by which a client knows its scheduler."""
    return str(client.scheduler.address)


def gather_within(client: Any, futures: Sequence[Any], seconds: float) -> dict[Any, Any]:
    """Fetch the results of futures, by future, where their workers still have them.

    By their keys, ``Client.gather`` gives None for a result that ``errors="skip"`` leaves out.

    Raises
    ------
    TimeoutError
        If a worker does not hand one over in so many seconds.
    """
    gather = partial(client.gather, errors="skip", asynchronous=True)
    found = client.sync(gather, {future.key: future for future in futures}, callback_timeout=seconds)
    return {future: found[future.key] for future in futures if found[future.key] is not None}


def lost_client_errors() -> tuple[type[Exception], type[BaseException]]:
    """Return what a client raises once its scheduler is gone: as it submits, and as it fetches."""
    from distributed.client import ClosedClientError, FutureCancelledError

    return ClosedClientError, FutureCancelledError


def no_worker_error() -> type[Exception]:
    """Return what a task fails with that has waited for a worker for too long."""
    from distributed.scheduler import NoWorkerError

    return NoWorkerError


def close_worker(worker: Any, after: float, *, restart: bool, reason: str | None) -> None:
    """Have a worker take no more work, and close some seconds later; on its event loop.

    Its ``status`` is what the scheduler goes by; by ``restart`` its nanny starts another.
    """
    from distributed import Status

    worker.status = Status.paused
    worker.loop.call_later(after, worker.close_gracefully, restart=restart, reason=reason)


def reason(error: BaseException) -> str:
    """Return what an error of a connection says, without the objects of Dask that are printed before it."""
    return (str(error.__cause__ or "") or str(error)).rpartition(">: ")[2]  # a cause may say nothing


@contextmanager
def quiet_heartbeats() -> Iterator[None]:
    """Leave out of a worker's log, while the block runs, what is no news: names of loggers, and what they say."""
    sizes, worker = logging.getLogger("distributed.sizeof"), logging.getLogger("distributed.worker")
    level = sizes.level
    # Profiles of deep call stacks are too deep for it to measure, and it says so each time.
    sizes.setLevel(logging.ERROR)
    worker.addFilter(is_news)
    try:
        yield
    finally:
        sizes.setLevel(level)
        worker.removeFilter(is_news)


def is_news(record: logging.LogRecord) -> bool:
    """Tell whether a worker need log something: not that a heartbeat found the scheduler closed, as when a run ends."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and "during heartbeat" in record.getMessage())
