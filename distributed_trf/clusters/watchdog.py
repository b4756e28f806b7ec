"""The watchdog submits jobs again that end before the run; dask-jobqueue does not do this by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from distributed import Scheduler, SchedulerPlugin

from distributed_trf.clusters.dask_internals import fail_without_workers_after, no_worker_error
from distributed_trf.clusters.job_listing import end_of_log, live_jobs
from distributed_trf.clusters.jobqueue_internals import Jobs, end_job, mark_refused, refusal
from distributed_trf.clusters.recipe_jobs import JobRecipe
from distributed_trf.clusters.worker_proof import TOPIC
from distributed_trf.errors import SubmissionError, WorkersLostError

logger = logging.getLogger(__name__)

SOON, OFTEN, AT_LEAST = 1.0, 15.0, 60.0
"""Seconds between queries of the queue: after the loss of a worker, while a job has no worker, and otherwise."""
ALERT = 15.0
"""Seconds after the loss of a worker during which its job may still be ending."""
SERVED = 600.0
"""Seconds, or half its walltime, after which a job has done its service: replacing it then does not count."""
LONGEST_PAUSE = 300.0
"""Longest pause in seconds between submissions that the queue refuses; the first are 1, 2 and 4 s apart."""
GIVE_UP = 1.0
"""Seconds that tasks wait for a worker when none will come."""


@contextmanager
def watch_jobs(cluster: Any, recipe: JobRecipe) -> Iterator[None]:
    """Submit the jobs of a recipe, and submit again those that end, until the block ends.

    A job whose worker was lost is replaced within seconds, one that ends before its worker joins within ``OFTEN``
    seconds. Jobs that ran for ten minutes, or for half of a shorter walltime, are always replaced. Replacements of
    other jobs are counted and limited by the recipe's ``resubmissions``. Then the run goes on with the remaining jobs.
    If no job remains, tasks fail within seconds instead of waiting for ever.

    Parameters
    ----------
    cluster
        A running ``dask_jobqueue.JobQueueCluster`` with one worker per job.
    recipe
        Recipe of the cluster.

    Raises
    ------
    SubmissionError
        If the queue refuses every job, with its message.
    WorkersLostError
        Instead of the block's error if no worker is left: says why the jobs ended, with the end of the last job's log.
    """
    watchdog = Watchdog(cluster, recipe)
    try:
        cluster.sync(watchdog.begin)
        yield
    except (WorkersLostError, no_worker_error()):
        if watchdog.given_up is None:
            raise
        raise WorkersLostError(watchdog.given_up) from None
    finally:
        cluster.sync(watchdog.end)


class Watchdog(SchedulerPlugin):
    """Compares the jobs of a cluster with those that the queue lists; it runs on the cluster's event loop.

    A replacement gets a new name. With the old name the scheduler would refuse it as long as it still counts the worker
    of a lost node, and the cluster would cancel it once the old worker has been missing for long enough.
    """

    def __init__(self, cluster: Any, recipe: JobRecipe) -> None:
        self.scheduler = cluster.scheduler
        self.jobs = Jobs(cluster)
        self.recipe = recipe
        self.left: int = recipe.resubmissions
        self.given_up: str | None = None
        self._joined: dict[str, float] = {}
        """When the worker of a job joined, by its name."""
        self._lost_one = -ALERT
        """When a worker was lost."""
        self._queried = 0.0
        self._refused = 0
        """Submissions that the queue refused, one after another."""
        self._wait_until = 0.0
        self._last_refusal = ""
        self._last_end = ""
        self._last_job = ""
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Submit the jobs, then begin to watch."""
        while len(self.jobs.wanted) < self.recipe.jobs:
            self.jobs.add()
        await self._submit()
        if all(job.job_id is None for job in self.jobs.submitted.values()):
            raise SubmissionError(
                f"no job could be submitted: {self._last_refusal}. `dtrf recipes show RECIPE --script` prints the "
                "resources that a job requests"
            )
        self.scheduler.add_plugin(self, name="watchdog")
        self._task = asyncio.create_task(self._watch())

    async def end(self) -> None:
        """Stop watching, after a submission in progress: the cluster must know its job in order to cancel it."""
        self._ended.set()
        if self._task is not None:
            await self._task

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note when a worker joins."""
        self._joined.setdefault(str(scheduler.workers[worker].name), time.monotonic())

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """Note when a worker is lost."""
        self._lost_one = time.monotonic()

    async def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                if self._due():
                    await self._check()
            except Exception:  # an error of the watchdog must not end the run
                logger.exception("could not check on jobs")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), SOON)

    def _due(self) -> bool:
        """Tell whether to query the queue now; sites do not like this every second."""
        now = time.monotonic()
        submitted = {name for name, job in self.jobs.submitted.items() if job.job_id is not None}
        if submitted != set(self.jobs.wanted):
            return now >= self._wait_until
        if now - self._lost_one < ALERT:
            patience = SOON
        else:
            patience = AT_LEAST if submitted <= set(self.scheduler.aliases) else OFTEN
        return now - self._queried >= patience

    async def _check(self) -> None:
        """Find the jobs that ended, and replace them within the budget of resubmissions."""
        jobs = self.jobs.submitted  # before the query: the queue cannot list later submissions
        listed = await live_jobs(self.recipe.kind)
        self._queried = time.monotonic()
        if listed is None:
            return
        # A name without a job: the worker was missing for so long that the cluster cancelled its job.
        ended = [n for n in self.jobs.wanted if n not in jobs or jobs[n].job_id not in listed]
        for name in ended:
            await self._replace(name, jobs.get(name))
        if ended and self.jobs.wanted:
            await self._submit()
        elif ended:
            self._give_up()

    async def _replace(self, name: str, job: Any) -> None:
        """Replace a job that ended, or give it up if the budget of resubmissions is spent."""
        joined = self._joined.get(name)
        served = joined is not None and time.monotonic() - joined >= min(SERVED, self.recipe.walltime / 2)
        what = _what_ended(job, joined=joined is not None)
        if served or self.left:
            self.left -= not served
            self.jobs.add()  # of a new name, for the old is still taken
            logger.warning("%s; another job is submitted, and %d more may be", what, self.left)
        else:
            logger.error("%s; its resubmissions are spent, so the run goes on without it", what)
        self.scheduler.log_event(TOPIC, {"action": what, "resubmissions left": self.left})
        self.jobs.forget(name)
        if name in self.scheduler.aliases:  # of a lost node: its connection may stay open for very long
            address = self.scheduler.aliases[name]
            await self.scheduler.remove_worker(address, stimulus_id=f"job-ended-{time.time()}")
        if job is not None and job.job_id is not None:
            await end_job(job)  # in case the queue was wrong
            self._last_job = job.job_id
            self._last_end = what

    async def _submit(self) -> None:
        """Have the cluster submit the missing jobs."""
        before = self.jobs.submitted
        try:
            await self.jobs.submit()
        except (OSError, RuntimeError, ValueError) as error:
            self._refused += 1
            self._wait_until = time.monotonic() + min(2.0**self._refused / 2, LONGEST_PAUSE)
            self._last_refusal = refusal(error)
            logger.warning("could not submit a job: %s", self._last_refusal)
        else:
            self._refused = 0
        after = self.jobs.submitted
        for name in after.keys() - before.keys():
            job = after[name]
            if job.job_id is None:
                mark_refused(job)
            self.scheduler.log_event(TOPIC, {"action": "job submitted", "job": job.job_id})

    def _give_up(self) -> None:
        self.given_up = f"no job is left, and the {self.recipe.resubmissions} resubmissions of the recipe are spent. "
        if self._refused:
            self.given_up += f"The queue refused the last one: {self._last_refusal}"
        else:
            self.given_up += f"{self._last_end}; {end_of_log(self.recipe.log_directory, self._last_job)}"
        self.scheduler.log_event(TOPIC, {"action": "gave up", "why": self.given_up})
        fail_without_workers_after(self.scheduler, GIVE_UP)
        self._ended.set()


def _what_ended(job: Any, *, joined: bool) -> str:
    if job is None:
        return "a job was cancelled because its worker was missing for too long"
    if job.job_id is None:
        return "a job was refused by the queue"
    return f"job {job.job_id} ended" + ("" if joined else " before its worker joined")
