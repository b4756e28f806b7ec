"""Jobs of a real Slurm that end too early, each in its own way, and what becomes of the tasks."""

from __future__ import annotations

import os
import re
import time

import pytest
from distributed import as_completed

from distributed_trf import start_cluster
from distributed_trf.clusters import watchdog
from distributed_trf.clusters.job_listing import live_jobs
from distributed_trf.errors import SubmissionError, WorkersLostError

pytestmark = pytest.mark.slow


@pytest.fixture
def start(recipe, tmp_path):
    """Start watched workers in Slurm jobs."""

    def begin(**changes):
        recipe(**changes)
        return start_cluster(tmp_path / "here.yaml")

    return begin


def slow_square(i):
    time.sleep(0.2)
    return i * i


def job_id():
    return os.environ["SLURM_JOB_ID"]


def squares(client, number=30):
    return client.map(slow_square, range(number), pure=False)


@pytest.mark.parametrize("victims", [1, 2])
def test_jobs_cancelled_in_mid_run__are_replaced_within_seconds(slurm, start, victims):
    with start(jobs=2, resubmissions=2) as client:
        client.wait_for_workers(2, timeout=300)
        before = slurm.jobs()
        futures = squares(client, 40)
        slurm.run("scancel", *before[:victims])
        begin = time.monotonic()
        after = []
        while len(after) < 2 or set(after) & set(before[:victims]):
            assert time.monotonic() - begin < 120
            time.sleep(0.1)
            after = slurm.jobs("pending,running")
        assert client.gather(futures) == [i * i for i in range(40)]
        told = [event["action"] for _, event in client.get_events("distributed_trf")]
        actions = [re.sub(r"\d+ ", "", action) for action in told if "job" in action]
    # The queue may tell of two ends at once or one after the other: each is replaced by one job, after it.
    assert actions[:3] == ["job submitted", "job submitted", "job ended"]
    assert sorted(actions[2:]) == ["job ended"] * victims + ["job submitted"] * victims
    ends = [actions[: i + 1].count("job ended") for i in range(len(actions))]
    assert all(actions[: i + 1].count("job submitted") <= 2 + ended for i, ended in enumerate(ends))


def test_pending_job_cancelled__is_replaced(slurm, start, monkeypatch):
    monkeypatch.setattr(watchdog, "OFTEN", 1.0)
    with start(jobs=2, resubmissions=1, directives=["--gres=gpu:2"]) as client:  # only one can run
        client.wait_for_workers(1, timeout=300)
        (pending,) = slurm.jobs("pending")
        slurm.run("scancel", pending)
        (later,) = slurm.wait_for_jobs(1, "pending")
        assert later != pending
        slurm.run("scancel", *slurm.jobs("running"))  # so that the other has the node to itself
        assert client.gather(squares(client)) == [i * i for i in range(30)]
        assert set(client.run(job_id).values()) == {later}


def test_worker_that_leaves_before_its_walltime__is_replaced(start):
    lifetime = "DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION=12s DASK_DISTRIBUTED__WORKER__LIFETIME__STAGGER=0s"
    with start(jobs=1, prologue=[f"export {lifetime}"]) as client:
        # Fourteen seconds of work, whose results are taken as they come: those that a worker holds are lost with it.
        results = [result for _, result in as_completed(squares(client, 70), with_results=True)]
        assert sorted(results) == [i * i for i in range(70)]
        assert [event["action"] for _, event in client.get_events("distributed_trf")].count("job submitted") > 1


def test_silent_node__is_given_up_when_the_queue_says_so(slurm, start, monkeypatch):
    """The connection to a node that lost its power stays open: here its worker is stopped, and no longer listed."""
    monkeypatch.setattr(watchdog, "AT_LEAST", 1.0)
    with start(jobs=1, resubmissions=1) as client:
        client.wait_for_workers(1, timeout=300)
        (victim,) = slurm.jobs()
        futures = squares(client, 10)

        async def without_victim(kind):
            known = await live_jobs(kind)
            return known and known - {victim}

        slurm.run("scontrol", "suspend", victim)
        monkeypatch.setattr(watchdog, "live_jobs", without_victim)
        assert client.gather(futures) == [i * i for i in range(10)]
        assert victim not in client.run(job_id).values()


def test_listing_that_fails__judges_nothing(slurm, start, monkeypatch, tmp_path):
    monkeypatch.setattr(watchdog, "AT_LEAST", 0.5)
    with start(jobs=1, resubmissions=1) as client:
        client.wait_for_workers(1, timeout=300)
        before = slurm.jobs()
        asked = tmp_path / "asked"
        broken = tmp_path / "squeue"
        broken.write_text(f"#!/bin/sh\necho no contact >&2\necho again >> {asked}\nexit 1\n")
        broken.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        while not asked.exists() or len(asked.read_text().split()) < 2:
            time.sleep(0.1)
        monkeypatch.undo()
        os.environ["SLURM_CONF"] = slurm.environment["SLURM_CONF"]
        assert slurm.jobs() == before
        assert client.submit(slow_square, 3).result() == 9


def test_refused_jobs__say_at_once_what_the_queue_says(slurm, start):
    with pytest.raises(SubmissionError, match="invalid partition specified: nowhere"), start(jobs=2, queue="nowhere"):
        pytest.fail("a cluster was started")


def test_worker_that_never_comes__ends_the_run_with_the_end_of_its_log(slurm, start, monkeypatch):
    monkeypatch.setattr(watchdog, "OFTEN", 1.0)
    prologue = ["echo this node is broken >&2; exit 3"]
    begin = time.monotonic()
    with (
        pytest.raises(
            WorkersLostError, match=r"(?s)2 resubmissions .* before its worker joined; .*this node is broken"
        ),
        start(jobs=2, resubmissions=2, prologue=prologue) as client,
    ):
        client.gather(squares(client, 3))
    assert time.monotonic() - begin < 300


def test_budget__is_not_spent_by_jobs_that_served(slurm, start, monkeypatch):
    monkeypatch.setattr(watchdog, "SERVED", 1.0)
    with start(jobs=1, resubmissions=0) as client:
        client.wait_for_workers(1, timeout=300)
        time.sleep(2.5)
        slurm.run("scancel", *slurm.jobs())
        assert client.gather(squares(client, 3)) == [0, 1, 4]


def test_spent_budget__leaves_the_run_to_the_jobs_that_are_left(slurm, start):
    with start(jobs=2, resubmissions=0) as client:
        client.wait_for_workers(2, timeout=300)
        slurm.run("scancel", slurm.jobs()[0])
        assert client.gather(squares(client, 20)) == [i * i for i in range(20)]
        assert len(slurm.jobs("pending,running")) == 1
