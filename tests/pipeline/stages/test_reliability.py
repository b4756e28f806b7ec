"""Reliability as a stage of a study: what is stored, what is left out, what is redone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.io import loadmat

from distributed_trf import Study, names, open_bootstraps, open_results
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.pipeline.items import Assess, ReadSession
from distributed_trf.pipeline.status import State
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.halves import deal_repeats
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore

MEL = [{"name": "mel_whisper"}]
SETTINGS = {"draws": 300, "null_shift": "random", "shifts": 99, "splits": 10, "seed": 0}


def run():
    return Study.load("study.yaml").run(recipe=None)


@pytest.fixture
def assessed(studied):
    studied(networks=MEL, reliability=SETTINGS)


def test_results__hold_what_assess_finds_of_each_session(assessed):
    ds, store = open_results("study"), StudyStore.open(Study.load("study.yaml").output)
    for session in dict.fromkeys(ds.session.values):
        counts = load_responses(store, "timit", 50.0, session)
        trials = list(counts.test_trials.values())
        halves = deal_repeats(min(len(trial) for trial in trials), SETTINGS["seed"], ("timit", session))
        expected = assess(trials, key=("timit", session, 50.0), halves=halves, **SETTINGS)
        assert np.isfinite(expected["normaliser_second_half"]).all()
        units = (ds.session == session).values
        for name in names.RELIABILITY:
            found = ds[name].sel(stimuli="timit", bin_width=50).values[units]
            np.testing.assert_array_equal(found, expected[name])
            assert ds[name].attrs == names.RELIABILITY[name].attrs
    r, rho = (ds[name].sel(stimuli="timit", network="mel_whisper", weights="fixed", layer=0) for name in ("r", "rho"))
    positive = (ds.normaliser > 0).values.ravel()
    np.testing.assert_allclose(
        rho.values.ravel()[positive], r.values.ravel()[positive] / np.sqrt(ds.normaliser.values.ravel()[positive])
    )


def test_driven_units__are_tuned_and_the_deaf_one_is_as_good_as_not(assessed):
    ds = open_results("study").sel(stimuli="timit", bin_width=50)
    assert (ds.tuned_p.values.reshape(2, 3)[:, :2] == 0.01).all()
    assert (ds.normaliser.values.reshape(2, 3)[:, :2] > 0.2).all()
    assert (np.abs(ds.normaliser.values.reshape(2, 3)[:, 2]) < 0.05).all()


def test_changed_reliability__leaves_fits_alone_and_changed_fits_leave_reliability(assessed, write_study):
    write_study(networks=MEL, reliability={**SETTINGS, "draws": 301})
    before = open_results("study").normaliser.values
    assert run().done == {"read": 0, "assess": 2, "extract": 0, "fit": 0}
    assert (open_results("study").normaliser.values != before).all()
    write_study(networks=MEL, reliability={**SETTINGS, "draws": 301}, ridge={"alphas": [1.0, 2.0]})
    assert run().done == {"read": 0, "assess": 0, "extract": 0, "fit": 1}
    assert np.isfinite(open_results("study").normaliser.values).all()


def test_seed_of_halves__makes_the_fits_anew_that_have_an_r_of_one(assessed, write_study):
    before = open_results("study").load()
    write_study(networks=MEL, reliability={**SETTINGS, "seed": 5})
    (fit,) = [p for p in Study.load("study.yaml").status() if p.item.stage == "fit"]
    assert (fit.state, fit.reason) == (State.STALE, "changed: halves of repeats")
    assert run().done == {"read": 0, "assess": 2, "extract": 0, "fit": 1}
    after = open_results("study").load()
    np.testing.assert_array_equal(after.r, before.r)
    assert (after.r_second_half != before.r_second_half).any()


def test_no_reliability__is_a_choice_and_takes_old_numbers_away(assessed, write_study):
    write_study(networks=MEL, reliability=None)
    assert {p.item.stage for p in Study.load("study.yaml").status()} == {"read", "extract", "fit"}
    assert run().folder is None
    ds = open_results("study")
    assert np.isnan(ds.normaliser.values).all()
    assert np.isnan(ds.rho.values).all()
    assert np.isfinite(ds.r.values).all()


def test_lost_reliability__is_measured_again(assessed):
    item = Assess("timit", 50.0, "180413")
    store = StudyStore.open(Study.load("study.yaml").output)
    path = store.reliability("timit", 50.0, "180413")
    before = open_results("study").normaliser.values
    for file in sorted(path.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    path.rmdir()
    status = next(p for p in Study.load("study.yaml").status() if p.item == item)
    assert status.state == State.STALE
    assert status.reason.startswith("its output is gone (reliability/timit/50ms/180413.zarr/")
    assert run().done == {"read": 0, "assess": 1, "extract": 0, "fit": 0}
    np.testing.assert_array_equal(open_results("study").normaliser.values, before)


def test_another_bin_width__reads_the_kept_spikes_not_the_recordings(assessed, write_study, workplace, monkeypatch):
    write_study(networks=MEL, reliability=SETTINGS, bin_widths=[50, 20])
    monkeypatch.setattr("distributed_trf.recordings.ucsf.reader.UCSFRecordings.spikes", None)
    before = open_results("study").r.sel(bin_width=50).values
    report = run()
    assert report.done == {"read": 2, "assess": 2, "extract": 0, "fit": 1}
    ds = open_results("study")
    np.testing.assert_array_equal(ds.r.sel(bin_width=50).values, before)
    assert np.isfinite(ds.normaliser.values).all()
    assert (ds.normaliser.sel(bin_width=20).values != ds.normaliser.sel(bin_width=50).values).all()


def test_kept_spikes__that_are_damaged_are_read_again(assessed, write_study):
    store = StudyStore.open(Study.load("study.yaml").output)
    before = load_responses(store, "timit", 50.0, "180413")
    chunk = next(p for p in (store.spikes("timit", "180413") / "times/c").rglob("*") if p.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 0xFF
    chunk.write_bytes(content)
    write_study(networks=MEL, reliability=SETTINGS, bin_widths=[50, 20])
    assert run().ok
    after = load_responses(store, "timit", 50.0, "180413")
    np.testing.assert_array_equal(after.train, before.train)
    fine = load_responses(store, "timit", 20.0, "180413")
    assert abs(int(fine.train.sum()) - int(before.train.sum())) < 0.05 * before.train.sum()


def test_kept_spikes__of_other_recordings_are_not_used(assessed, write_study, workplace, rewrite):
    def silence(content):
        content["spike"]["trial"] = np.zeros_like(content["spike"]["trial"])

    rewrite(sorted((workplace / "recordings/sessions/180413").iterdir())[0], silence)
    write_study(networks=MEL, reliability=SETTINGS, bin_widths=[50, 20])
    assert run().ok
    store = StudyStore.open(Study.load("study.yaml").output)
    for bin_width in (20.0, 50.0):
        counts = load_responses(store, "timit", bin_width, "180413")
        assert (counts.train.sum(axis=0) > 0).tolist() == [False, True, True]


def test_test_sentence_presented_once__leaves_the_session_without_reliability(write_study, workplace, rewrite):
    """All but one presentation of sentence 12 become those of a training sentence."""
    for file in sorted((workplace / "recordings/sessions/180413").iterdir()):

        def change(content):
            codes = content["trial"]["timitStimcode"]
            codes[np.flatnonzero(codes == 12)[1:]] = 1

        rewrite(file, change)
    write_study(networks=MEL, reliability=SETTINGS)
    report = run()
    assert report.ok
    (note,) = report.notes["timit-50ms-180413"]
    assert note.startswith("no reliability: test stimuli 12 were presented only once, so")
    ds = open_results("study").sel(stimuli="timit", bin_width=50)
    first = (ds.session == "180413").values
    assert np.isnan(ds.normaliser.values[first]).all()
    assert np.isfinite(ds.normaliser.values[~first]).all()
    assert np.isfinite(ds.r.values).all()


def test_bootstrap__of_the_normaliser_lies_on_the_unit_axis(write_study):
    drawn = {"percent_duration": [50, 100], "n_repeats": [2, 11, 12], "draws": 3, "pairings": 40}
    write_study(networks=MEL, reliability={**SETTINGS, "bootstrap": drawn})
    with pytest.raises(StoreError):
        open_bootstraps("study", of="normaliser")
    assert run().ok
    ds = open_bootstraps("study", of="normaliser")
    sizes = {"stimuli": 1, "bin_width": 1, "percent_duration": 2, "n_repeats": 3, "draw": 3, "unit": 6}
    assert dict(ds.normaliser.sizes) == sizes
    assert ds.session.values.tolist() == ["180413"] * 3 + ["180501"] * 3
    assert np.isfinite(ds.normaliser.sel(n_repeats=[2, 11]).values).all()
    assert np.isnan(ds.normaliser.sel(n_repeats=12).values).all()  # no session has that many
    whole = open_results("study").normaliser.sel(stimuli="timit", bin_width=50)
    many = ds.normaliser.sel(stimuli="timit", bin_width=50, percent_duration=100, n_repeats=11).mean("draw")
    np.testing.assert_allclose(many.values, whole.values, atol=0.15)


def test_bootstraps__unknown_kind_names_all_three(assessed):
    with pytest.raises(StoreError, match="must be 'training', 'test' or 'normaliser'"):
        open_bootstraps("study", of="all")
    with pytest.raises(StoreError, match="no normaliser was drawn; set it under `reliability"):
        open_bootstraps("study", of="normaliser")


def test_delay__moves_the_bins(write_study, workplace):
    """Bins that begin a bin later hold what the second bin of the undelayed ones held."""
    counts = []
    for delay in (0.0, 0.05):
        write_study(networks=MEL, reliability=None, delay=delay)
        assert run().done["read"] > 0
        counts.append(load_responses(StudyStore.open(workplace / "study"), "timit", 50.0, "180413"))
    for i in counts[0].train_ids:
        np.testing.assert_array_equal(counts[1].train_trials[i][:-1], counts[0].train_trials[i][1:])


def test_whole_stimuli__at_1000_ms_a_sentence_is_one_bin_with_summed_features(write_study, workplace):
    write_study(networks=MEL, reliability=SETTINGS, bin_widths=[1000, 50], lags={"tmax": 0.0})
    assert run().ok
    store = StudyStore.open(workplace / "study")
    whole, fine = (load_responses(store, "timit", width, "180501") for width in (1000.0, 50.0))
    assert set(whole.bins.values()) == {1}
    assert whole.train.shape[0] == len(whole.train_ids)
    recordings = open_recordings("ucsf", workplace / "recordings")
    durations = {s.id: s.duration for s in recordings.stimuli("timit")}
    channel = loadmat(
        workplace / "recordings/sessions/180501/b_180501_Ch1_MUspk.mat", squeeze_me=True, struct_as_record=False
    )
    for k, i in enumerate(whole.train_ids):
        trial = np.flatnonzero(channel["trial"].timitStimcode == int(i))[0] + 1
        times = channel["spike"].stimlock[channel["spike"].trial == trial]
        assert whole.train[k, 0] == np.count_nonzero((times > -1e-6) & (times < durations[i] - 1e-6))
    assert abs(int(whole.train.sum()) - int(fine.train.sum())) < 0.05 * fine.train.sum()
    assert np.isfinite(open_results("study").r.sel(bin_width=1000).values).any()


def test_notes_of_sessions__are_in_the_report_and_the_manifest(write_study, workplace, monkeypatch):
    from distributed_trf.recordings.ucsf.reader import UCSFRecordings

    spikes = UCSFRecordings.spikes

    def noted(self, session, stimulus_set):
        found = spikes(self, session, stimulus_set)
        return type(found)(found.stimulus, found.onset, found.times, found.trial, ("2 spikes before the recording",))

    monkeypatch.setattr(UCSFRecordings, "spikes", noted)
    write_study(networks=MEL, reliability=None)
    report = run()
    assert list(report.notes) == ["timit-180413", "timit-180501"]
    assert report.notes["timit-180413"] == ["2 spikes before the recording"]
    assert json.loads((report.folder / "manifest.json").read_text())["notes"]["timit-180501"]


def test_items__have_distinct_keys_and_a_study_says_what_reliability_may_be(write_study):
    assert ReadSession("timit", "s").key == "timit-s"
    assert Assess("timit", 50.0, "s").key == "timit-50ms-s"
    write_study(reliability={"null_shift": "whole"})
    with pytest.raises(ConfigError, match=r"reliability\.null_shift"):
        Study.load("study.yaml")
