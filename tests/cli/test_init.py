"""``dtrf init``: a study of what is found in recordings, which runs as it was written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from distributed_trf import Study, inventory, open_recordings, open_results, write_session, write_sound
from distributed_trf.cli.app import app
from distributed_trf.config.study import load_study
from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.pipeline.first_study import write_first_study
from distributed_trf.recordings.example_recordings import write_example_recordings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dtrf(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def write_sounds(stimuli: str, n_train: int, n_test: int = 0) -> list[str]:
    """Write sounds of half a second, of which the last are for testing if there are any."""
    names = [f"s{k}" for k in range(n_train + n_test)]
    for k, name in enumerate(names):
        part = None if not n_test else "train" if k < n_train else "test"
        noise = np.random.default_rng(k).normal(size=8000) * 0.1
        write_sound("mine", stimuli, name, noise, 16000, part=part)
    return names


def presented(names: list[str], repeats: int) -> list[str]:
    """The last of some sounds repeatedly, the others once."""
    return [*names[:-1], *[names[-1]] * repeats]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_example__becomes_a_study_that_runs_as_it_was_written(folder):
    done = dtrf("init", "--example", "generic", "--network", "mel_whisper", "--network", "envelope")
    assert done.exit_code == 0, done.output
    assert "stimulus sets: sentences" in done.output
    held = inventory(open_recordings("generic", "generic_recordings"))
    assert held.sizes["session"] == 2
    assert (held["problem"] == "").all()
    assert int(held["n_test"].item()) == 10
    study = Study.load("study.yaml")
    assert study.output == folder / "generic_recordings_study"
    assert study.run(None).ok
    r = open_results(study.output).r.sel(network="mel_whisper", weights="fixed", layer=0, stimuli="sentences")
    assert float(r.isel(bin_width=0).median()) > 0.3  # units follow it


def test_study__says_what_was_found(folder):
    names = write_sounds("tones", 4, 1) and write_sounds("words", 4, 1)
    for session in ("a", "b"):
        stimulus = presented(names, 3)
        onset = np.arange(len(stimulus)) * 2.0
        spikes = {"u1": np.sort(np.random.default_rng(0).uniform(0, 14, 200)), "u2": onset + 0.1}
        sets = ["words" if session == "a" else "tones"] * len(stimulus)
        write_session("mine", session, stimulus, onset, spikes=spikes, stimulus_set=sets)
    study = write_first_study("study.yaml", "mine", networks=["mel_whisper"])
    assert study.stimuli == ["tones", "words"]
    assert study.bin_widths == [50.0]
    assert study.test.fixed
    text = Path("study.yaml").read_text()
    assert text.startswith("# 2 sessions of spikes, 4 units in all.")
    assert "  - words # 5 sounds of 2 s, 1 of them for testing; presented in 1 session\n" in text
    assert "path: mine # from the folder of this file" in text
    assert load_study("study.yaml") == study


def test_study_of_the_readme__is_what_is_written_for_such_a_folder(folder):
    """By hand or by `dtrf init`: the same recordings and networks, and the stimulus sets that are there."""
    (block,) = re.findall(r"```yaml\n(name: mine\n.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (folder / "mine.yaml").write_text(block)
    by_hand = load_study("mine.yaml")
    write_example_recordings("my_recordings", sessions=1, channels=1, sentences=13)
    written = write_first_study("study.yaml", "my_recordings")
    assert (written.recordings, written.networks) == (by_hand.recordings, by_hand.networks)
    assert by_hand.with_sets(["sentences"]).stimuli == written.stimuli
    same = {"name", "output", "stimuli"}
    assert written.model_dump(exclude=same) == by_hand.model_dump(exclude=same)


@pytest.mark.parametrize(
    ("rate", "bin_width", "tmax"), [(100.0, 50.0, 0.2), (8.0, 125.0, 0.2), (1.0, 2000.0, 10.0), (0.5, 2000.0, 10.0)]
)
def test_signal__decides_the_bins_and_how_far_lags_reach(folder, rate, bin_width, tmax):
    """At 1000 ms a bin would be a whole sound."""
    names = write_sounds("tones", 6)
    signals = np.random.default_rng(0).normal(size=(int(60 * rate), 2))
    write_session("mine", "a", names, np.arange(6) * 8.0, signals=signals, rate=rate)
    study = write_first_study("study.yaml", "mine", networks=["mel_whisper"])
    assert study.bin_widths == [bin_width]
    assert study.lags.tmax == tmax
    assert study.test.folds == 5  # there are no test sounds


def test_values__are_one_of_each_sound(folder):
    names = write_sounds("tones", 6)
    write_session("mine", "a", names, values=np.random.default_rng(0).normal(size=(6, 3)))
    study = write_first_study("study.yaml", "mine", networks=["mel_whisper"])
    assert (study.bin_widths, study.lags.tmax, study.lags.lead_in) == ([1000.0], 0.0, 0.0)


def test_weights__are_of_networks_alone_and_the_paths_from_the_study_file(folder):
    write_example_recordings("mine", sessions=1, channels=1, sentences=13)
    (folder / "studies").mkdir()
    write_first_study("studies/first.yml", "mine")
    text = Path("studies/first.yml").read_text()
    assert "  - { name: whisper_tiny, weights: [trained, reset] }" in text
    assert "  - { name: mel_whisper }\n" in text
    assert f"path: {folder}/mine #" in text  # not below the study's folder
    assert load_study("studies/first.yml").output == folder / "studies/mine_study"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["init", "nothing"], "nothing: there is no such folder; expected a recording set"),
        (["init", "empty"], "empty: no recording format can open this"),
        (["init"], "name a folder, or try --example generic"),
        (["init", "--example", "eeg"], "'eeg' is not one of generic, ucsf, ucdavis"),
        (["init", "empty", "--study", "here.yaml"], "here.yaml: is there already; name another file with --study"),
        (["init", "--example", "generic", "--study", "here.yaml"], "here.yaml: is there already"),
        (["init", "empty", "--study", "study.txt"], "study.txt: expected a name that ends in .yaml"),
        (["init", "mine", "--network", "whisper_tny"], "Did you mean whisper_tiny?"),
    ],
)
def test_mistake__is_named_and_nothing_is_written(folder, arguments, problem):
    (folder / "empty").mkdir()
    (folder / "here.yaml").write_text("name: here\n")
    write_example_recordings("mine", sessions=1, channels=1, sentences=13)
    before = sorted(folder.rglob("*"))
    done = dtrf(*arguments)
    assert done.exit_code == 2
    assert " ".join(problem.split()) in " ".join(done.output.replace("│", " ").split())
    assert sorted(folder.rglob("*")) == before


def test_few_training_sounds__are_dealt_into_fewer_folds_and_one_is_refused(folder):
    write_example_recordings("two", sessions=1, channels=1, sentences=12)
    assert write_first_study("two.yaml", "two", networks=["mel_whisper"]).ridge.n_folds == 2
    write_example_recordings("one", sessions=1, channels=1, sentences=11)
    with pytest.raises(ConfigError, match="1 sound for training; expected 2 or more"):
        write_first_study("one.yaml", "one", networks=["mel_whisper"])


def test_stimulus_set__that_no_study_can_name_is_refused(folder):
    """Names become folders; the message is that of the study file, which is not left behind."""
    names = write_sounds("my tones", 6)
    write_session("mine", "a", names, values=np.ones((6, 3)))
    with pytest.raises(ConfigError, match="study.yaml: stimuli.0 = 'my tones'"):
        write_first_study("study.yaml", "mine", networks=["mel_whisper"])
    assert not Path("study.yaml").exists()


def test_two_sounds_without_one_for_testing__are_too_few(folder):
    names = write_sounds("tones", 2)
    write_session("mine", "a", names, values=np.ones((2, 3)))
    with pytest.raises(ConfigError, match="2 sounds and none for testing; expected 3 or more"):
        write_first_study("study.yaml", "mine", networks=["mel_whisper"])
    assert not Path("study.yaml").exists()


def test_example__is_written_into_a_new_folder_only(folder):
    (folder / "mine").mkdir()
    with pytest.raises(ConfigError, match="something is there already"):
        write_example_recordings("mine")


def test_format__that_does_not_open_the_recordings_is_refused(folder):
    write_example_recordings("mine", sessions=1, channels=1, sentences=11)
    with pytest.raises((RecordingError, ConfigError)):
        write_first_study("study.yaml", "mine", format="ucsf")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_json__is_all_that_goes_to_the_output(folder):
    """What is said while one waits goes elsewhere, as programs read this."""
    assert dtrf("init", "--example", "generic", "--network", "mel_whisper").exit_code == 0
    with Path("study.yaml").open("a") as file:
        file.write("reliability: { draws: 1000 }\n")
    planned = json.loads(dtrf("plan", "study.yaml", "--json").stdout)
    assert [(s["stage"], s["todo"]) for s in planned["stages"]] == [
        ("read", 3),
        ("assess", 2),
        ("extract", 2),
        ("fit", 1),
    ]
    assert all(s["read_bytes"] > 0 for s in planned["stages"])
    assert json.loads(dtrf("status", "study.yaml", "--json").stdout)["stages"]["fit"] == {"waiting": 1}
    quiet = dtrf("-q", "run", "study.yaml")
    assert (quiet.exit_code, quiet.stdout) == (0, "")
    status = json.loads(dtrf("status", "study.yaml", "--json").stdout)
    assert (status["stages"]["fit"], status["not_done"]) == ({"done": 1}, [])
    results = json.loads(dtrf("results", "study.yaml", "--json").stdout)
    (fit,) = results["fits"]
    ds = open_results("generic_recordings_study")
    assert fit["median"] == pytest.approx(float(ds.r.median()))
    assert fit["n"] == ds.sizes["unit"] == 8
    by = json.loads(dtrf("results", "study.yaml", "--json", "--by", "area", "--sort", "r").stdout)["fits"]
    medians = ds.r.squeeze(drop=True).groupby("area").median().to_series().sort_values(ascending=False)
    assert [row["area"] for row in by] == list(medians.index)
    np.testing.assert_allclose([row["median"] for row in by], medians)
    top = json.loads(dtrf("results", "study.yaml", "--json", "--by", "session", "--top", "1").stdout)["fits"]
    assert [row["session"] for row in top] == [sorted(set(ds.session.values))[0]]
    doctor = json.loads(dtrf("doctor", "--json").stdout)
    assert doctor["wrong"] == sum(not finding["ok"] for finding in doctor["findings"])
    assert {"check", "topic", "found", "remedy", "ok"} == set(doctor["findings"][0])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_open__writes_the_report_when_results_are_newer(folder, monkeypatch):
    opened = folder / "opened.txt"
    monkeypatch.setenv("BROWSER", f"sh -c 'echo %s >> {opened}'")
    write_example_recordings("mine", sessions=1, channels=2, sentences=14)
    write_first_study("study.yaml", "mine", networks=["mel_whisper"])
    with Path("study.yaml").open("a") as file:
        file.write("reliability: null\n")
    assert Study.load("study.yaml").run(None).ok
    first = dtrf("open", "study.yaml")
    assert first.exit_code == 0, first.output
    assert "report: " in first.stdout
    assert "report: " not in dtrf("open", "study.yaml").stdout
    assert opened.read_text().splitlines() == [(folder / "mine_study/report.html").as_uri()] * 2
    text = Path("study.yaml").read_text().replace("bin_widths: [50]", "bin_widths: [50, 100]")
    Path("study.yaml").write_text(text)
    assert Study.load("study.yaml").run(None).ok
    assert "report: " in dtrf("open", "study.yaml").stdout
