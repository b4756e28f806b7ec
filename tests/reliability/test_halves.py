"""Halves of the repeats: how they are dealt, and what is measured on each, against the loop."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest

from distributed_trf.reliability.halves import MEASURES, OF_DRAWS, assess_halves, deal_repeats
from distributed_trf.reliability.inter_trial import null_shifts
from distributed_trf.reliability.pairs import draw_pairs
from distributed_trf.reliability.resampling import shift_test
from distributed_trf.trf.resampling import draw_generator
from tests.slow_reliability import driven_counts, slow_inter_trial

SETTINGS = {"draws": 300, "null_shift": "half", "shifts": 99, "seed": 2, "key": ("timit", "s", 50.0)}


@pytest.mark.parametrize("n", range(4, 13))
def test_halves__are_disjoint_and_of_all_repeats(n):
    first, second = deal_repeats(n, 0, ("timit", "s"))
    assert len(first) == (n + 1) // 2
    assert sorted([*first, *second]) == list(range(n))
    assert (np.diff(first) > 0).all()
    assert (np.diff(second) > 0).all()


def test_halves__are_of_the_seed_and_the_session():
    dealt = [
        deal_repeats(12, *of)
        for of in ((0, ("timit", "s")), (0, ("timit", "s")), (1, ("timit", "s")), (0, ("timit", "t")))
    ]
    assert dealt[0][0].tolist() == dealt[1][0].tolist()
    assert len({tuple(first.tolist()) for first, _ in dealt}) == 3
    assert [deal_repeats(n, 0) for n in range(4)] == [None] * 4


def test_measures__are_those_of_the_whole_on_some_of_the_repeats():
    trials, _ = driven_counts(np.random.default_rng(0), [20, 25, 30], units=3)
    trials[1] = trials[1][:9]
    halves = deal_repeats(9, 0)
    found = assess_halves(trials, halves, **SETTINGS)
    assert list(found) == list(MEASURES)
    for repeats, which in zip(halves, ("first half", "second half"), strict=True):
        key, half = (*SETTINGS["key"], which), [trial[repeats] for trial in trials]
        draws = SETTINGS["draws"] // OF_DRAWS
        pairs = draw_pairs([len(repeats)] * 3, draws, draw_generator(2, "pairs", *key))
        true = slow_inter_trial(half, pairs)  # no presentation is silent, so that draws have the weight 1
        np.testing.assert_allclose(found[f"normaliser_{which.replace(' ', '_')}"], true.mean(axis=0), atol=1e-9)
        if which == "first half":
            shift = null_shifts("half", np.array([20, 25, 30]), draws, draw_generator(2, "null shifts", *key))
            null = slow_inter_trial(half, pairs, shift)
            np.testing.assert_allclose(found["null_mean_first_half"], null.mean(axis=0), atol=1e-9)
            np.testing.assert_allclose(found["null_std_first_half"], null.std(axis=0), atol=1e-9)
            test = shift_test(np.concatenate(half, axis=1), 99, draw_generator(2, "test shifts", *key))
            np.testing.assert_array_equal(found["tuned_p_first_half"], test.p)
    strictly = assess_halves([strict.asarray(trial) for trial in trials], halves, **SETTINGS)
    for name, values in found.items():
        np.testing.assert_allclose(strictly[name], values, atol=1e-12)


def test_units__that_do_not_vary_in_a_half_have_nothing_there():
    trials, _ = driven_counts(np.random.default_rng(1), [20, 25], units=3)
    first, second = deal_repeats(11, 0)
    for trial in trials:
        trial[np.ix_(first, range(trial.shape[1]), [1])] = 0
    found = assess_halves(trials, (first, second), **SETTINGS)
    for name, values in found.items():
        assert np.isnan(values).tolist() == [False, "first" in name, False]
    assert all(np.isnan(values).all() for values in assess_halves(trials, None, **SETTINGS).values())


def test_selection_on_one_half__says_nothing_of_noise_in_the_other():
    rng = np.random.default_rng(2)
    trials = [rng.poisson(2, size=(8, n, 400)).astype(np.uint16) for n in (30, 35)]
    found = assess_halves(trials, deal_repeats(8, 0), **{**SETTINGS, "draws": 2000, "shifts": 19})
    best = found["normaliser_first_half"] > np.quantile(found["normaliser_first_half"], 0.9)
    assert found["normaliser_first_half"][best].mean() > 0.04
    assert abs(found["normaliser_second_half"][best].mean()) < 0.02
