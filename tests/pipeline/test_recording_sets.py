"""Whole studies on every recording format: both stimulus sets, missing trials, unequal repeats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.io import wavfile

from distributed_trf import Study, open_recordings, open_results, simulate
from distributed_trf.recordings.simulation.session import open_truth
from tests.recordings.generic_files import TEST, TRAIN, write_csv_session, write_sounds

MEL = [{"name": "mel_whisper"}]
FEW = {"draws": 500, "shifts": 199, "splits": 20}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Write and run a study of the recordings in ``recordings``, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(format, **changes):
        settings = {
            "name": "whole",
            "recordings": {"format": format, "path": "recordings"},
            "output": f"study-{format}",
            "stimuli": ["timit", "mvocs"],
            "networks": MEL,
            "reliability": FEW,
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(settings | changes))
        report = Study.load("study.yaml").run(recipe=None)
        return report, open_results(f"study-{format}").load()

    return run


SIZES = {
    "ucsf": {"sessions": 2, "channels": 3, "sentences": 60, "calls": 130},
    "ucdavis": {"sessions": 2, "channels": 3, "sentences": 80, "calls": 130},
}


@pytest.mark.parametrize("format", SIZES)
def test_both_published_formats__are_predicted_close_to_what_the_known_rates_allow(study, tmp_path, format):
    simulate(tmp_path / "recordings", format=format, **SIZES[format], seed=0)
    report, ds = study(format)
    assert report.ok
    truth = open_truth(tmp_path / "recordings")
    assert truth is not None
    assert ds.session.values.tolist() == truth.session.values.tolist()
    assert ds.channel.values.tolist() == truth.channel.values.tolist()
    driven = truth.driven.values
    for stimuli in ("timit", "mvocs"):
        fit = ds.sel(stimuli=stimuli, network="mel_whisper", weights="fixed", layer=0, bin_width=50)
        known = truth.sel(stimuli=stimuli)
        assert np.median((known.ceiling.values - fit.r.values)[driven]) < 0.06
        np.testing.assert_allclose(fit.normaliser.values, known.normaliser.values, atol=0.1)
        assert (fit.tuned_p.values[driven] == 1 / 200).all()
        assert np.median(fit.rho.values[driven]) > 0.75


def test_session_without_vocalisations__has_sentences_only(study, tmp_path):
    """Session 190726 of the published ones has no such sounds: the second, renamed, replaces it."""
    simulate(tmp_path / "recordings", sessions=2, channels=2, sentences=14, calls=45, seed=0)
    folder = tmp_path / "recordings/sessions"
    first, second, _ = sorted(folder.iterdir())
    for file in second.iterdir():
        file.rename(file.with_name(file.name.replace(second.name, "190726")))
    second.rename(folder / "190726")
    report, ds = study("ucsf")
    assert report.ok
    r = ds.r.sel(network="mel_whisper", weights="fixed", layer=0, bin_width=50)
    with_calls = (ds.session == first.name).values
    assert np.isfinite(r.sel(stimuli="timit").values).all()
    assert np.isfinite(r.sel(stimuli="mvocs").values[with_calls]).all()
    assert np.isnan(r.sel(stimuli="mvocs").values[~with_calls]).all()
    assert np.isnan(ds.normaliser.sel(stimuli="mvocs").values[:, ~with_calls]).all()


def test_generic_layout__gives_the_numbers_of_the_format_it_was_copied_from(study, tmp_path):
    simulate(tmp_path / "recordings", sessions=2, channels=3, sentences=24, seed=1)
    _, expected = study("ucsf", stimuli=["timit"])
    published = open_recordings("ucsf", tmp_path / "recordings")
    (tmp_path / "recordings").rename(tmp_path / "published")
    published = open_recordings("ucsf", tmp_path / "published")
    sounds, sfreq = published.sounds("timit")
    for stimulus in published.stimuli("timit"):
        folder = tmp_path / "recordings/stimuli/timit" / ("test" if stimulus.is_test else "train")
        folder.mkdir(parents=True, exist_ok=True)
        wavfile.write(folder / f"{stimulus.id}.wav", int(sfreq), sounds[stimulus.id])
    for session in published.sessions:
        spikes = published.spikes(session, "timit")
        folder = tmp_path / "recordings/sessions" / session.name
        folder.mkdir(parents=True)
        trials = {"stimulus_set": "timit", "stimulus": spikes.stimulus, "onset": spikes.onset}
        pd.DataFrame(trials).to_csv(folder / "trials.csv", index=False)
        units = [
            pd.DataFrame({"unit": channel, "time": spikes.onset[trial] + times})
            for channel, times, trial in zip(session.channels, spikes.times, spikes.trial, strict=True)
        ]
        pd.concat(units).to_csv(folder / "spikes.csv", index=False)
        pd.DataFrame({"unit": session.channels}).to_csv(folder / "units.csv", index=False)
    report, ds = study("generic", stimuli=["timit"])
    assert report.ok
    for name in ("r", "alpha", "normaliser", "tuned_p", "rho"):
        np.testing.assert_allclose(ds[name].values, expected[name].values, rtol=1e-9)


def test_session_that_lacks_the_stimulus_set__moves_units_and_none_of_their_numbers(study, tmp_path):
    """It has other sounds, so that no fit is done again; sorted first, it takes the indices of the other units."""

    def present(name, session, units):
        played = [*TRAIN, *TEST, *TEST, *TEST]
        spikes = [(unit, t) for unit in units for t in np.random.default_rng(len(unit)).uniform(0, len(played), 300)]
        write_csv_session(
            tmp_path / "recordings", session, [(name, i, float(k)) for k, i in enumerate(played)], spikes, units
        )

    settings = {"stimuli": ["words"], "networks": [{"name": "mel_librosa"}], "ridge": {"n_folds": 2}}
    for name in ("words", "calls"):
        write_sounds(tmp_path / "recordings", name)
    present("words", "m", ["u", "uuu"])
    present("words", "z", ["uu"])
    report, before = study("generic", **settings)
    assert report.ok
    present("calls", "a", ["u", "uuu", "uuuu"])
    present("calls", "n", ["u"])
    report, after = study("generic", **settings)
    assert report.done.get("fit", 0) == 0
    keys = [list(zip(ds.session.values, ds.channel.values, strict=True)) for ds in (before, after)]
    assert [session for session, _ in keys[1]] == ["a", "a", "a", "m", "m", "n", "z"]
    moved = [keys[1].index(key) for key in keys[0]]
    for name in ("r", "alpha", "cv_score", "normaliser", "silent_repeats"):
        assert before[name].notnull().all()
        np.testing.assert_array_equal(after[name].isel(unit=moved), before[name])
        assert after[name].isel(unit=[k for k in range(7) if k not in moved]).isnull().all()
