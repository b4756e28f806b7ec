"""Bad input: a clear error, the rest goes on, nothing is half written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from distributed_trf import Study, open_results
from distributed_trf.errors import ConfigError, DataError, RecordingError, StoreBusyError, StoreError
from distributed_trf.pipeline.items import ReadSounds
from distributed_trf.pipeline.stages.read_recordings import read_sounds
from distributed_trf.pipeline.work_kind import Job
from distributed_trf.recordings.ucsf.reader import UCSFRecordings
from distributed_trf.store.study_lock import run_lock
from distributed_trf.store.study_store import StudyStore
from tests.store_damage import vouch_for_changes

MEL = [{"name": "mel_librosa"}]


def run():
    return Study.load("study.yaml").run(recipe=None)


def sessions(workplace):
    return sorted((workplace / "recordings/sessions").iterdir())[:-1]  # the last is known to be bad


def test_truncated_mat__fails_its_session_alone_and_is_repaired_by_another_run(write_study, workplace):
    write_study(networks=MEL)
    whole = sessions(workplace)[0]
    file = sorted(whole.glob("*MUspk*"))[1]
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    report = run()
    assert not report.ok
    assert list(report.failed) == [f"read timit-{whole.name}"]
    assert str(file) in next(iter(report.failed.values()))
    r = open_results("study").r.values.ravel()
    np.testing.assert_array_equal(np.isnan(r), [True] * 3 + [False] * 3)
    assert {p.state for p in Study.load("study.yaml").status()} == {"done", "failed"}

    assert run().done == {"read": 0, "assess": 0, "extract": 0, "fit": 0}  # tried again, and no fit is done twice
    file.write_bytes(content)
    report = run()
    assert report.ok
    assert report.done == {"read": 1, "assess": 1, "extract": 0, "fit": 1}
    again = open_results("study").r.values.ravel()
    np.testing.assert_allclose(again[3:], r[3:], rtol=1e-12, atol=1e-15)
    assert np.isfinite(again).all()


def test_session_without_test_sentences__is_named(write_study, workplace, rewrite):
    write_study(networks=MEL)
    session = sessions(workplace)[1]

    def forget(content):
        codes = content["trial"]["timitStimcode"]
        content["trial"]["timitStimcode"] = np.where(np.isin(codes, [12, 308]), 0, codes)

    for file in session.glob("*MUspk*"):
        rewrite(file, forget)
    report = run()
    (message,) = report.failed.values()
    assert session.name in message
    assert "12, 308" in message
    assert "bad_sessions" in message
    assert open_results("study").r.isel(unit=slice(0, 3)).notnull().all()


def test_no_readable_session__leaves_the_fits_undone_with_the_reason(write_study, workplace):
    write_study(networks=MEL)
    for session in sessions(workplace):
        next(session.glob("*MUspk*")).write_bytes(b"")
    report = run()
    assert len(report.failed) == 2
    assert report.blocked == {"fit timit-mel_librosa-fixed-00-50ms": "no session could be read"}
    assert open_results("study").r.isnull().all()


def test_missing_weights__fail_their_network_alone(write_study):
    write_study(networks=[{"name": "small_whisper", "weights": ["trained", "reset"], "source": "nowhere"}, *MEL])
    report = run()
    assert set(report.failed) == {f"extract timit-small_whisper-trained-000{k}" for k in range(3)}
    assert all("nowhere" in message and "revision" in message for message in report.failed.values())
    assert set(report.blocked) == {f"fit timit-small_whisper-trained-0{k}-50ms" for k in range(4)}
    ds = open_results("study").r
    assert ds.sel(network="small_whisper", weights="trained").isnull().all()
    assert ds.sel(network="small_whisper", weights="reset").notnull().all()
    assert ds.sel(network="mel_librosa", weights="fixed", layer=0).notnull().all()


def test_nan_in_stored_features__is_found_before_a_fit(studied, write_study):
    import zarr

    studied(networks=MEL)
    store = StudyStore.open(Path("study"))
    features = store.features("timit", "mel_librosa", "fixed")
    zarr.open_group(features, mode="r+")["0"][5, 3] = np.nan
    vouch_for_changes(store, features)
    write_study(networks=MEL, ridge={"n_folds": 4})
    report = run()
    (message,) = report.failed.values()
    assert "fixed.zarr" in message
    assert "layer 0" in message


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"recordings": {"format": "ucsf", "path": "gone"}}, RecordingError, "gone"),
        ({"recordings": {"format": "usfc", "path": "recordings"}}, ConfigError, "'usfc' is unknown"),
        ({"networks": [{"name": "whisper_tyni"}]}, ConfigError, "whisper_tyni"),
        ({"networks": [{"name": "mel_librosa", "layers": [1]}]}, ConfigError, "mel_librosa has no layer 1"),
        ({"networks": [{"name": "mel_librosa", "weights": ["reset"]}]}, ConfigError, "is a spectrogram"),
        ({"networks": [{"name": "small_whisper", "weights": ["fixed"]}]}, ConfigError, "fixed is for spectrograms"),
        ({"stimuli": ["mvocs"]}, ConfigError, "stimuli: mvocs is not .* offers: timit; no mvocs: .*MonkVocs"),
        ({"networks": MEL, "ridge": {"n_folds": 40}}, ConfigError, "n_folds"),
        (
            {"networks": MEL, "lags": {"tmax": 20}},
            ConfigError,
            r"lags.tmax = 20 s is beyond the longest sound of timit, which lasts \d.\d+ s; .* 20 ms is 0.02",
        ),
        ({"networks": MEL, "lags": {"tmin": -20}}, ConfigError, "lags.tmin = -20 s is beyond the longest sound"),
    ],
)
def test_unusable_study__writes_nothing(write_study, workplace, changes, error, message):
    write_study(**changes)
    with pytest.raises(error, match=message):
        run()
    assert not (workplace / "study").exists()


def test_item_too_large_for_a_worker__is_refused_before_anything_is_written(write_study, workplace):
    recipe = workplace / "tiny.yaml"
    recipe.write_text("kind: local\nworkers: 1\nmemory: 500MiB\n")
    write_study(networks=[{"name": "small_whisper", "weights": ["reset"]}, {"name": "mel_whisper"}])
    with pytest.raises(ConfigError, match=r"items do not fit a worker, which has 0\.5 GiB: .* about .* GiB"):
        Study.load("study.yaml").run("tiny.yaml")
    assert not (workplace / "study").exists()


def test_output_that_is_no_study__is_left_alone(write_study, workplace):
    (workplace / "study").mkdir()
    (workplace / "study/thesis.txt").write_text("all of it")
    write_study(networks=MEL)
    with pytest.raises(StoreError, match=r"no store\.json"):
        run()
    assert [p.name for p in (workplace / "study").iterdir()] == ["thesis.txt"]


def test_store_of_another_version__is_refused_with_both_versions(studied, workplace):
    studied(networks=MEL)
    marker = workplace / "study/store.json"
    marker.write_text(marker.read_text().replace('"format_version": 5', '"format_version": 7'))
    with pytest.raises(StoreError, match=r"store\.json: format_version is 7, but .* reads 5"):
        run()
    with pytest.raises(StoreError, match="format_version is 7"):
        open_results("study")


def test_second_run__is_refused_while_one_is_running(write_study, workplace):
    write_study(networks=MEL)
    StudyStore.create(workplace / "study")
    with run_lock(StudyStore.open(workplace / "study")):
        with pytest.raises(StoreBusyError, match=r"another run is writing here \(process \d+ on "):
            run()
        command = [sys.executable, "-m", "distributed_trf", "run", "study.yaml"]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert other.returncode == 2
    assert "another run is writing here" in other.stderr
    assert not list((workplace / "study").glob("receipts/*/*"))
    assert run().ok


def test_recordings_that_went_away__do_not_hide_the_results(studied, workplace):
    studied(networks=MEL)
    shutil.rmtree(workplace / "recordings")
    assert open_results("study").r.notnull().all()


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.full(10, np.nan), "10 of its 10 samples are NaN or Inf"),
        (np.zeros((10, 2)), r"an array of shape \(10, 2\)"),
        (np.zeros(0), r"an array of shape \(0,\)"),
    ],
)
def test_bad_sound__of_any_format_is_named_before_it_is_stored(workplace, sound, message):
    class Broken(UCSFRecordings):
        def sounds(self, stimulus_set):
            sounds, sfreq = super().sounds(stimulus_set)
            return {**sounds, "12": sound}, sfreq

    store = StudyStore.create(workplace / "study")
    with pytest.raises(DataError, match=f"stimulus '12' of timit: {message}"):
        read_sounds(ReadSounds("timit"), Job(None, {}, store, "cpu", lambda: Broken(workplace / "recordings"), {}, ()))
    assert not store.sounds("timit").exists()
