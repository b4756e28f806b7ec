"""What a study's folder tells of its items when nothing else is there."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from distributed_trf import Study
from distributed_trf.config.study import load_study
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.events import ItemEnded
from distributed_trf.pipeline.folder_status import NOT_BEGUN, FolderStatus, stage_statuses
from distributed_trf.pipeline.items import STAGES
from distributed_trf.pipeline.run_record import past_runs, run_settings
from distributed_trf.pipeline.study_scope import FolderScope
from distributed_trf.pipeline.work import items
from distributed_trf.store.receipts import revoke_receipt
from distributed_trf.store.study_store import StudyStore

MEL = {"name": "mel_librosa"}
QUICK = {"draws": 50, "shifts": 9}


def by_stage(workplace, study=None):
    """Return what is done by stage; the settings are those of the newest run unless given."""
    store = StudyStore.open(workplace / "study")
    runs = past_runs(store)
    status = FolderStatus(store, study or load_study("study.yaml"), runs)
    return {s.stage: s for s in stage_statuses(store, status)}


def test_folder_scope__lists_the_items_that_the_context_does(write_study, workplace):
    write_study(
        networks=[MEL, {"name": "mel_whisper"}],
        bin_widths=[50, 100],
        ridge={"alphas": {"min": 1e-2, "max": 1e8, "num": 3}},
        reliability=QUICK,
        together=[{"network": "mel_whisper", "candidates": 2}],
        lowpass=[{"network": "mel_librosa", "layer": 0, "weights": "fixed", "lowpass_bins": [100, 200]}],
        bootstraps=[
            {"network": "mel_librosa", "layer": 0, "weights": "fixed", "training_percent": [50], "draws": 2},
        ],
    )
    study = Study.load("study.yaml")
    assert study.run(None).ok
    store = StudyStore.open(study.output)
    scope = FolderScope.open(store, study.settings, past_runs(store))
    context = open_context(study.settings)
    for stage in STAGES:
        assert list(items(scope, stage)) == list(items(context, stage))
    assert {s: (len(list(items(context, s))), {}, {}) for s in STAGES} == {
        name: (s.done, s.failed, s.missing) for name, s in by_stage(workplace).items()
    }


def test_folder_status__tells_failures_and_what_waits_without_recordings(write_study, workplace):
    write_study(networks=[MEL, {"name": "small_whisper", "weights": ["trained"]}], reliability=QUICK)
    session = sorted((workplace / "recordings/sessions").iterdir())[0]
    next(session.glob("*MUspk*")).write_bytes(b"no matlab file")
    report = Study.load("study.yaml").run(None)
    shutil.rmtree(workplace / "recordings")
    found = by_stage(workplace)
    assert {f"{stage} {key}": why for stage, s in found.items() for key, why in s.failed.items()} == report.failed
    assert {f"{stage} {key}": why for stage, s in found.items() for key, why in s.missing.items()} == report.blocked
    assert {stage: s.done for stage, s in found.items()} == report.done
    assert set(found["read"].failed) == {f"timit-{session.name}"}
    assert found["assess"].missing == {}  # of a session without spikes there is nothing to assess


def test_folder_status__tells_what_repair_took_back(write_study, workplace):
    write_study(networks=[MEL], reliability=None)
    assert Study.load("study.yaml").run(None).ok
    revoke_receipt(StudyStore.open(workplace / "study"), "fit", "timit-mel_librosa-fixed-00-50ms")
    found = by_stage(workplace)
    assert found["fit"].missing == {"timit-mel_librosa-fixed-00-50ms": NOT_BEGUN}
    assert found["fit"].done == 0


def test_folder_status__asks_for_no_more_than_the_study_does_now(write_study, workplace):
    write_study(networks=[MEL, {"name": "mel_whisper"}], reliability=None)
    assert Study.load("study.yaml").run(None).ok
    write_study(networks=[MEL], reliability=None)
    assert Study.load("study.yaml").run(None).folder is None  # so that no run lists the items of the study now
    assert by_stage(workplace)["fit"].done == 1
    assert by_stage(workplace)["fit"].missing == {}
    assert by_stage(workplace)["extract"].done == 3  # of eight stimuli each


def test_folder_status__in_the_middle_of_a_run(write_study, workplace):
    write_study(networks=[MEL, {"name": "mel_whisper"}], reliability=None)
    seen = []

    def watch(event):
        if isinstance(event, ItemEnded) and event.outcome.item.stage == "fit":
            seen.append((by_stage(workplace), past_runs(StudyStore.open(workplace / "study"))[-1].state))

    assert Study.load("study.yaml").run(None, watcher=watch).ok
    (found, state), _ = seen
    assert state == "running, or killed"
    assert found["fit"].done == 1
    assert list(found["fit"].missing.values()) == [NOT_BEGUN]
    assert past_runs(StudyStore.open(workplace / "study"))[-1].state == "finished"


@pytest.mark.parametrize("torn", ["manifest.json", "study.json"])
def test_folder_status__counts_receipts_where_a_run_left_no_word(write_study, workplace, torn):
    write_study(networks=[MEL], reliability=None)
    assert Study.load("study.yaml").run(None).ok
    (run,) = (workplace / "study/runs").iterdir()
    (run / torn).write_text("{")
    run_settings.cache_clear()  # another process has not read it before
    found = by_stage(workplace)
    receipts = Counter(path.parent.name for path in (workplace / "study/receipts").glob("*/*.json"))
    assert receipts.pop("spikes") == 2  # no items of their own
    assert {stage: s.done for stage, s in found.items()} == receipts
    assert [s.missing for s in found.values()] == [None] * 3  # read, extract, fit
