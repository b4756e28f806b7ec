"""Training sounds that were presented several times: the first presentation, the mean, or each a trial of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import Study, open_features, open_results
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.costs import SplitShapes
from distributed_trf.pipeline.fit_state import fit_state
from distributed_trf.results.analyses import open_bootstraps, open_lowpass, open_together
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import open_group
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.resampling import draw_generator, draw_stimuli
from tests.oracle import fit_and_score
from tests.small_recordings import ALPHAS, ORDERS, TEST, TRAIN

LABELS = {"stimuli": "tones", "network": "mel_librosa", "weights": "fixed", "bin_width": 50}


def explicit(session, how, scaling, *, times=None):
    """Alpha, best score and r of a session, its trials stacked; ``times`` says how often each sound was drawn."""
    counts = load_responses(StudyStore.open(Path("study")), "tones", 50.0, session)
    features = open_features("study")["tones", "mel_librosa", "fixed"]
    X = {i: resample(x.astype(float), 2 + counts.bins[i], axis=0) for i, x in features.iterate(0)}
    deal = {TRAIN[i]: k for k, fold in enumerate(assign_folds(len(TRAIN), 3, 0)) for i in fold}
    if times is not None:
        drawn = [i for i in counts.train_ids if times[i]]
        deal = {drawn[i]: k for k, fold in enumerate(assign_folds(len(drawn), 3, 0)) for i in fold}
    trials = []
    for i in counts.train_ids:
        every = [counts.train_trials[i], *counts.further_trials[i]]
        used = {"first": every[:1], "mean": [np.mean(every, axis=0)], "all": every}[how]
        trials += [(i, y) for _ in range(1 if times is None else times[i]) for y in used]
    absent = [i for i in TRAIN if i not in counts.train_ids] if times is None and scaling == "shared" else []
    alpha, scores, r, _ = fit_and_score(
        [X[i] for i, _ in trials],
        [y for _, y in trials],
        [X[i] for i in TEST],
        [counts.test_trials[i] for i in TEST],
        lags=range(2),
        lead_in=2,
        alphas=ALPHAS,
        folds=[[j for j, (i, _) in enumerate(trials) if deal[i] == k] for k in range(3)],
        standardize=True,
        unheard=[[X[i] for i in absent if deal[i] == k] for k in range(3)],
    )
    return alpha, scores.max(axis=0), r


def agree(found, expected):
    alpha, score, r = expected
    np.testing.assert_array_equal(found.alpha, alpha)
    np.testing.assert_allclose(found.cv_score, score, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.r, r, rtol=1e-9, atol=1e-9)


def of_session(ds, session):
    return ds.isel(unit=ds.session.values == session)


@pytest.mark.parametrize(
    ("how", "solver", "scaling"),
    [
        ("first", "dual", "per_session"),
        ("mean", "eigh", "shared"),
        ("all", "eigh", "shared"),
        ("all", "dual", "per_session"),
    ],
)
def test_fits__equal_the_explicit_solution_of_stacked_or_averaged_trials(run_generic, how, solver, scaling):
    run_generic(training=how, ridge={"alphas": ALPHAS.tolist(), "solver": solver, "scaling": scaling}, save_models=True)
    ds = open_results("study").sel(LABELS).sel(layer=0)
    for session in ORDERS:
        agree(of_session(ds, session), explicit(session, how, scaling))
    one_scaling = how != "all" and scaling == "shared"
    mean = open_group(StudyStore.open(Path("study")).model("tones", "mel_librosa", "fixed", 0, 50.0))["x_mean"][:]
    assert bool(np.isfinite(mean).all()) == one_scaling


@pytest.mark.parametrize("how", ["mean", "all"])
def test_analyses__take_the_same_trials(run_generic, how):
    same = {"network": "mel_librosa", "layer": 0, "weights": "fixed"}
    run_generic(
        training=how,
        together=[{"network": "mel_librosa", "bands": "none"}],
        lowpass=[{**same, "lowpass_bins": [50]}],
        bootstraps=[{**same, "training_percent": [100], "draws": 2, "seed": 4}],
    )
    one_model, drawn = open_together("study").sel(LABELS), open_bootstraps("study", of="training")
    low = open_lowpass("study").sel(LABELS).sel(layer=0, lowpass_bin=50)  # bins of the fit itself change nothing
    drawn = drawn.sel(LABELS).sel(layer=0, training_percent=100)
    for session in ("many", "some"):
        expected = explicit(session, how, "shared")
        agree(of_session(one_model, session), expected)
        np.testing.assert_allclose(of_session(low, session).r, expected[2], rtol=1e-6)
        counts = load_responses(StudyStore.open(Path("study")), "tones", 50.0, session)
        for draw in range(2):
            rng = draw_generator(4, "training", 100, draw)
            n = draw_stimuli([counts.bins[i] for i in counts.train_ids], 100, rng)
            alpha, _, r = explicit(session, how, "shared", times=dict(zip(counts.train_ids, n, strict=True)))
            found = of_session(drawn.sel(draw=draw), session)
            np.testing.assert_array_equal(found.alpha, alpha)
            np.testing.assert_allclose(found.r, r, rtol=1e-8, atol=1e-9)


def seen(training):
    """How the fits in the folder look to a study with another setting, without its recordings."""
    study = Study.load("study.yaml").settings.model_copy(update={"training": training})
    return fit_state(StudyStore.open(Path("study")), study)


def test_training__changed_makes_the_fits_stale_and_nothing_else(run_generic):
    assert run_generic().unused_presentations == 3 + 3 + 2
    assert dict(seen("mean").other_settings) == {"changed: training": 1}
    assert not seen("first").other_settings
    report = run_generic(training="mean")
    assert {k: n for k, n in report.done.items() if n} == {"fit": 1}
    assert report.unused_presentations == 0
    assert run_generic().done["fit"] == 1
    for session in ("many", "other", "some"):
        (Path("mine/sessions") / session).rename(session)
    assert run_generic().done["fit"] == 1
    assert not seen("all").other_settings
    assert run_generic(training="all").done == {}  # nothing was presented twice any more


def test_plan__counts_a_row_for_each_trial(run_generic):
    run_generic()
    bins = {
        how: SplitShapes.of(
            open_context(Study.load("study.yaml").settings.model_copy(update={"training": how})), "tones", 50
        ).rows
        for how in ("first", "mean", "all")
    }
    assert bins["first"] == bins["mean"]
    counts = load_responses(StudyStore.open(Path("study")), "tones", 50.0, "many")
    assert bins["all"] == bins["first"] + counts.further.shape[0] + counts.bins["a2"]
