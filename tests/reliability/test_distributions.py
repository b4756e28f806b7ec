"""Both distributions of the inter-trial correlation, for all units of a session or one."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.distributions import inter_trial_distributions
from distributed_trf.reliability.pairs import PairTables
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
