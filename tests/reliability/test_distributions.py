"""Both distributions of the inter-trial correlation, for all units of a session or one."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.reliability.selection import inter_trial_distributions, silence_weight, silent_repeats
from tests.slow_reliability import driven_counts

ASKED = {"draws": 300, "seed": 4, "key": ("timit", "180413", 50.0)}


@pytest.fixture(scope="module")
def trials():
    driven, _ = driven_counts(np.random.default_rng(1), [20, 25, 30], units=4)
    return driven


@pytest.mark.parametrize("null", ["half", "random", "first"])
def test_inter_trial_distributions__of_one_unit_are_those_among_all(trials, null):
    together = inter_trial_distributions(PairTables.of(trials), null_shift=null, **ASKED)
    for unit in range(4):
        alone = PairTables.of([trial[:, :, [unit]] for trial in trials])
        for one, all_units in zip(inter_trial_distributions(alone, null_shift=null, **ASKED), together, strict=True):
            assert one.shape == (300, 1)
            np.testing.assert_array_equal(one[:, 0], all_units[:, unit])


@pytest.mark.parametrize("null", ["half", "random", "first"])
def test_inter_trial_distributions__are_those_that_assess_sums_up(trials, null):
    true, shifted = inter_trial_distributions(PairTables.of(trials), null_shift=null, **ASKED)
    found = assess(trials, null_shift=null, shifts=20, splits=5, **ASKED)
    for name, values in (
        ("normaliser", true.mean(axis=0)),
        ("normaliser_median", np.median(true, axis=0)),
        ("null_mean", shifted.mean(axis=0)),
        ("null_median", np.median(shifted, axis=0)),
        ("null_std", shifted.std(axis=0)),
    ):
        np.testing.assert_array_equal(found[name], values)
    assert (true.mean(axis=0) > shifted.mean(axis=0)).all()


def test_silence_weight__lets_silence_cost_pairs_what_it_costs_a_model():
    """Over all pairings, listed: the part of draws with spikes on both sides, weighted, is that of repeats squared."""
    rng = np.random.default_rng(2)
    trials = [rng.poisson(0.15, size=(repeats, bins, 60)) for repeats, bins in ((6, 5), (4, 3))]
    tables = PairTables.of(trials)
    first, second = (trial.any(axis=1) for trial in trials)
    both = np.mean(
        [
            (first[i] | second[k]) & (first[j] | second[m])
            for i, j in permutations(range(6), 2)
            for k, m in permutations(range(4), 2)
        ],
        axis=0,
    )
    repeats = (first[:4] | second[:4]).mean(axis=0)
    told = both > 0
    assert 0.5 < told.mean() < 1
    weight = silence_weight(tables)
    np.testing.assert_allclose((weight * both)[told], repeats[told] ** 2, rtol=1e-12)
    assert (weight[~told] == 1).all()
    np.testing.assert_array_equal(silent_repeats(tables), 1 - repeats)
    assert weight[(first.all(axis=0)) & told].tolist() == [1] * int((first.all(axis=0) & told).sum())


def test_inter_trial_distributions__of_silent_repeats_are_weighted_both():
    trial = np.zeros((4, 8, 1))
    trial[:2, [1, 2], 0] = 1  # spikes in two of four repeats: both in 2 of 12 pairs, weight 1/4 over 1/6
    true, shifted = inter_trial_distributions(PairTables.of([trial]), null_shift="half", draws=200, seed=0)
    assert sorted(set(true.ravel().round(12))) == [0, 1.5]
    assert sorted(set(shifted.ravel().round(12))) == [-0.5, 0]
