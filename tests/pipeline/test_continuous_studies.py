"""Studies of signals and of one value per sound, from a folder to results."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from distributed_trf import TRF, binned_features, design, open_features, open_models, open_results
from distributed_trf.errors import ConfigError
from distributed_trf.results.best_predicted import predicted_response
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from tests.recordings.signal_oracle import one_bin
from tests.small_recordings import ALPHAS, SECONDS, TEST, TRAIN

RATE = 80.0


def trials_of(session):
    return pd.read_csv(f"mine/sessions/{session}/trials.csv")


def write_signals(sessions=("many", "once")):
    """Replace spikes by signals of three channels at 80 Hz that begin 1.5 s before the first sound."""
    for k, session in enumerate(sessions):
        folder, rng = Path("mine/sessions", session), np.random.default_rng(k)
        (folder / "spikes.csv").unlink()
        trials = trials_of(session)
        x = rng.normal(size=(round((trials.onset.max() + 4) * RATE), 3))
        for stimulus, onset in zip(trials.stimulus, trials.onset, strict=True):
            first = round((1.5 + onset) * RATE)
            x[first : first + round(SECONDS[stimulus] * RATE), 1] += np.sin(np.arange(round(SECONDS[stimulus] * RATE)))
        if k:
            zarr.create_array(folder / "signals.zarr", data=x, chunks=(100, 3))
        else:
            np.save(folder / "signals.npy", x.astype(np.float32))
        (folder / "session.yaml").write_text("rate: 80\nstart: -1.5\nchannels: [F1, F2, F3]\n")
    for folder in Path("mine/sessions").iterdir():
        if folder.name not in sessions:
            shutil.rmtree(folder)


def binned(session, stimulus):
    """All presentations of a stimulus on bins of 50 ms, from the definition."""
    folder = Path("mine/sessions", session)
    file = folder / "signals.npy"
    x = np.load(file).astype(float) if file.exists() else np.asarray(zarr.open(folder / "signals.zarr")[:])
    trials = trials_of(session)
    onsets = trials.onset[trials.stimulus == stimulus]
    n = round(SECONDS[stimulus] / 0.05)
    return np.array([[one_bin(x, RATE, t + 1.5 + (b + 0.5) * 0.05, 0.05) for b in range(n)] for t in onsets])


def test_signals__are_fitted_as_by_hand(run_generic):
    """From the file to r: bins by the definition, and the estimator on them."""
    write_signals()
    (Path("mine/sessions/many") / "units.csv").write_text("unit,x,z,region\nF1,1,2,STG\nF2,,3,\nF3,0,1,HG\n")
    report = run_generic(save_models=True, reliability={"draws": 300, "shifts": 20, "splits": 10})
    assert report.notes == {}
    ds = open_results("study").sel(stimuli="tones", network="mel_librosa", weights="fixed", bin_width=50, layer=0)
    assert ds.session.values.tolist() == ["many"] * 3 + ["once"] * 3
    assert ds.region.values.tolist() == ["STG", "", "HG", "", "", ""]
    np.testing.assert_array_equal(ds.x, [1, np.nan, 0, *[np.nan] * 3])
    np.testing.assert_array_equal(ds.z, [2, 3, 1, *[np.nan] * 3])
    assert np.isfinite(ds.normaliser.values).all()
    assert (ds.silent_repeats == 0).all()
    x = dict(binned_features(open_features("study")["tones", "mel_librosa", "fixed"], 0, 50))
    store = StudyStore.open(Path("study"))
    for session, of in ds.groupby("session"):
        stored = load_responses(store, "tones", 50.0, session)
        y = {i: binned(session, i) for i in TRAIN + TEST}
        for i in y:
            np.testing.assert_allclose(stored.trials(i), y[i], rtol=1e-9, atol=1e-9)
        train, test = [y[i][0] for i in TRAIN], [y[i][:2] for i in TEST]
        trf = TRF(tmin=0, tmax=0.05, sfreq=20, alphas=ALPHAS, n_folds=3, lead_in=2).fit([x[i] for i in TRAIN], train)
        np.testing.assert_allclose(of.alpha, trf.alpha_)
        predicted = np.concatenate(trf.predict([x[i] for i in TEST]))
        recorded = np.concatenate(test, axis=1)
        r = [[np.corrcoef(predicted[:, u], recorded[k, :, u])[0, 1] for u in range(3)] for k in range(2)]
        np.testing.assert_allclose(of.r, np.mean(r, axis=0), rtol=1e-9, atol=1e-9)
    predicted = open_models("study")["tones", "mel_librosa", "fixed", 0, 50].predict(stimuli=TEST, sessions=["many"])
    assert predicted.attrs["long_name"] == "predicted response"
    response = predicted_response(
        "study", "many", "F2", network="mel_librosa", layer=0, weights="fixed", stimuli="tones", stimulus="t2"
    )
    np.testing.assert_allclose(response["response"], binned("many", "t2")[:, :, 1], rtol=1e-9, atol=1e-9)


def write_values(repeats=3):
    """Replace the sessions by two with values of four voxels: a table with blanks, and an array; no onsets."""
    rng = np.random.default_rng(1)
    for folder in Path("mine/sessions").iterdir():
        shutil.rmtree(folder)
    presented = TRAIN + TEST * repeats
    for session in ("array", "table"):
        folder = Path("mine/sessions", session)
        folder.mkdir()
        y = rng.normal(100, 1, size=(len(presented), 4)) + 0.3 * np.arange(len(presented))[:, np.newaxis] ** 0.5
        if session == "array":
            pd.DataFrame({"stimulus": presented}).to_csv(folder / "trials.csv", index=False)
            np.save(folder / "values.npy", y)
        else:
            frame = pd.DataFrame(y, columns=["v1", "v2", "v3", "v4"])
            frame.loc[len(presented) - 1, "v2"] = np.nan
            frame.insert(0, "stimulus", presented)
            frame.to_csv(folder / "values.csv", index=False)


VALUES = {
    "bin_widths": [1000],
    "lags": {"tmin": 0, "tmax": 0, "lead_in": 0.1},
    "reliability": {"draws": 200, "shifts": 20, "splits": 5},
}


@pytest.mark.parametrize("window", [None, (0.12, 0.55)])
def test_values__are_fitted_on_features_averaged_over_the_sound_or_a_window(run_generic, window):
    write_values()
    report = run_generic(**VALUES, **({} if window is None else {"feature_window": list(window)}), save_models=True)
    assert report.notes == {"tones-table": ["1 of 13 trials left out, for unit v2 has NaN or Inf in them"]}
    ds = open_results("study").sel(stimuli="tones", network="mel_librosa", weights="fixed", bin_width=1000, layer=0)
    features, mean = open_features("study")["tones", "mel_librosa", "fixed"], {}
    for i, frames in features.iterate(0):
        first, last = window or (0, SECONDS[i])
        fine = np.repeat(frames.astype(float), 1000, axis=0)
        seconds = (np.arange(len(fine)) + 0.5) / len(fine) * (0.1 + SECONDS[i]) - 0.1
        mean[i] = fine[(seconds > first) & (seconds < min(last, SECONDS[i]))].mean(axis=0, keepdims=True)
    averaged = binned_features(features, 0, 1000, average=window or (0, np.inf))
    for i, x in averaged:
        np.testing.assert_allclose(x, mean[i], rtol=2e-4, atol=1e-6)
    x = dict(binned_features(features, 0, 1000, average=window or (0, np.inf)))
    y = np.load("mine/sessions/array/values.npy")[:, np.newaxis, :]
    sounds = design("study", "array", "mel_librosa", stimuli="tones", bin_width=1000.0)
    assert sorted(sounds) == sorted(TRAIN + TEST)
    for k, i in enumerate(TRAIN):
        np.testing.assert_array_equal(sounds[i].features, x[i])
        np.testing.assert_array_equal(sounds[i].response, y[k : k + 1])
    trf = TRF(tmin=0, tmax=0, sfreq=1, alphas=ALPHAS, n_folds=3).fit([x[i] for i in TRAIN], list(y[: len(TRAIN)]))
    np.testing.assert_allclose(ds.alpha[:4], trf.alpha_)
    predicted = np.concatenate(trf.predict([x[i] for i in TEST]))
    repeats = y[len(TRAIN) :, 0].reshape(3, len(TEST), 4)
    r = [[np.corrcoef(predicted[:, u], of[:, u])[0, 1] for u in range(4)] for of in repeats]
    np.testing.assert_allclose(ds.r[:4], np.mean(r, axis=0), rtol=1e-9, atol=1e-9)
    assert np.isfinite(ds.ceiling_ccmax).any()
    model = open_models("study")["tones", "mel_librosa", "fixed", 0, 1000]
    np.testing.assert_allclose(model.predict(stimuli=TEST, sessions=["array"]), predicted, rtol=1e-9)


def test_values_without_repeats__have_results_and_no_reliability(run_generic):
    write_values(repeats=1)
    shutil.rmtree("mine/sessions/table")
    report = run_generic(**VALUES)
    assert report.ok
    (note,) = report.notes["tones-1000ms-array"]
    assert note.startswith("no reliability: test stimuli t1, t2 were presented only once, so the repeatability")
    ds = open_results("study")
    assert np.isfinite(ds.r).all()
    assert np.isnan(ds.normaliser).all()
    assert np.isnan(ds.rho).all()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"bin_widths": [50]}, r"bin_widths, lags: tones has one value per sound, but bin_widths are 50 ms.*\[1000\]"),
        ({"lags": {"tmax": 1.2}}, r"lags from 0 to 1.2 s; expected.*tmax: 0"),
        ({"feature_window": [0.3, 0.2]}, r"feature_window = \[0.3, 0.2\]: expected seconds from onset"),
        ({"feature_window": [0.9, 1.2]}, r"feature_window: begins at 0.9 s, but a1 of tones lasts 0.500 s"),
    ],
)
def test_settings_that_values_cannot_have__are_refused(run_generic, changes, match):
    write_values()
    with pytest.raises(ConfigError, match=match):
        run_generic(**(VALUES | changes))


def test_different_responses__are_not_of_one_study(run_generic):
    write_signals(["many"])
    shutil.copytree("mine/sessions/many", "mine/sessions/spikes")
    Path("mine/sessions/spikes/signals.npy").unlink()
    Path("mine/sessions/spikes/spikes.csv").write_text("unit,time\nu,1\n")
    with pytest.raises(ConfigError, match="different responses: signal in many; spikes in spikes; expected one kind"):
        run_generic()
    shutil.rmtree("mine/sessions/many")
    with pytest.raises(ConfigError, match="feature_window: tones has spikes on bins of 1000 ms"):
        run_generic(feature_window=[0, 0.2], bin_widths=[1000])


def without_test_set():
    """Put all sounds into the folder of their set."""
    folder = Path("mine/stimuli/tones")
    for file in [*folder.glob("t*/*.wav")]:
        file.rename(folder / file.name)
    for part in ("train", "test"):
        (folder / part).rmdir()


@pytest.mark.parametrize("kind", ["signals", "values"])
def test_sets_without_test_stimuli__are_tested_by_folds(run_generic, kind):
    """Repeats of whatever stimuli there are say how reliable units are."""
    without_test_set()
    settings = {"test": {"folds": 3}, "ridge": {"alphas": ALPHAS.tolist(), "n_folds": 2}}
    if kind == "signals":
        write_signals()
        settings |= {"reliability": VALUES["reliability"]}
    else:
        write_values()
        settings |= VALUES
    report = run_generic(**settings)
    assert "no reliability" not in str(report.notes)
    ds = open_results("study")
    assert np.isfinite(ds.r).all()
    assert np.isfinite(ds.normaliser).all()
