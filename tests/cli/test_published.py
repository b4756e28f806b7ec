"""``dtrf import-results`` and ``dtrf export-csv``, as a user types them."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from distributed_trf import Study, open_lowpass, open_results
from distributed_trf.cli.app import app
from tests.published_files import PublishedFiles, small_folder


def dtrf(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "80"})


def test_own_results__go_out_and_come_back_paired_by_session_and_channel(write_study, workplace):
    study = write_study(
        networks=[{"name": "mel_librosa"}],
        lowpass=[{"network": "mel_librosa", "layer": 0, "weights": "fixed", "lowpass_bins": [100]}],
    )
    assert Study.load(study).run(None).ok
    done = dtrf("export-csv", "study.yaml", "--output", "csv", "--identifier", "ahmed_25")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "written STRF_freqs80_mel_lib_ucsf_timit_trf_lags200_bw50_ahmed_25_corr_results.csv",
        "written STRF_freqs80_mel_lib_ucsf_timit_trf_lags200_ahmed_25_LPF_50_corr_results.csv",
        f"2 files: {workplace / 'csv'}",
    ]
    done = dtrf("import-results", "csv", "--output", "back", "--recordings", "recordings")
    assert (done.exit_code, done.stderr) == (0, "")
    assert (
        "2 files read, 0 left out: 1 fits, 1 on low-passed features and 0 draws of bootstraps, of 6 units"
        in done.stdout
    )

    own, back = open_results("study").load(), open_results("back").load()
    for name in ("session", "channel", "area", "subject", "x", "y", "network", "weights", "layer_name", "layer_type"):
        np.testing.assert_array_equal(own[name].values, back[name].values)
    for name in ("r", "normaliser", "null_mean", "null_std", "rho"):
        np.testing.assert_array_equal(own[name], back[name])
    np.testing.assert_allclose(own.alpha, back.alpha, rtol=1e-15)
    np.testing.assert_array_equal(open_lowpass("study").r, open_lowpass("back").r)
    again = dtrf("export-csv", "back", "--output", "again")
    assert again.exit_code == 0
    for file in (workplace / "csv").iterdir():
        assert (workplace / "again" / file.name).read_bytes() == file.read_bytes()


def test_import_results__says_what_was_read_and_what_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_folder(tmp_path / "in")
    PublishedFiles(tmp_path / "in").network("whisper_tiny", [0], end="older")
    (tmp_path / "in" / "README.txt").write_text("what this is\n")
    refused = dtrf("import-results", "in", "--output", "out")
    assert refused.exit_code == 2
    assert "say which, such as identifier='ahmed_25' (on the command line --identifier ahmed_25)" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = dtrf(
        "import-results", "in", "--output", "out", "--identifier", "ahmed_25", "--dataset", "ucsf", "--lag", "200"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert sum(line.startswith("read ") for line in lines) == 13
    assert "left out README.txt: its name is not <network>_<dataset>_[reset_]" in done.stdout
    assert "_older_corr_results.csv: of the identifier older; import it into another folder" in done.stdout
    assert "13 files read, 2 left out: 24 fits, 3 on low-passed features" in lines[-2]
    assert lines[-1] == f"output: {tmp_path / 'out'}"


def test_export_csv__writes_draws_of_bootstraps_as_well(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = PublishedFiles(tmp_path / "in")
    files.network("whisper_tiny", [0])
    files.bootstrap("whisper_tiny", 0, "a", [50])
    files.bootstrap("whisper_tiny", 0, "b", [50], trials=[3])
    assert dtrf("import-results", "in", "--output", "out").exit_code == 0
    done = dtrf("export-csv", "out", "--output", "csv")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:3] == [
        f"written whisper_tiny_ucsf_timit_trf_lags200_bw50_bootstrap_{of}ahmed_25_draw0_corr_results.csv"
        for of in ("", "test_")
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import-results", "gone", "--output", "out"], "gone: there is no such folder"),
        (["import-results", "in", "--output", "in"], "something is there that is no import of published results"),
        (["import-results", "in", "--output", "out", "--recordings", "in"], "expected sessions_metadata.yml"),
        (["import-results", "in", "--output", "out", "--sessions-metadata", "m.yml"], "m.yml: there is no such file"),
        (["export-csv", "in", "--output", "csv"], "in: is a folder without store.json, so it holds no results"),
        (["export-csv", "example", "--output", "csv"], "there is no study folder here"),
    ],
)
def test_mistake__is_one_message_and_ends_with_2(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    PublishedFiles(tmp_path / "in").network("whisper_tiny", [0])
    done = dtrf(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_export_csv__does_not_write_damaged_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PublishedFiles(tmp_path / "in").network("whisper_tiny", [0])
    assert dtrf("import-results", "in", "--output", "out").exit_code == 0
    chunk = next(path for path in (tmp_path / "out/results.zarr/r/c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"\0")
    done = dtrf("export-csv", "out", "--output", "csv")
    assert done.exit_code == 2
    assert "its content is not what was written" in done.stderr
    assert not (tmp_path / "csv").exists()
