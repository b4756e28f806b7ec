"""Tasks to workers: a window of futures, an attempt budget per item, outcomes as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from distributed_trf.pipeline.execute import Outcome, Task, execute, fail
from distributed_trf.pipeline.items import Extract, Fit, Item


def run_here(tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Do tasks one after another in this process: a plain stack trace when something breaks."""
    for task in tasks:
        yield execute(task)


def run_on(client: Any, tasks: Sequence[Task], *, attempts: int) -> Iterator[Outcome]:
    """Do tasks on the workers of a cluster, in no particular order.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    tasks
        What to do.
    attempts
        How often a task that raises, or whose worker is lost again and again, is tried before it has failed.

    Yields
    ------
    Outcome
        One per task.

    Notes
    -----
    About two tasks per worker are in flight, so that workers never idle while the scheduler stays small and a lost
    worker takes little with it.
    """
    from distributed import as_completed

    waiting = iter(tasks)
    tried: Counter[Item] = Counter()
    running: dict[Any, Task] = {}

    def submit(task: Task) -> Any:
        tried[task.item] += 1
        future = client.submit(execute, task, key=_key(task.item, tried[task.item], task.run), pure=False)
        running[future] = task
        return future

    window = 2 * max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)
    completed = as_completed([submit(task) for task in islice(waiting, window)])
    for future in completed:
        task = running.pop(future)
        if future.status == "finished":
            yield future.result()
        elif tried[task.item] < attempts:
            completed.add(submit(task))
            continue
        else:
            yield fail(task, f"{_explain(future)} (tried {attempts} times)")
        for following in islice(waiting, 1):
            completed.add(submit(following))


def _key(item: Item, attempt: int, run: str) -> tuple[str, str, int, str]:
    """Key of a task: the dashboard groups tasks by its first part."""
    group = f"{item.stage}-{item.network}" if isinstance(item, (Extract, Fit)) else item.stage
    return (group, item.key, attempt, run)


def _explain(future: Any) -> str:
    """Say in the user's words why a task did not finish."""
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        return (
            "its workers were lost again and again, most likely out of memory; give workers more memory (fewer "
            "workers, or `memory` in the recipe) or make the item smaller (`batch`, `ridge.unit_block`)"
        )
    return f"{type(error).__name__}: {error}"
