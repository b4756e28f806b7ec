"""How many tasks the scheduler is given at a time, and how often one that raises."""

from __future__ import annotations

from dataclasses import replace

from distributed import Client

from distributed_trf import Study, start_cluster
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dask_run import run_on
from distributed_trf.pipeline.items import ReadSession
from distributed_trf.pipeline.prepare import prepare, tasks
from distributed_trf.pipeline.run_record import RunSettings, new_run, write_run_settings
from distributed_trf.pipeline.work import KINDS
from distributed_trf.store.study_store import StudyStore


def test_workers_that_are_still_queued__find_tasks_when_they_come(write_study):
    study = Study.load(write_study(networks=[{"name": "mel_librosa"}]))
    StudyStore.create(study.output)
    context = open_context(study.settings)
    planned = prepare(context, "read", [])[:1]
    runs = [context.store.runs / f"run-{n}" for n in range(30)]
    many = [task for run in runs for task in tasks(context, planned, device="cpu", run=run, limit=None)]
    with start_cluster("local", workers=1) as client:
        outcomes = run_on(client, many, attempts=1, workers=5)
        assert next(outcomes).ok
        assert len(client.futures) >= 3 * 5 - 1
        assert all(outcome.ok for outcome in outcomes)


def test_items_that_raise_unexpectedly__are_tried_again_and_then_fail_alone(write_study, monkeypatch):
    """Such as a file system that refuses."""

    def refuse(*_args):
        raise OSError("refused")

    study = Study.load(write_study(networks=[{"name": "mel_librosa"}]))
    StudyStore.create(study.output)
    context = open_context(study.settings)
    run = new_run(context.store.runs)
    write_run_settings(run, RunSettings(study=context.study, tables=context.tables))
    given = list(tasks(context, prepare(context, "read", []), device="cpu", run=run, limit=None))
    monkeypatch.setitem(KINDS, ReadSession, replace(KINDS[ReadSession], run=refuse))
    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        outcomes = {outcome.item.key: outcome for outcome in run_on(client, given, attempts=2)}
    assert outcomes.pop("timit-sounds").ok
    assert len(outcomes) == len(given) - 1
    for outcome in outcomes.values():
        assert not outcome.ok
        assert "refused" in outcome.message
        assert "(tried 2 times)" in outcome.message
    monkeypatch.undo()
    assert study.run(None).ok
