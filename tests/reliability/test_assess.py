from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import names
from distributed_trf.errors import DataError
from distributed_trf.reliability.assess import assess, repeated_responses
from distributed_trf.reliability.ceilings import known_rate_ceiling
from distributed_trf.reliability.halves import deal_repeats
from tests.slow_reliability import driven_counts

SETTINGS = {"draws": 2000, "null_shift": "half", "shifts": 200, "splits": 20, "seed": 0}
HALVES = deal_repeats(9, 0)


@pytest.fixture(scope="module")
def trials():
    driven, _ = driven_counts(np.random.default_rng(0), [20, 25, 30], units=4)
    for trial in driven:
        trial[:, :, 3] = 0
    driven[1] = driven[1][:9]  # heard less often
    return driven


def test_assess__has_every_variable_that_results_describe(trials):
    found = assess(trials, **SETTINGS)
    assert set(found) == set(names.RELIABILITY)
    assert all(values.shape == (4,) for values in found.values())


def test_assess__a_unit_that_never_varies_has_silent_repeats_and_a_mean_alone(trials):
    found = assess(trials, halves=HALVES, **SETTINGS)
    assert found.pop("silent_repeats").tolist() == [0, 0, 0, 1]
    mean = np.concatenate([trial[:9] for trial in trials], axis=1).mean(axis=(0, 1))
    assert mean[3] == 0
    np.testing.assert_allclose(found.pop("mean_response"), mean)
    assert all(np.isnan(values[3]) and np.isfinite(values[:3]).all() for values in found.values())


def test_assess__counts_silent_repeats_over_all_stimuli(trials):
    sparse = [trial.copy() for trial in trials]
    for trial in sparse:
        trial[:3, :, 0] = 0  # silent throughout in three of the nine repeats that all stimuli have
        trial[9:, :, 2] = 0  # in repeats that not all have
    sparse[0][4, :, 0] = 0  # silent in one stimulus only
    sparse[2][:, :, 1] = 0
    assert assess(sparse, **SETTINGS)["silent_repeats"].tolist() == [3 / 9, 0, 0, 1]


def test_sparse_units__reach_the_normaliser_with_a_perfect_model():
    """Repeats and draws without a spike count as 0 on both sides, so that r and sqrt(normaliser) agree over units."""
    rng = np.random.default_rng(0)
    for events, silent in ((20, 0.01), (5, 0.29), (2, 0.61)):
        rate = np.zeros((331, 400))
        rate[rng.integers(331, size=(events, 400)), np.arange(400)] = 0.25
        y = rng.poisson(rate, size=(11, 331, 400))
        found = assess(np.split(y, [160], axis=1), **{**SETTINGS, "draws": 600, "shifts": 2, "splits": 2})
        assert found["silent_repeats"].mean() == pytest.approx(silent, abs=0.02)
        r = known_rate_ceiling(rate, y)
        np.testing.assert_array_equal(np.isnan(r), np.isnan(found["normaliser"]))
        tuned = found["normaliser"] > found["null_mean"] + 0.5 * found["null_std"]
        assert np.median(r[tuned] / np.sqrt(found["normaliser"][tuned])) == pytest.approx(1, abs=0.05)


def test_assess__estimates_of_one_thing_agree(trials):
    found = assess(trials, **SETTINGS)
    np.testing.assert_allclose(found["normaliser"][:3], found["normaliser_expected"][:3], atol=0.01)
    np.testing.assert_allclose(np.sqrt(found["normaliser"][:3]), found["ceiling_signal_power"][:3], atol=0.03)
    np.testing.assert_allclose(found["ceiling_ccmax"][:3], found["ceiling_split_half"][:3], atol=0.03)
    assert (found["tuned_p"][:3] < 0.01).all()


def test_assess__depends_on_seed_and_key(trials):
    first = assess(trials, **SETTINGS, key=("timit", "180413", 50.0), halves=HALVES)
    again = assess(trials, **SETTINGS, key=("timit", "180413", 50.0), halves=HALVES)
    other = assess(trials, **SETTINGS, key=("timit", "180501", 50.0), halves=HALVES)
    for name in names.RELIABILITY:
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["normaliser"][:3] != other["normaliser"][:3]).all()


def test_repeated_responses__are_the_earliest_that_all_have(trials):
    repeated = repeated_responses(trials)
    assert repeated.shape == (9, 75, 4)
    np.testing.assert_array_equal(repeated[8, :20], trials[0][8])


def test_assess__one_presentation_is_too_few(trials):
    with pytest.raises(DataError, match="number 2 of 3 has 1 presentation"):
        assess([trials[0], trials[1][:1], trials[2]], **SETTINGS)
