"""What a user sees: on success, on mistakes, and how the command ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from distributed_trf import write_session, write_sound
from tests.small_results import write_small_study

MEL = [{"name": "mel_librosa"}]


def process(*arguments):
    """Run ``dtrf`` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "distributed_trf", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )


def test_failed_session__ends_with_1_and_is_listed(dtrf, write_study, workplace):
    write_study(networks=MEL)
    session = sorted((workplace / "recordings/sessions").iterdir())[0]
    next(session.glob("*MUspk*")).write_bytes(b"no matlab file")
    (workplace / "one.yaml").write_text("kind: local\nworkers: 1\n")
    done = process("run", "study.yaml", "--cluster", "one.yaml")
    assert done.returncode == 1
    assert "1 items failed" in done.stdout
    assert f"read timit-{session.name}: " in done.stdout
    assert "Copy it again" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr == ""
    status = dtrf("status", "study.yaml")
    assert status.exit_code == 0
    assert f"failed read timit-{session.name}: " in status.stdout
    results = dtrf("results", "study.yaml")
    assert "timit, 50 ms bins, 3 units" in results.stdout
    penalties = (
        "timit, 50 ms bins: chosen penalties: the smallest (1e-05) in 0.0%, the largest (1e+15) in 0.0% of 3 fits"
    )
    assert penalties in " ".join(results.stdout.split())
    assert results.stderr == ""
    assert dtrf("figures", "study.yaml", "--only", "controls", "--format", "svg").exit_code == 0
    assert (workplace / "study/figures/figure_controls.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "stuby.yaml"], "stuby.yaml: no such file"),
        (["plan", "study.yaml", "--cluster", "lokal"], "Did you mean local? Shipped in cluster/: existing, local"),
        (["results", "study.yaml"], "there is no study folder here"),
        (["figures", "study.yaml"], "there is no study folder here"),
        (["simulate", "recordings"], "something is there already"),
        (["simulate", "new", "--sentences", "5"], "sentences=5; expected 11 to 499"),
    ],
)
def test_mistake__is_one_message_and_ends_with_2(dtrf, write_study, arguments, said):
    write_study(networks=MEL)
    done = dtrf(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("file", "file: this is a file, expected the folder of a study; choose another output"),
        ("file/x", "file is not a folder; choose another output"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run", "status"])
def test_output_that_cannot_be_made__is_told_with_the_reason(dtrf, write_study, workplace, command, output, said):
    (workplace / "file").write_text("")
    write_study(networks=MEL, output=output)
    done = dtrf(command, "study.yaml")
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results", "[x]"], "[x]: is a folder without store.json, so it holds no results; did you mean [x]/study?"),
        (
            ["report", "[x]/empty"],
            "[x]/empty: is a folder without store.json, so it holds no results; name a study",
        ),
        (["run", "[x]"], "[x]: is a folder, not a YAML file"),
        (["run", "x" * 5000], "cannot be searched for: File name too long"),
        (["results", "[x]/study", "--save", "file/x.csv"], "file is not a folder"),
        (["report", "[x]/study", "--output", "file/x[/y].html"], "file is not a folder"),
        (["report", "[x]/study", "--output", "[x]"], "--output: [x] is a folder; name a file"),
        (["figures", "[x]/study"], "[x]/study/figures: cannot be written to: [x]/study/figures is not a folder"),
        (["simulate", "file/x[/y]"], "file is not a folder"),
        (["recordings", ".", "--raster", "a", "b", "c", "--output", "x[/y].png"], "--output: x[/y].png is not a file"),
    ],
)
def test_place_that_does_not_fit__is_told_as_it_is_written(dtrf, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    write_small_study(tmp_path / "[x]/study")
    (tmp_path / "[x]/empty").mkdir()
    (tmp_path / "[x]/study/figures").write_text("")
    (tmp_path / "file").write_text("")
    done = dtrf(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_doctor__tells_of_an_output_that_cannot_be_made(dtrf, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is not a folder" in " ".join(dtrf("doctor", "--output", str(tmp_path / "file")).stdout.split())


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="a GPU may be here")
def test_gpu_asked_for_without_one__is_an_error_not_a_cpu_run(dtrf, write_study, workplace):
    write_study(networks=MEL)
    done = dtrf("run", "study.yaml", "--cluster", "local_cuda")
    assert done.exit_code == 2
    assert "a GPU is requested, but there is no NVIDIA driver on this machine" in done.stderr
    assert not list((workplace / "study").glob("receipts/*/*"))


def test_misspelt_field__names_file_field_value_and_remedy(dtrf, write_study):
    write_study(netwerks=3)
    done = dtrf("plan", "study.yaml")
    assert done.exit_code == 2
    assert "study.yaml: netwerks = 3: unknown field; did you mean 'networks'?" in done.stderr


def test_plan__fits_80_columns_and_writes_nothing(dtrf, write_study, workplace):
    write_study()
    done = dtrf("plan", "study.yaml")
    assert done.exit_code == 0
    assert "extract features   6/6 " in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()[:4]) <= 80
    assert not (workplace / "study").exists()


def test_status__of_a_study_that_never_ran(dtrf, write_study):
    write_study()
    done = dtrf("status", "study.yaml", "--all")
    assert done.exit_code == 0
    assert "pending read timit-sounds" in done.stdout
    assert "waiting fit timit-mel_librosa-fixed-00-50ms: waits for " in done.stdout


def test_simulate__ends_with_what_was_written(dtrf, workplace):
    arguments = ("--format", "ucdavis", "--sessions", "1", "--channels", "published", "--sentences", "11")
    done = dtrf("simulate", "new", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    said = done.stdout.splitlines()[-1]
    assert said.startswith("1 sessions of 9 units in all, 11 sentences, 0 calls; ")
    assert said.endswith(f"MiB: {workplace / 'new'}")


def test_no_arguments__shows_the_commands():
    done = process()
    for command in ("plan", "run", "status", "results", "figures", "networks", "recordings", "simulate"):
        assert command in done.stdout + done.stderr


def test_run__says_each_note_once_and_of_how_many_items(dtrf, monkeypatch, tmp_path):
    """Three sessions without repeats, of which one also has a gap; a fourth cannot be read, which a plan says too."""
    monkeypatch.chdir(tmp_path)
    ids, onsets = [f"s{k}" for k in range(6)], [1.0 + 1.5 * k for k in range(6)]
    for i in ids:
        write_sound("mine", "set", i, np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1, 16000)
    for name in "abcd":
        signals = np.random.default_rng(1).normal(size=(400, 2))
        if name == "c":
            signals[22, 0] = np.nan
        write_session("mine", name, ids, onsets, signals=signals, rate=20.0)
    Path("mine/sessions/d/session.yaml").unlink()
    study = {
        "name": "notes",
        "recordings": {"format": "generic", "path": "mine"},
        "output": "study",
        "stimuli": ["set"],
        "lags": {"tmax": 0.05, "lead_in": 0.0},
        "test": {"folds": 3},
        "ridge": {"n_folds": 2},
        "networks": [{"name": "envelope"}],
    }
    Path("study.yaml").write_text(yaml.safe_dump(study))
    planned, done = dtrf("plan", "study.yaml"), dtrf("run", "study.yaml", "--item", "1/1")
    assert (planned.exit_code, done.exit_code) == (0, 1)
    for printed in (planned.stdout, done.stdout):
        assert "1 sessions cannot be used; leave out those that are bad" in printed
        assert "  d: " in printed
    lines = [line for line in done.stdout.splitlines() if line.startswith("note of")]
    assert [line.split(": ")[0] for line in lines] == ["note of set-c", "note of set-50ms-a and 2 more"]
