"""What runs left in a study's folder."""

from __future__ import annotations

from distributed_trf.pipeline.run_record import past_runs
from distributed_trf.store.study_store import StudyStore


def test_past_runs__tells_when_each_began(write_study, workplace):
    store = StudyStore.create(workplace / "empty")
    assert past_runs(store) == []
    (store.runs / "20260131T102030.123456-77").mkdir(parents=True)
    (run,) = past_runs(store)
    assert (run.began, run.state, run.report.seconds) == ("2026-01-31 10:20:30", "running, or killed", {})
