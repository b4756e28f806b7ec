"""A task on a Dask worker: the scheduler is told where its time went, and what is wrong is told from what may pass."""

from __future__ import annotations

import gc
import logging

from distributed_trf.clusters.device_proof import out_of_device_memory
from distributed_trf.pipeline.execute import Outcome, Task, execute, fail

logger = logging.getLogger(__name__)


def execute_on_worker(task: Task) -> Outcome:
    """Do one work item, and give its timings to Dask's fine performance metrics.

    Raises
    ------
    OSError, MemoryError
        What may pass by itself, such as a file system that refuses: the driver decides whether to try again. Anything
        else that is raised would be raised again, and fails the item at once.
    DeviceLostError
        If the worker's GPU answers no more, which is no fault of the item.
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
        for name, seconds in outcome.details.get("timings", {}).items():
            context_meter.digest_metric(name, seconds, "seconds")
        return outcome
    from distributed_trf.clusters.worker_proof import check_still_works
    from distributed_trf.pipeline.costs.memory import smaller

    gc.collect()  # arrays of the frames that raised: only now does nothing hold them
    check_still_works(task.device, problem)
    return fail(
        task, f"{problem}; it does not fit the GPU: choose {smaller(task.item, task.device)}" if full else problem
    )
