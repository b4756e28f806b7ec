"""What runs left in a study's folder."""

from __future__ import annotations

import pytest

from distributed_trf import Study
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.run_record import Report, past_runs
from distributed_trf.store.study_lock import run_lock
from distributed_trf.store.study_store import StudyStore


def test_past_runs__tells_when_each_began(write_study, workplace):
    store = StudyStore.create(workplace / "empty")
    assert past_runs(store) == []
    (store.runs / "20260131T102030.123456-77").mkdir(parents=True)
    (run,) = past_runs(store)
    assert (run.began, run.state, run.report.seconds) == ("2026-01-31 10:20:30", "running, or killed", {})


def test_watch__is_the_page_of_a_run_that_goes_on(write_study):
    """A run that has ended leaves its page in the log of its events, and nobody there."""
    study = Study.load(write_study())
    store = StudyStore.create(study.output)
    with pytest.raises(StoreError, match="no run with a dashboard goes on"):
        study.watch()
    folder = store.runs / "20260131T102030.123456-77"
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text('{"event": "run started", "page": "http://127.0.0.1:8787/study"}\n{"torn')
    with run_lock(store):
        assert study.watch() == "http://127.0.0.1:8787/study"
    with pytest.raises(StoreError, match="no run with a dashboard goes on"):
        study.watch()
    (store.runs / "20260131T112030.123456-78").mkdir()  # the latest one, in one process
    with run_lock(store), pytest.raises(StoreError, match="no run with a dashboard goes on"):
        study.watch()


def test_html_of_a_report__says_what_was_done_and_what_was_not():
    report = Report(seconds={"fit": 2.0}, done={"fit": 3}, skipped={"read": 2}, failed={"fit a": "<b> & co"})
    shown = report._repr_html_()
    assert "<tr><td>fit</td><td>3</td><td>0</td><td>2.0</td></tr>" in shown
    assert "<p>failed fit a: &lt;b&gt; &amp; co</p>" in shown
    assert "... and 5 more" in Report(blocked={f"fit {k}": "waits" for k in range(15)})._repr_html_()
    assert Report()._repr_html_() == "<p>nothing was done</p>"
