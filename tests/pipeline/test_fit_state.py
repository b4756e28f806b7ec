"""Which of the fits in a study's folder belong to the study, without recordings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from distributed_trf.config.study import load_study
from distributed_trf.pipeline.fit_state import fit_state
from distributed_trf.pipeline.items import FIT
from distributed_trf.store.receipts import Failure, revoke_receipt, write_failure
from distributed_trf.store.study_store import StudyStore
from tests.small_recordings import TEST, TRAIN
from tests.small_results import write_small_study

MEL, WHISPER = {"name": "mel_librosa"}, {"name": "mel_whisper"}
BOTH = {"networks": [MEL, WHISPER], "reliability": None}


@pytest.fixture
def folder(studied, workplace):
    """The folder of a finished study of two fits, its recordings gone."""
    studied(**BOTH)
    shutil.rmtree(workplace / "recordings")
    return StudyStore.open(workplace / "study")


def test_state__of_a_whole_study_is_done(folder):
    for state in (fit_state(folder), fit_state(folder, load_study("study.yaml"))):
        assert (state.total, state.done, list(state.lines())) == (2, 2, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ridge": {"alphas": [1, 10]}}, "changed: ridge"),
        ({"lags": {"tmax": 0.1}}, "changed: lags"),
        ({"lags": {"lead_in": 0.25}}, "changed: lags, lead-in"),
        ({"delay": 0.1}, "changed: delay"),
        ({"extraction": {"batch": 8, "keep": "native"}}, "changed: keep"),
        ({"extraction": {"batch": 12}}, "changed: batch"),
    ],
)
def test_state__names_settings_that_were_changed_since(folder, write_study, changes, reason):
    write_study(**BOTH | changes)
    (line,) = fit_state(folder, load_study("study.yaml")).lines()
    assert line.startswith("2 of 2 fits have other settings than the study; their earlier results are shown")
    assert line.endswith(f"({reason})")
    assert fit_state(folder).done == 2  # of the settings that the results carry


def test_state__tells_what_failed_and_what_is_missing_or_outside_the_study(folder, write_study):
    revoke_receipt(folder, FIT, "timit-mel_whisper-fixed-00-50ms")
    assert list(fit_state(folder).lines()) == ["1 of 2 fits are missing: not begun"]
    write_failure(folder, FIT, "timit-mel_whisper-fixed-00-50ms", Failure({}, "no session can be fitted"))
    assert list(fit_state(folder).lines()) == ["1 of 2 fits failed: no session can be fitted"]
    write_study(**BOTH | {"networks": [WHISPER, {"name": "mel_deepspeech2"}], "bin_widths": [50, 100]})
    failed, missing, shown = fit_state(folder, load_study("study.yaml")).lines()
    assert failed.startswith("1 of 4 fits failed")
    assert missing == "3 of 4 fits are missing: not begun"
    assert shown.startswith("network mel_librosa: earlier results are shown")


def test_state__of_results_without_a_study_is_not_known(tmp_path):
    assert fit_state(StudyStore.open(write_small_study(tmp_path / "study"))) is None


def test_state__tells_that_the_table_of_splits_was_changed(run_generic):
    rows = [f"one,{i},{'test' if i in TEST else 'train'}" for i in TRAIN + TEST]
    table = Path("splits.csv")
    table.write_text("\n".join(["split,stimulus,part", *rows]))
    run_generic(test={"splits": "splits.csv"})
    store, study = StudyStore.open(Path("study")), load_study("study.yaml")
    assert list(fit_state(store, study).lines()) == []
    table.write_text(table.read_text().replace("a3,train", "a3,test"))
    (line,) = fit_state(store, study).lines()
    assert line.endswith("run the study again (changed: evaluation table)")
    table.unlink()  # then nothing says that it was changed
    assert list(fit_state(store, study).lines()) == []
