"""Run tasks on workers: a window of futures, a number of attempts per item, outcomes in the order they arrive."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from distributed_trf.clusters.dask_internals import (
    gather_within,
    lost_client_errors,
    no_worker_error,
    scheduler_address,
)
from distributed_trf.clusters.device_proof import out_of_device_memory
from distributed_trf.errors import DeviceLostError, SchedulerLostError, WorkersLostError
from distributed_trf.pipeline.execute import Outcome, Task, execute, fail
from distributed_trf.pipeline.items import Item
from distributed_trf.pipeline.memory_check import smaller
from distributed_trf.pipeline.work import kind_of

MORE_MEMORY = (
    "give workers more memory (fewer workers, or `memory` in the recipe) or make items smaller (`extraction.batch`, "
    "`ridge.unit_block`)"
)

LOST = 2
"""GPUs that may be lost while running one item; the next loss fails the item."""
PATIENCE = 10.0
"""Seconds to wait for the outcome from one worker before other workers' outcomes are fetched first."""


def run_here(tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Do tasks one after another in this process; an error shows its whole stack trace."""
    for task in tasks:
        yield execute(task)


def run_on(client: Any, tasks: Sequence[Task], *, attempts: int, workers: int = 1) -> Iterator[Outcome]:
    """Do tasks on the workers of a cluster, in no particular order.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    tasks
        The tasks.
    attempts
        How often a task that raises is tried before it fails. A task that Dask gave up because its workers were lost
        is not tried again. A task whose GPU was lost goes to another worker, at most ``LOST`` times.
    workers
        Number of workers expected; workers from a queue may start later than the tasks.

    Yields
    ------
    Outcome
        One per task.

    Raises
    ------
    WorkersLostError
        If no worker is left and no new worker starts.
    SchedulerLostError
        If the scheduler is gone.

    Notes
    -----
    Each worker has about three tasks: one is calculated, one is written to disk at the same time, and one waits. So
    workers are never idle, the scheduler stays small, and little is lost with a worker.
    """
    from distributed import as_completed

    closed, cancelled = lost_client_errors()
    address = scheduler_address(client)
    waiting = iter(tasks)
    tried: Counter[Item] = Counter()
    lost: Counter[Item] = Counter()
    running: dict[Any, Task] = {}

    def submit(tasks: Sequence[Task]) -> Sequence[Any]:
        tried.update(task.item for task in tasks)
        keys = [_key(task.item, tried[task.item], task.run) for task in tasks]
        try:
            futures = client.map(execute_on_worker, tasks, key=keys, pure=False)
        except closed:
            raise _scheduler_lost(address) from None
        running.update(zip(futures, tasks, strict=True))
        return futures

    window = 3 * max(len(client.scheduler_info(n_workers=-1)["workers"]), workers)
    completed = as_completed(submit(list(islice(waiting, window))))
    for batch in completed.batches():
        try:
            outcomes = _fetch(client, [future for future in batch if future.status == "finished"])
        except (OSError, RuntimeError, cancelled):
            raise _scheduler_lost(address) from None
        following: list[Task] = []
        for future in batch:
            task = running.pop(future)
            if future in outcomes:
                yield outcomes[future]
            elif future.status == "cancelled" or client.status != "running":  # this driver cancels nothing
                raise _scheduler_lost(address)
            elif future.status != "error":
                # Its worker is stopped, or was lost before its outcome was fetched; then Dask runs the item again.
                running[future] = task
                completed.add(future)
                continue
            elif isinstance(future.exception(), no_worker_error()):
                raise WorkersLostError(
                    f"every worker was lost and no new one started, most likely out of memory; {MORE_MEMORY}. What "
                    "is done is kept: run the same command again"
                )
            elif isinstance(future.exception(), DeviceLostError) and lost[task.item] < LOST:
                lost[task.item] += 1
                following.append(task)
                continue
            elif tried[task.item] - lost[task.item] < attempts and not _gave_up(future):
                following.append(task)
                continue
            else:
                yield fail(task, _explain(future, tried[task.item]))
            following += islice(waiting, 1)
        if following:
            completed.update(submit(following))


def _fetch(client: Any, futures: Sequence[Any]) -> dict[Any, Outcome]:
    """Fetch the outcomes that arrive in time: all at once, or one by one if a worker does not answer."""
    try:
        return gather_within(client, futures, PATIENCE)
    except TimeoutError:
        alone = [_fetch(client, [future]) for future in futures] if len(futures) > 1 else []
        return {future: outcome for single in alone for future, outcome in single.items()}


def _key(item: Item, attempt: int, run: str) -> tuple[str, str, int, str]:
    """Return the key of a task; the dashboard names, groups and colours tasks by its first part."""
    return (kind_of(item).label(item), item.key, attempt, run)


@contextmanager
def ended_by_scheduler() -> Iterator[None]:
    """Raise the loss of the scheduler, if that caused the error in the block."""
    try:
        yield
    except Exception as error:
        first: BaseException | None = error
        while first is not None and not isinstance(first, SchedulerLostError):
            first = first.__context__
        if first is None or first is error:
            raise
        raise first from None


def _scheduler_lost(address: str) -> SchedulerLostError:
    return SchedulerLostError(
        f"the scheduler at {address} has ended, or cannot be reached any more; "
        "workers stop, and the items they were running are not done. What is done is kept: start a scheduler again and "
        "run the same command"
    )


def _killed(future: Any) -> bool:
    """Tell whether Dask gave up a task because several workers were lost while running it."""
    from distributed import KilledWorker

    return isinstance(future.exception(), KilledWorker)


def _gave_up(future: Any) -> bool:
    """Tell whether another attempt would only lose more workers."""
    return _killed(future) or isinstance(future.exception(), DeviceLostError)


def _explain(future: Any, tried: int) -> str:
    """Say for the user why a task did not finish."""
    if _killed(future):
        return f"its workers were lost again and again, most likely out of memory; {MORE_MEMORY}"
    error = future.exception()
    if isinstance(error, DeviceLostError):
        return f"{LOST + 1} GPUs were lost while running it, one after another: {error}"
    return f"{type(error).__name__}: {error} (tried {tried} times)"


logger = logging.getLogger(__name__)


def execute_on_worker(task: Task) -> Outcome:
    """Do one work item, and give its timings to Dask's fine performance metrics.

    Raises
    ------
    OSError, MemoryError
        Errors that may pass, such as those of a file system: the driver decides whether to try again. Any other error
        would occur again, and fails the item at once.
    DeviceLostError
        If the worker's GPU no longer works, which is not caused by the item.
    """
    from distributed import secede
    from distributed.metrics import context_meter

    try:
        outcome = execute(task, secede)
    except Exception as error:
        full = out_of_device_memory(error)
        if isinstance(error, OSError | MemoryError) and not full:
            raise
        logger.exception("%s %s", task.item.stage, task.item.key)
        problem = f"{type(error).__name__}: {error}"
    else:
        for name, seconds in outcome.execution.timings.items():
            context_meter.digest_metric(name, seconds, "seconds")
        return outcome
    from distributed_trf.clusters.worker_proof import check_still_works

    gc.collect()  # only now can the arrays of the frames that raised be freed
    check_still_works(task.device, problem)
    return fail(
        task, f"{problem}; it does not fit the GPU: choose {smaller(task.item, task.device)}" if full else problem
    )
