"""Scores of units in a study against explicit loops: beyond chance, in half of the repeats, corrected for noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf import Study, open_features, open_results
from distributed_trf.pipeline.stages.unit_scores import UnitScores, over_splits
from distributed_trf.pipeline.status import State
from distributed_trf.reliability import response_side
from distributed_trf.reliability.halves import deal_repeats
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.shifted_predictions import draw_shifts
from tests.oracle import correlation, fit_and_score
from tests.slow_noise_corrected import slow_interval, slow_sums
from tests.small_recordings import ALPHAS, ORDERS, TEST, TRAIN, write_repeats

LABELS = {"stimuli": "tones", "network": "mel_librosa", "weights": "fixed", "layer": 0, "bin_width": 50}
CHANCE = {"shifts": 80, "seed": 3}


@pytest.fixture
def run_repeated(run_generic):
    """Run a study of five presentations of each test sound."""
    write_repeats(Path("more"), repeats=5)

    def run(**changes):
        return run_generic(recordings={"format": "generic", "path": "more"}, chance=CHANCE, **changes)

    return run


def mean_r(repeats, prediction):
    return np.nan_to_num([correlation(repeat, prediction) for repeat in repeats]).mean()


def explicit(session):
    """Scores of a session by loops over units, copies and repeats."""
    counts = load_responses(StudyStore.open(Path("study")), "tones", 50.0, session)
    features = open_features("study")["tones", "mel_librosa", "fixed"]
    X = {i: resample(x.astype(float), 2 + counts.bins[i], axis=0) for i, x in features.iterate(0)}
    fold_of = {TRAIN[i]: k for k, fold in enumerate(assign_folds(len(TRAIN), 3, 0)) for i in fold}
    heard = [i for i in TRAIN if i in counts.train_ids]
    _, _, r, predicted = fit_and_score(
        [X[i] for i in heard],
        [counts.trials(i)[0] for i in heard],
        [X[i] for i in TEST],
        [counts.trials(i) for i in TEST],
        lags=range(2),
        lead_in=2,
        alphas=ALPHAS,
        folds=[[j for j, i in enumerate(heard) if fold_of[i] == k] for k in range(3)],
        standardize=True,
        unheard=[[X[i] for i in TRAIN if i not in heard and fold_of[i] == k] for k in range(3)],
    )
    recorded = np.concatenate([counts.trials(i) for i in TEST], axis=1)
    _, second = deal_repeats(5, 0, ("tones", session))
    moves = draw_shifts({i: counts.bins[i] for i in TEST}, CHANCE["shifts"], CHANCE["seed"], ("tones", 50)).moves
    borders, p, of_half = np.cumsum([counts.bins[i] for i in TEST])[:-1], [], []
    for u in range(2):
        parts = np.split(predicted[:, u], borders)
        copies = [np.concatenate([np.roll(a, k) for a, k in zip(parts, move, strict=True)]) for move in moves]
        found = mean_r(recorded[:, :, u], predicted[:, u])
        p.append((1 + sum(mean_r(recorded[:, :, u], copy) >= found - 1e-12 for copy in copies)) / (1 + len(moves)))
        of_half.append(mean_r(recorded[second, :, u], predicted[:, u]))
    return {"r": r, "r_p": p, "r_second_half": of_half, **corrected(recorded, predicted)}


def corrected(recorded, predicted):
    """Noise-corrected scores by loops over units, pairs of repeats and candidates."""
    found = {"r2_er": [], "r2_er_low": [], "r2_er_high": [], "cc_norm": []}
    for u in range(2):
        y, p = recorded[:, :, u].astype(float), predicted[:, u]
        shared, signal = slow_sums(y, p)
        low, high = slow_interval(y, p, 10_001)
        mean = np.sum((p - p.mean()) * y.mean(axis=0)) / np.sqrt(np.sum((p - p.mean()) ** 2))
        found["r2_er"].append(shared / signal if signal > 0 else np.nan)
        found["r2_er_low"].append(low)
        found["r2_er_high"].append(high)
        found["cc_norm"].append(mean / np.sqrt(signal) if signal > 0 else np.nan)
    return found


def test_scores__are_those_of_loops_over_copies_and_repeats(run_repeated):
    run_repeated()
    ds = open_results("study").sel(LABELS)
    for session in ORDERS:
        of_session = ds.isel(unit=ds.session.values == session)
        for name, values in explicit(session).items():
            atol = 2e-4 if name.startswith("r2_er_") else 1e-9  # limits are found in steps
            np.testing.assert_allclose(of_session[name], values, rtol=1e-9, atol=atol, err_msg=f"{name} of {session}")
    assert ds.r_p.min() >= 1 / 81
    assert len(np.unique(ds.r_p)) > 3
    assert bool(np.isfinite(ds.r2_er).any())
    assert bool((ds.r2_er_low < ds.r2_er_high).any())


def test_responses_read_again__are_not_scored_by_what_was_kept_of_earlier_ones(run_repeated):
    run_repeated()
    before = open_results("study").r2_er.load()
    run_repeated(delay=0.02)
    ds = open_results("study").sel(LABELS)
    assert not np.allclose(ds.r2_er, before.sel(LABELS), equal_nan=True)
    for session in ORDERS:
        expected, of_session = explicit(session), ds.isel(unit=ds.session.values == session)
        for name in ("r_p", "r2_er", "cc_norm"):
            np.testing.assert_allclose(of_session[name], expected[name], rtol=1e-9, atol=1e-9)


def test_responses__are_kept_once_for_all_layers(run_repeated, monkeypatch):
    monkeypatch.setattr(response_side, "_KEPT", type(response_side._KEPT)())
    run_repeated(networks=[{"name": "mel_librosa"}, {"name": "mel_whisper"}])
    assert len(response_side._KEPT) == len(ORDERS)


def test_chance__is_left_out_by_null_and_then_leaves_no_trace_in_what_fits_depend_on(run_repeated, run_generic):
    more = {"format": "generic", "path": "more"}
    run_generic(recordings=more, chance=None)
    without = open_results("study").load()
    assert bool(without.r_p.isnull().all())
    assert bool(without.r_second_half.notnull().all())
    run_repeated()
    (fit,) = [p for p in Study.load("study.yaml").status() if p.item.stage == "fit"]
    assert fit.state is State.DONE
    Path("study.yaml").write_text(Path("study.yaml").read_text().replace("shifts: 80", "shifts: 81"))
    (fit,) = [p for p in Study.load("study.yaml").status() if p.item.stage == "fit"]
    assert (fit.state, fit.reason) == (State.STALE, "changed: chance")
    assert run_generic(recordings=more, chance=None).done["fit"] == 1
    np.testing.assert_array_equal(open_results("study").r, without.r)


def test_few_repeats__have_no_halves(run_generic):
    run_generic(chance=CHANCE)
    ds = open_results("study")
    assert bool(ds.r.notnull().all())
    assert bool(ds.r_second_half.isnull().all())


def test_overlapping_splits__are_averaged_where_a_unit_has_a_score():
    nan, order = np.nan, np.arange(3)
    splits = [
        UnitScores({"r": np.array([1.0, nan, nan]), "r_p": np.ones(3)}, order, np.array([4, 1, 0])),
        UnitScores({"r": np.array([5.0, 3.0, nan]), "r_p": np.ones(3)}, order, np.array([1, 4, 0])),
    ]
    both = over_splits(splits, 6)
    assert both.units.tolist() == [4, 1, 0]
    np.testing.assert_array_equal(both.values["r"], [2.0, 5.0, nan])
    assert list(both.values) == ["r"]
    assert list(over_splits(splits[:1], 6).values) == ["r", "r_p"]
