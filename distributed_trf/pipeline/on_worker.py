"""A task on a Dask worker: the scheduler is told where its time went."""

from __future__ import annotations

from distributed_trf.pipeline.execute import Outcome, Task, execute


def execute_on_worker(task: Task) -> Outcome:
    """Do one work item, and give its timings to Dask's fine performance metrics."""
    from distributed import secede
    from distributed.metrics import context_meter

    outcome = execute(task, secede)
    for name, seconds in outcome.details.get("timings", {}).items():
        context_meter.digest_metric(name, seconds, "seconds")
    return outcome
