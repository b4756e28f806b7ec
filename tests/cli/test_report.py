from __future__ import annotations

import pytest
from typer.testing import CliRunner

from distributed_trf import Study
from distributed_trf.cli.app import app
from distributed_trf.figures.gallery import FIGURES
from tests.figures.html.parsed import Parsed
from tests.small_results import write_small_study


def dtrf(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_report__of_a_study_file_lies_in_its_folder(write_study, workplace):
    write_study(networks=[{"name": "mel_librosa"}], reliability=None)
    study = Study.load("study.yaml")
    assert study.run(None).ok
    done = dtrf("report", "study.yaml")
    assert (done.exit_code, done.output) == (0, f"report: {workplace / 'study/report.html'}\n")
    page = Parsed(workplace / "study/report.html")
    assert page.rows("best layer by median cv_score")
    for drawing in FIGURES:  # drawn, or why not
        assert drawing.title.lower() in page.text.lower()
    assert study.run(None).folder is None  # a report in the folder is in nobody's way


def test_report__of_a_folder_with_results_and_of_one_session(tmp_path):
    folder = write_small_study(tmp_path / "results")
    assert dtrf("report", folder, "--output", tmp_path / "sub/page.html").exit_code == 0
    assert (tmp_path / "sub/page.html").exists()
    done = dtrf("report", folder, "--session", "s1")
    assert done.output == f"report: {folder / 'report_s1.html'}\n"
    assert "Session s1" in Parsed(folder / "report_s1.html").text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such file"),
        (["results", "--session", "s9"], "'s9' is not in these results; there are s1, s2"),
        (["results", "--output", "."], "is a folder; name a file"),
    ],
)
def test_report__that_cannot_be_written_is_one_message(tmp_path, monkeypatch, arguments, said):
    write_small_study(tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    done = dtrf("report", *arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
