"""The report of a session, read as a reader does."""

from __future__ import annotations

import pytest

from distributed_trf import Study, open_results, simulate_results
from distributed_trf.errors import DataError, StoreError
from distributed_trf.figures.html.session_report import write_session_report
from distributed_trf.results.tables import session_table
from distributed_trf.store.study_store import StudyStore
from tests.figures.html.parsed import Parsed
from tests.figures.stored_results import store_results

QUICK = {"draws": 200, "shifts": 19}
UNITS = "units, and the fit that predicts each best"


def test_session_report__shows_reliability_layers_and_a_prediction(write_study, workplace):
    write_study(networks=[{"name": "mel_librosa"}, {"name": "mel_whisper"}], reliability=QUICK, save_models=True)
    study = Study.load("study.yaml")
    assert study.run(None).ok
    ds = open_results(study.output)
    session = str(ds["session"].values[-1])
    write_session_report(study.output, session, workplace / "page.html")
    page = Parsed(workplace / "page.html")
    assert len(page.images) == 3
    assert "Not drawn" not in page.text
    assert all(session in image["alt"] for image in page.images)
    assert "prediction" in page.text
    assert f"area {ds['area'].values[-1]}" in page.text
    expected = session_table(ds, session)
    rows = page.rows(UNITS)
    for row, (_, of) in zip(rows, expected.iterrows(), strict=True):
        assert row[:3] == [of["unit"], f"{100 * of['silent_repeats']:.0f} %", f"{of['normaliser']:.3f}"]
        assert row[-3] == f"{of['network']} {of['weights']}, layer {of['layer']}"
        assert row[-2] == f"{of['r']:.3f}"


def test_session_report__of_imported_results_says_what_they_lack(tmp_path):
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=4)
    folder = store_results(ds, tmp_path / "imported", {})
    session = str(ds["session"].values[0])
    write_session_report(folder, session, tmp_path / "page.html")
    page = Parsed(tmp_path / "page.html")
    assert len(page.images) == 4  # of each stimulus set, two
    assert page.text.count("no model was saved, so nothing can be predicted; set `save_models: true`") == 2
    assert len(page.rows(UNITS)) == 2 * 4


def test_session_report__of_an_unknown_session_names_those_there_are(tmp_path):
    ds = simulate_results(["whisper_tiny"], sessions=2, channels=2)
    folder = store_results(ds, tmp_path / "imported", {})
    with pytest.raises(DataError, match=f"'nowhere' is not in these results; there are {ds['session'].values[0]}"):
        write_session_report(folder, "nowhere", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_session_report__before_there_are_results_is_an_error(tmp_path):
    StudyStore.create(tmp_path / "study")
    with pytest.raises(StoreError, match="no results yet"):
        write_session_report(tmp_path / "study", "180413", tmp_path / "page.html")
