"""The bootstrap of the normaliser against drawing stimuli and repeats one by one."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.errors import ConfigError
from distributed_trf.reliability.inter_trial import inter_trial_r
from distributed_trf.reliability.pairs import PairTables, draw_pairs
from distributed_trf.reliability.resampling import _draw_among, bootstrap_normaliser
from tests.slow_reliability import driven_counts

SETTINGS = {"draws": 40, "pairings": 200, "seed": 3}


@pytest.fixture(scope="module")
def tables():
    return PairTables.of(driven_counts(np.random.default_rng(0), [20, 25, 30, 35], repeats=8, units=4)[0])


def test_bootstrap_normaliser__centres_on_the_normaliser(tables):
    found = bootstrap_normaliser(tables, percent_duration=100, n_repeats=8, **SETTINGS)
    whole = inter_trial_r(tables, draw_pairs(tables.repeats, 5000, np.random.default_rng(1))).mean(axis=0)
    assert found.shape == (40, 4)
    np.testing.assert_allclose(found.mean(axis=0), whole, atol=4 * found.std() / np.sqrt(40))


def test_silent_units__are_nan_and_silent_draws_are_zero():
    """As for the normaliser itself; a draw of silent stimuli alone counts too."""
    trials, _ = driven_counts(np.random.default_rng(0), [20, 25, 30, 35], repeats=8, units=2)
    for trial in trials:
        trial[:, :, 0] = 0
    for trial in trials[1:]:
        trial[:, :, 1] = 0
    found = bootstrap_normaliser(PairTables.of(trials), percent_duration=20, n_repeats=2, **SETTINGS)
    assert np.isnan(found[:, 0]).all()
    assert 0 < np.mean(found[:, 1] == 0) < 1
    assert np.isfinite(found[:, 1]).all()


def test_less_data__varies_more(tables):
    def spread(percent, repeats):
        return bootstrap_normaliser(tables, percent_duration=percent, n_repeats=repeats, **SETTINGS).std(axis=0).mean()

    assert spread(20, 8) > 1.2 * spread(100, 8)
    assert spread(100, 2) > 1.2 * spread(100, 8)


def test_draws__depend_on_seed_key_and_number_only(tables):
    kwargs = {"percent_duration": 60, "n_repeats": 3, "pairings": 50}
    a = bootstrap_normaliser(tables, draws=2, seed=0, key=("180413",), **kwargs)
    b = bootstrap_normaliser(tables, draws=3, seed=0, key=("180413",), **kwargs)
    np.testing.assert_array_equal(a, b[:2])
    for other in ({"seed": 1, "key": ("180413",)}, {"seed": 0, "key": ("180501",)}):
        assert (bootstrap_normaliser(tables, draws=2, **kwargs, **other) != a).any()


def test_pairs_among_drawn_repeats__are_distinct_and_weighted_by_how_often_each_was_drawn():
    pairs = _draw_among(np.array([4, 4, 7, 2]), (40_000, 1), np.random.default_rng(0))
    assert (pairs.first != pairs.second).all()
    weight = {4: 2, 7: 1, 2: 1}
    total = sum(weight[i] * weight[j] for i in weight for j in weight if i != j)
    for i in weight:
        for j in weight:
            part = np.mean((pairs.first == i) & (pairs.second == j))
            assert part == pytest.approx(0 if i == j else weight[i] * weight[j] / total, abs=0.01)


@pytest.mark.parametrize("n_repeats", [1, 9])
def test_n_repeats__must_be_what_all_stimuli_have(tables, n_repeats):
    with pytest.raises(ConfigError, match=f"n_repeats={n_repeats} must be 2 to 8"):
        bootstrap_normaliser(tables, percent_duration=50, n_repeats=n_repeats, **SETTINGS)
