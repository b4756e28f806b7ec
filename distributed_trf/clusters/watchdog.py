"""Jobs of a queue that end before the run does are submitted again; dask-jobqueue never does that by itself."""

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
"""Seconds from asking the queue to asking again: after a worker was lost, while a job has no worker, and otherwise."""
ALERT = 15.0
"""Seconds after the loss of a worker in which its job may still be ending."""
SERVED = 600.0
"""Seconds after which a job has served, or half its walltime: replacing it then does not count."""
LONGEST_PAUSE = 300.0
"""Seconds between submissions at most, while the queue refuses them; the first are a second apart, then two, four."""
GIVE_UP = 1.0
"""Seconds that tasks wait for a worker when none will come any more."""


@contextmanager
def watch_jobs(cluster: Any, recipe: JobRecipe) -> Iterator[None]:
    """Submit the jobs of a recipe, and submit again those that end, until the block ends.

    A job whose worker was lost is replaced within seconds, one that ends before its worker joins within ``OFTEN``
    seconds. Jobs that served for ten minutes, or for half of a shorter walltime, are replaced always; others count, and
    the recipe's ``resubmissions`` is how many of those are replaced in all. After that the run goes on with the jobs
    that are left. When none is, tasks fail within seconds instead of waiting for ever.

    Parameters
    ----------
    cluster
        A running ``dask_jobqueue.JobQueueCluster`` with one worker per job.
    recipe
        What the cluster was made from.

    Raises
    ------
    SubmissionError
        If the queue refuses every job, with what it says.
    WorkersLostError
        In place of what the block raises when no worker is left: says what became of the jobs, with the end of the
        last one's log.
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
    """Compares the jobs of a cluster with those that the queue knows; all of it runs on the cluster's event loop.

    A replacement gets a new name. Under the old one the scheduler would refuse it for as long as it believes in the
    worker of a node that is gone, and the cluster would cancel it when the old worker has been away for long enough.
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
        self._asked = 0.0
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
                f"no job could be submitted: {self._last_refusal}. `dtrf recipes show RECIPE --script` prints what a "
                "job asks for"
            )
        self.scheduler.add_plugin(self, name="watchdog")
        self._task = asyncio.create_task(self._watch())

    async def end(self) -> None:
        """Watch no longer. A submission under way is waited for: the cluster must know of its job to cancel it."""
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
            except Exception:  # a run must not end because its watchdog stumbled
                logger.exception("could not check on jobs")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), SOON)

    def _due(self) -> bool:
        """Tell whether to ask the queue now, which no site likes to see done every second."""
        now = time.monotonic()
        submitted = {name for name, job in self.jobs.submitted.items() if job.job_id is not None}
        if submitted != set(self.jobs.wanted):
            return now >= self._wait_until
        if now - self._lost_one < ALERT:
            patience = SOON
        else:
            patience = AT_LEAST if submitted <= set(self.scheduler.aliases) else OFTEN
        return now - self._asked >= patience

    async def _check(self) -> None:
        """Find the jobs that ended, and replace them while the budget lasts."""
        jobs = self.jobs.submitted  # before the queue is asked: it cannot know what is submitted meanwhile
        known = await live_jobs(self.recipe.kind)
        self._asked = time.monotonic()
        if known is None:
            return
        # A name without a job: the worker was away for so long that the cluster cancelled its job.
        ended = [n for n in self.jobs.wanted if n not in jobs or jobs[n].job_id not in known]
        for name in ended:
            await self._replace(name, jobs.get(name))
        if ended and self.jobs.wanted:
            await self._submit()
        elif ended:
            self._give_up()

    async def _replace(self, name: str, job: Any) -> None:
        """Put another job into the place of one that ended, or leave the place empty if the budget is spent."""
        joined = self._joined.get(name)
        served = joined is not None and time.monotonic() - joined >= min(SERVED, self.recipe.walltime / 2)
        what = _what_ended(job, joined=joined is not None)
        if served or self.left:
            self.left -= not served
            self.jobs.add()  # of a new name, for the old is still taken
            logger.warning("%s; another is submitted, and %d more may be", what, self.left)
        else:
            logger.error("%s; its resubmissions are spent, so the run goes on without it", what)
        self.scheduler.log_event(TOPIC, {"action": what, "resubmissions left": self.left})
        self.jobs.forget(name)
        if name in self.scheduler.aliases:  # of a node that is gone: the connection may stay open for very long
            address = self.scheduler.aliases[name]
            await self.scheduler.remove_worker(address, stimulus_id=f"job-ended-{time.time()}")
        if job is not None and job.job_id is not None:
            await end_job(job)  # in case that the queue was wrong
            self._last_job = job.job_id
            self._last_end = what

    async def _submit(self) -> None:
        """Have the cluster submit what it lacks."""
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
        return "a job was cancelled because its worker was away for too long"
    if job.job_id is None:
        return "a job was refused by the queue"
    return f"job {job.job_id} ended" + ("" if joined else " before its worker joined")
