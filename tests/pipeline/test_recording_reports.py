"""What a run reports on recordings: sessions that look wrong or cannot be used, and presentations that are not used."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner

from distributed_trf import open_results
from distributed_trf.cli.app import app

SPIKES, TRIALS = Path("mine/sessions/many/spikes.csv"), Path("mine/sessions/once/trials.csv")


def dtrf(*arguments):
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, " ".join(done.stdout.split())


def test_run__ends_with_what_looks_wrong_and_says_it_again(run_generic):
    spikes = pd.read_csv(SPIKES)
    spikes.assign(time=1000 * spikes.time).to_csv(SPIKES, index=False)
    report = run_generic()
    assert list(report.doubts) == ["tones-many"]
    assert "spike times look like milliseconds" in report.doubts["tones-many"][0]
    assert report.notes == {}
    manifest = json.loads((report.folder / "manifest.json").read_text())
    assert manifest["doubts"] == report.doubts
    assert manifest["unused_presentations"] == report.unused_presentations == 8

    again = run_generic()  # everything was done before
    assert (again.folder, again.doubts) == (None, report.doubts)
    run_generic(bin_widths=[100, 50])  # spikes are not read from the recordings again, and the reports are kept
    code, said = dtrf("run", "study.yaml", "--item", "1/1")
    assert code == 0
    assert "1 sessions look wrong tones-many: " in said
    assert "spike times look like milliseconds" in said
    assert dtrf("report", "study.yaml")[0] == 0
    page = next(Path("study").rglob("*.html")).read_text()
    assert "spike times look like milliseconds" in page


def test_session__that_its_own_files_leave_out_fails_the_run_until_it_is_known_to_be_bad(run_generic):
    TRIALS.write_text(TRIALS.read_text().replace("stimulus,onset", "sound,onset"))
    report = run_generic(ok=False)
    assert (report.failed, report.blocked) == ({}, {})
    assert list(report.unusable) == ["once"]
    assert "Expected the columns stimulus_set (optional), stimulus, onset" in report.unusable["once"]
    assert set(open_results("study").session.values) == {"many", "other", "some"}
    code, said = dtrf("run", "study.yaml", "--item", "1/1")
    assert code == 1
    assert "nothing to do" in said
    assert "1 sessions cannot be used; leave out those that are bad once: " in said
    code, said = dtrf("recordings", "mine")
    assert code == 1
    assert "session once: left out:" in said
    Path("mine/sessions.csv").write_text("session,use\nonce,no\n")
    assert run_generic().unusable == {}
    assert dtrf("recordings", "mine")[0] == 0


def test_presentations__that_are_not_used_are_counted_where_a_run_ends(run_generic):
    assert "tones: 8 further presentations of training stimuli; " in dtrf("recordings", "mine")[1]
    run_generic(networks=[{"name": "mel_deepspeech2"}])
    text = Path("study.yaml").read_text()
    Path("study.yaml").write_text(text.replace("mel_deepspeech2", "mel_librosa"))
    code, said = dtrf("run", "study.yaml", "--item", "1/1")
    assert code == 0
    assert "8 presentations of training stimuli are not used, for the first of each counts; `training: mean`" in said
