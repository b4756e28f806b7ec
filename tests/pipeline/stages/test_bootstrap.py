"""Bootstraps of a study, against explicit fits and tests of the same draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import Study, open_features, open_models, open_results
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.results.analyses import open_bootstraps
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.resampling import draw_generator, draw_stimuli, draw_tests
from tests.oracle import correlation, fit_and_score

ALPHAS = np.logspace(-5, 15, 21)
SETTINGS = {"network": "mel_whisper", "layer": 0, "weights": "fixed", "draws": 3, "seed": 4}
LABELS = {"stimuli": "timit", "network": "mel_whisper", "weights": "fixed", "layer": 0, "bin_width": 50}


def data(session):
    """Counts of a session and features by stimulus."""
    counts = load_responses(StudyStore.open(Path("study")), "timit", 50.0, session)
    features = open_features("study")["timit", "mel_whisper", "fixed"]
    return counts, {i: resample(x.astype(float), 7 + counts.bins[i], axis=0) for i, x in features.iterate(0)}


def test_training__equals_explicit_fits_of_the_drawn_sentences(write_study):
    write_study(networks=[{"name": "mel_whisper"}], bootstraps=[{**SETTINGS, "training_percent": [60, 100]}])
    report = Study.load("study.yaml").run(recipe=None)
    assert report.ok
    assert report.done["analyse"] == 2
    ds = open_bootstraps("study", of="training").sel(LABELS)
    assert dict(ds.r.sizes) == {"training_percent": 2, "draw": 3, "unit": 6}
    assert ds.attrs["seed"] == 4
    session = str(ds.session.values[0])
    counts, X = data(session)
    for percent in (60, 100):
        for draw in range(3):
            rng = draw_generator(4, "training", percent, draw)
            times = draw_stimuli([counts.bins[i] for i in counts.train_ids], percent, rng)
            drawn = [i for i, n in zip(counts.train_ids, times, strict=True) if n]
            if len(drawn) < 3:
                assert np.isnan(ds.r.sel(training_percent=percent, draw=draw)[:3]).all()
                continue
            trials = [(i, k) for i, n in zip(counts.train_ids, times, strict=True) for k in range(n)]
            folds = [
                [j for j, (i, _) in enumerate(trials) if i in {drawn[f] for f in fold}]
                for fold in assign_folds(len(drawn), 3, 0)
            ]
            alpha, _, r, _ = fit_and_score(
                [X[i] for i, _ in trials],
                [counts.train_trials[i] for i, _ in trials],
                [X[i] for i in counts.test_ids],
                [counts.test_trials[i] for i in counts.test_ids],
                lags=range(5),
                lead_in=7,
                alphas=ALPHAS,
                folds=folds,
                standardize=True,
            )
            found = ds.sel(training_percent=percent, draw=draw).isel(unit=slice(0, 3))
            np.testing.assert_array_equal(found.alpha, alpha)
            np.testing.assert_allclose(found.r, r, rtol=1e-8, atol=1e-9)


def test_test__equals_explicit_correlations_of_the_drawn_repeats(write_study):
    settings = {**SETTINGS, "test_percent": [50, 100], "n_repeats": [1, 4]}
    write_study(networks=[{"name": "mel_whisper"}], bootstraps=[settings], save_models=True)
    assert Study.load("study.yaml").run(recipe=None).ok
    ds = open_bootstraps("study", of="test").sel(LABELS)
    session = str(ds.session.values[0])
    counts, _ = data(session)
    predicted = open_models("study").sel(network="mel_whisper", layer=0).predict(sessions=[session], intercept=False)
    by_stimulus = {i: predicted.values[predicted.stimulus.values == i] for i in counts.test_ids}
    durations = [counts.bins[i] for i in counts.test_ids]
    for percent in (50, 100):
        for n_repeats in (1, 4):
            stimuli, repeats = draw_tests(
                durations, counts.repeated.shape[0], percent_duration=percent, n_repeats=n_repeats, draws=3, seed=4
            )
            for draw in range(3):
                drawn = [i for i, n in zip(counts.test_ids, stimuli[draw], strict=True) for _ in range(n)]
                y_pred = np.concatenate([by_stimulus[i] for i in drawn])
                kept = [k for k, n in enumerate(repeats[draw]) for _ in range(n)]
                for unit in range(3):
                    r = [
                        correlation(np.concatenate([counts.test_trials[i][k, :, unit] for i in drawn]), y_pred[:, unit])
                        for k in kept
                    ]
                    found = ds.r.sel(test_percent=percent, n_repeats=n_repeats, draw=draw).values[unit]
                    np.testing.assert_allclose(found, np.nanmean(r), rtol=1e-9, atol=1e-9)


def test_bootstraps__of_chosen_sessions_leave_the_others_nan_and_are_resumed(studied, write_study):
    session = sessions_of(studied)[1]
    settings = {**SETTINGS, "training_percent": [100], "sessions": [session]}
    write_study(networks=[{"name": "mel_whisper"}], bootstraps=[settings])
    assert Study.load("study.yaml").run(recipe=None).done == {
        "read": 0,
        "assess": 0,
        "extract": 0,
        "fit": 0,
        "analyse": 1,
    }
    r = open_bootstraps("study", of="training").r
    assert np.isnan(r.values[..., :3]).all()
    assert np.isfinite(r.values[..., 3:]).any()
    assert Study.load("study.yaml").run(recipe=None).done == {}
    write_study(networks=[{"name": "mel_whisper"}], bootstraps=[{**settings, "seed": 5}])
    assert Study.load("study.yaml").run(recipe=None).done["analyse"] == 1
    assert (open_bootstraps("study", of="training").r.values[..., 3:5] != r.values[..., 3:5]).any()


def sessions_of(studied):
    """Run the plain study and return its sessions."""
    studied(networks=[{"name": "mel_whisper"}])
    return list(dict.fromkeys(open_results("study").session.values.tolist()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**SETTINGS, "network": "whisper_base", "training_percent": [50]}, "whisper_base is not among the networks"),
        (SETTINGS, "give training_percent, or test_percent and n_repeats"),
        ({**SETTINGS, "test_percent": [50]}, "test_percent and n_repeats go together"),
        ({**SETTINGS, "training_percent": [0]}, "greater than 0"),
        ({**SETTINGS, "training_percent": [50], "sessions": ["nobody"]}, "nobody"),
        ({**SETTINGS, "training_percent": [50], "layer": 7}, "layer"),
        ({**SETTINGS, "training_percent": [50], "weights": "reset"}, "reset"),
    ],
)
def test_bad_bootstraps__are_named_before_anything_runs(write_study, settings, message):
    write_study(networks=[{"name": "mel_whisper"}], bootstraps=[settings])
    with pytest.raises(ConfigError, match=message):
        Study.load("study.yaml").run(recipe=None)


def test_missing_bootstraps__say_what_to_ask_for(studied):
    studied(networks=[{"name": "mel_whisper"}])
    with pytest.raises(StoreError, match="`bootstraps` in the study"):
        open_bootstraps("study", of="training")
