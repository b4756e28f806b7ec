"""How many jobs a watchdog replaces, on stand-ins for the cluster and the queue; a real Slurm is in slurm/."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from distributed_trf.clusters import watchdog
from distributed_trf.clusters.recipe_jobs import SlurmRecipe


class Cluster:
    """Submits jobs 1, 2, 3, ... of the workers in ``worker_spec``, as dask-jobqueue does."""

    def __init__(self):
        self.worker_spec, self.workers, self.submitted = {}, {}, 0
        self.told = []
        self.scheduler = SimpleNamespace(
            aliases={},
            workers={},
            no_workers_timeout=None,
            log_event=lambda topic, event: self.told.append(event["action"]),
            add_plugin=lambda plugin, name: None,
        )

    def new_worker_spec(self):
        self.submitted += 1
        return {f"w{self.submitted}": {}}

    async def _correct_state(self):
        for name in self.worker_spec:
            if name not in self.workers:
                self.workers[name] = SimpleNamespace(job_id=name[1:], status=None, close=_closed)


async def _closed():
    pass


@pytest.fixture
def watch(monkeypatch, tmp_path):
    """A watchdog of some jobs that has submitted them, and ``end``, after which the queue knows jobs no more."""

    def begin(*, jobs, resubmissions, walltime="1h"):
        recipe = SlurmRecipe(
            kind="slurm",
            jobs=jobs,
            memory="1 GiB",
            interface="lo",
            walltime=walltime,
            resubmissions=resubmissions,
            log_directory=tmp_path,
        )
        cluster = Cluster()
        dog = watchdog.Watchdog(cluster, recipe)
        for _ in range(jobs):
            cluster.worker_spec.update(cluster.new_worker_spec())
        asyncio.run(dog._submit())
        ended = set()

        async def live(kind):
            return {job.job_id for job in cluster.workers.values()} - ended

        def end(*ids, after=None):
            ended.update(ids)
            for i in ids if after is not None else ():
                dog._joined[f"w{i}"] = watchdog.time.monotonic() - after
            asyncio.run(dog._check())
            return {job.job_id for job in cluster.workers.values()}

        monkeypatch.setattr(watchdog, "live_jobs", live)
        return dog, cluster, end

    return begin


def test_budget__is_how_many_jobs_that_end_early_are_replaced(watch):
    dog, cluster, end = watch(jobs=2, resubmissions=2)
    assert end() == {"1", "2"}
    assert end("1") == {"2", "3"}
    assert dog.left == 1
    assert end("2", after=30.0) == {"3", "4"}
    assert dog.left == 0
    assert end("3") == {"4"}  # spent: the run goes on with the job that is left
    assert dog.given_up is None
    assert end("4") == set()
    assert "the 2 resubmissions of the recipe are spent" in dog.given_up
    assert cluster.scheduler.no_workers_timeout == watchdog.GIVE_UP
    assert cluster.submitted == 4


def test_budget__does_not_count_jobs_that_served(watch):
    dog, _, end = watch(jobs=1, resubmissions=0)
    assert end("1", after=watchdog.SERVED + 1) == {"2"}
    assert end("2", after=watchdog.SERVED - 60) == set()
    dog, _, end = watch(jobs=1, resubmissions=0, walltime="10 min")
    assert end("1", after=5 * 60 + 1) == {"2"}  # half of its walltime
    assert (dog.left, dog.given_up) == (0, None)


def test_budget__is_not_touched_while_the_queue_does_not_answer(watch, monkeypatch):
    dog, _, end = watch(jobs=2, resubmissions=1)

    async def silent(kind):
        return None

    monkeypatch.setattr(watchdog, "live_jobs", silent)
    assert end("1", "2") == {"1", "2"}
    assert dog.left == 1
