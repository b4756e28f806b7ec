"""How many tasks the scheduler is given at a time."""

from __future__ import annotations

from distributed_trf import Study, start_cluster
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.prepare import prepare, tasks
from distributed_trf.pipeline.submit import run_on
from distributed_trf.store.study_store import StudyStore


def test_workers_that_are_still_queued__find_tasks_when_they_come(write_study):
    study = Study.load(write_study(networks=[{"name": "mel_librosa"}]))
    StudyStore.create(study.output)
    context = Context.open(study.settings)
    planned = prepare(context, "read", [])[:1]
    runs = [context.store.runs / f"run-{n}" for n in range(30)]
    many = [task for run in runs for task in tasks(context, planned, device="cpu", run=run, limit=None)]
    with start_cluster("local", workers=1) as client:
        outcomes = run_on(client, many, attempts=1, workers=5)
        assert next(outcomes).ok
        assert len(client.futures) >= 3 * 5 - 1
        assert all(outcome.ok for outcome in outcomes)
