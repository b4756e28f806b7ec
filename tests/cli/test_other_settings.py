"""Every command that shows results says when they are of other settings than the study's, failed or missing."""

from __future__ import annotations

import shutil

import pytest
import yaml

from distributed_trf import Study


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("results", []),
        ("results", ["--save", "all.csv"]),
        ("figures", ["--only", "controls"]),
        ("report", []),
        ("export-csv", ["--output", "csv"]),
    ],
)
def test_results__of_other_settings_are_said_to_be(saved_study, tmp_path, monkeypatch, dtrf, command, options):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved_study, "out")
    study = yaml.safe_load((saved_study.parent / "study.yaml").read_text())
    study |= {"output": "out", "ridge": {"alphas": [1, 10]}, "networks": [*study["networks"], {"name": "wavelet"}]}
    study["reliability"] |= {"draws": 400}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    shown = dtrf(command, "study.yaml", *options)
    said = " ".join(shown.stdout.split())
    assert shown.exit_code == 0, shown.stderr
    assert "note: 2 of 3 fits have other settings than the study" in said
    assert "(changed: ridge)" in said
    assert "note: 1 of 3 fits are missing: not begun" in said
    assert "note: 2 of 2 assessments of sessions have other settings" in said
    if command == "report":
        assert "2 of 3 fits have other settings" in (tmp_path / "out/report.html").read_text()
    if command == "results":
        assert "note:" not in dtrf(command, "out", *options).stdout


def test_results__say_why_no_unit_has_a_number(write_study, workplace, rewrite, dtrf):
    """Spikes on another clock: every fit is done, and NaN."""
    write_study(networks=[{"name": "mel_librosa"}], reliability=None)
    for file in (workplace / "recordings/sessions").rglob("*MUspk*"):
        rewrite(file, lambda content: content["spike"].update(stimlock=content["spike"]["stimlock"] + 1e5))
    assert Study.load("study.yaml").run(recipe=None).done["fit"] == 1
    said = " ".join(dtrf("results", "study.yaml").stdout.split())
    assert "timit, 50 ms bins: 1 fits are done, and no unit has a test correlation; 6 of 6 units never fire" in said
    assert "on another clock than the trials or in other units of time (milliseconds or samples" in said
    assert "no fit is done yet" not in said
    drawn = dtrf("figures", "study", "--only", "3")
    assert "6 of 6 units never fire in a trial" in " ".join(drawn.stdout.split())
    assert drawn.exit_code == 2
