"""``dtrf prune``, and what other commands say of what is kept."""

from __future__ import annotations

import shutil

import yaml


def test_prune__says_how_much_it_is_and_asks(saved_study, tmp_path, monkeypatch, dtrf):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved_study, "out")
    study = yaml.safe_load((saved_study.parent / "study.yaml").read_text())
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | {"output": "out", "networks": [study["networks"][0]]}))
    before = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    planned = " ".join(dtrf("plan", "study.yaml").stdout.split())
    assert "also kept: 1 fit of 1 network and 2 other items that are not part of this study, " in planned
    assert "iB; dtrf prune removes them" in planned
    for asked in (dtrf("prune", "study.yaml", "--dry-run"), dtrf("prune", "study.yaml")):  # nobody answers
        said = " ".join(asked.stdout.split())
        assert "extract features: 2 items fit layers: 1 items fits are of mel_whisper also kept: 1 fit" in said
        assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == before
    assert dtrf("prune", "study.yaml", "--yes").stdout.endswith("removed\n")
    assert not (tmp_path / "out/models/timit/mel_whisper").exists()
    assert not list((tmp_path / "out/receipts").glob("*/*mel_whisper*"))
    assert "nothing to remove" in dtrf("prune", "study.yaml").stdout
    assert "also kept" not in dtrf("plan", "study.yaml").stdout
    ran = dtrf("run", "study.yaml")
    assert "nothing to do" in ran.stdout
    assert "also kept" not in ran.stdout
