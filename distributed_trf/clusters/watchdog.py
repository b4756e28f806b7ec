"""Jobs of a queue that end before the run does are submitted again; dask-jobqueue never does that by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from distributed import SchedulerPlugin, Status
from distributed.scheduler import NoWorkerError, Scheduler

from distributed_trf.clusters.job_listing import end_of_log, live_jobs
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
    except (WorkersLostError, NoWorkerError):
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
        self.cluster = cluster
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
        while len(self.cluster.worker_spec) < self.recipe.jobs:
            self.cluster.worker_spec.update(self.cluster.new_worker_spec())
        await self._submit()
        if all(job.job_id is None for job in self.cluster.workers.values()):
            for job in self.cluster.workers.values():
                job.status = Status.failed  # or the cluster would miss it when it closes
            raise SubmissionError(
                f"no job could be submitted: {self._last_refusal}. `dtrf recipes show RECIPE --script` prints what a "
                "job asks for"
            )
        self.cluster.scheduler.add_plugin(self, name="watchdog")
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
        submitted = {name for name, job in self.cluster.workers.items() if job.job_id is not None}
        if submitted != set(self.cluster.worker_spec):
            return now >= self._wait_until
        if now - self._lost_one < ALERT:
            patience = SOON
        else:
            patience = AT_LEAST if submitted <= set(self.cluster.scheduler.aliases) else OFTEN
        return now - self._asked >= patience

    async def _check(self) -> None:
        """Find the jobs that ended, and replace them while the budget lasts."""
        jobs = dict(self.cluster.workers)  # before the queue is asked: it cannot know what is submitted meanwhile
        known = await live_jobs(self.recipe.kind)
        self._asked = time.monotonic()
        if known is None:
            return
        # A name without a job: the worker was away for so long that the cluster cancelled its job.
        ended = [n for n in self.cluster.worker_spec if n not in jobs or jobs[n].job_id not in known]
        for name in ended:
            await self._replace(name, jobs.get(name))
        if ended and self.cluster.worker_spec:
            await self._submit()
        elif ended:
            self._give_up()

    async def _replace(self, name: str, job: Any) -> None:
        """Put another job into the place of one that ended, or leave the place empty if the budget is spent."""
        joined = self._joined.get(name)
        served = joined is not None and time.monotonic() - joined >= min(SERVED, self.recipe.walltime / 2)
        what = _what_ended(job, joined=joined is not None)
        scheduler = self.cluster.scheduler
        if served or self.left:
            self.left -= not served
            self.cluster.worker_spec.update(self.cluster.new_worker_spec())  # a new name, for the old is still taken
            logger.warning("%s; another is submitted, and %d more may be", what, self.left)
        else:
            logger.error("%s; its resubmissions are spent, so the run goes on without it", what)
        scheduler.log_event(TOPIC, {"action": what, "resubmissions left": self.left})
        del self.cluster.worker_spec[name]
        self.cluster.workers.pop(name, None)
        if name in scheduler.aliases:  # of a node that is gone: the connection may stay open for very long
            address = scheduler.aliases[name]
            await scheduler.remove_worker(address, stimulus_id=f"job-ended-{time.time()}")
        if job is not None and job.job_id is not None:
            await job.close()  # in case that the queue was wrong
            job.status = Status.closed  # as the cluster expects when it closes
            self._last_job = job.job_id
            self._last_end = what

    async def _submit(self) -> None:
        """Have the cluster submit what it lacks."""
        before = set(self.cluster.workers)
        try:
            await self.cluster._correct_state()
        except (OSError, RuntimeError, ValueError) as error:  # no command, one that failed, one that named no job
            self._refused += 1
            self._wait_until = time.monotonic() + min(2.0**self._refused / 2, LONGEST_PAUSE)
            self._last_refusal = _stderr(error)
            logger.warning("could not submit a job: %s", self._last_refusal)
        else:
            self._refused = 0
        for name in self.cluster.workers.keys() - before:
            job = self.cluster.workers[name]
            if job.job_id is None:
                job.status = Status.failed
            self.cluster.scheduler.log_event(TOPIC, {"action": "job submitted", "job": job.job_id})

    def _give_up(self) -> None:
        self.given_up = f"no job is left, and the {self.recipe.resubmissions} resubmissions of the recipe are spent. "
        if self._refused:
            self.given_up += f"The queue refused the last one: {self._last_refusal}"
        else:
            self.given_up += f"{self._last_end}; {end_of_log(self.recipe.log_directory, self._last_job)}"
        self.cluster.scheduler.log_event(TOPIC, {"action": "gave up", "why": self.given_up})
        self.cluster.scheduler.no_workers_timeout = GIVE_UP
        self._ended.set()


def _what_ended(job: Any, *, joined: bool) -> str:
    if job is None:
        return "a job was cancelled because its worker was away for too long"
    if job.job_id is None:
        return "a job was refused by the queue"
    return f"job {job.job_id} ended" + ("" if joined else " before its worker joined")


def _stderr(error: Exception) -> str:
    """What a command of the queue said; its error quotes much besides."""
    return str(error).rpartition("stderr:\n")[2].strip()
