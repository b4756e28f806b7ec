"""Distributions of inter-trial correlations against a loop over draws, stimuli and units."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from distributed_trf import arrays
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.reliability.inter_trial import (
    LARGEST_SPREAD,
    expected_r,
    inter_trial_r,
    null_shifts,
    shifted_r,
)
from distributed_trf.reliability.pairs import Pairs, PairTables, draw_pairs
from tests.slow_reliability import driven_counts, slow_inter_trial

shapes = st.lists(st.tuples(st.integers(2, 5), st.integers(1, 7)), min_size=1, max_size=4)
"""Repeats and bins of each stimulus."""


def counts(shapes, seed, units=3, mean=0.8):
    rng = np.random.default_rng(seed)
    trials = [rng.poisson(mean, size=(repeats, bins, units)).astype(np.uint16) for repeats, bins in shapes]
    for trial in trials:
        trial[0, :, 0] = 0  # silent in one presentation of each stimulus
        trial[:, :, 1] = 2  # never varies
    return trials, rng


@given(shapes, st.integers(0, 10**6))
def test_inter_trial_r__equals_the_loop(shapes, seed):
    trials, rng = counts(shapes, seed)
    pairs = draw_pairs([r for r, _ in shapes], 12, rng)
    found = inter_trial_r(PairTables.of(trials), pairs)
    np.testing.assert_allclose(found, slow_inter_trial(trials, pairs), atol=1e-9)


@given(shapes, st.integers(0, 10**6))
def test_shifted_r__equals_the_loop(shapes, seed):
    trials, rng = counts(shapes, seed)
    pairs = draw_pairs([r for r, _ in shapes], 12, rng)
    shift = rng.integers(-5, 30, size=12)
    found = shifted_r(PairTables.of(trials), pairs, shift)
    np.testing.assert_allclose(found, slow_inter_trial(trials, pairs, shift), atol=1e-9)


def test_shifted_r__by_nothing_is_the_true_distribution():
    trials, rng = counts([(4, 9), (3, 5)], 0)
    tables, pairs = PairTables.of(trials), draw_pairs([4, 3], 50, rng)
    np.testing.assert_allclose(shifted_r(tables, pairs, np.zeros(50, int)), inter_trial_r(tables, pairs), atol=1e-12)


@pytest.mark.parametrize("kind", ["true", "null"])
def test_distributions__do_not_depend_on_blocks(monkeypatch, kind):
    trials, rng = counts([(4, 9), (3, 5), (6, 2)], 1)
    tables, pairs = PairTables.of(trials), draw_pairs([4, 3, 6], 200, rng)

    def compute():
        return inter_trial_r(tables, pairs) if kind == "true" else shifted_r(tables, pairs, np.full(200, 8))

    whole = compute()
    monkeypatch.setattr(arrays, "CACHE_BYTES", 700)
    np.testing.assert_array_equal(compute(), whole)


def test_tables__are_float32_only_where_that_is_exact():
    few, many = np.full((2, 3, 1), 40, np.uint16), np.full((2, 3, 1), 4000, np.uint16)
    assert PairTables.of([few]).counts.dtype == np.float32
    assert PairTables.of([many]).counts.dtype == np.float64
    assert PairTables.of([few / 3]).counts.dtype == np.float64


def test_inter_trial_r__large_counts_and_rates_that_are_no_whole_numbers():
    rng = np.random.default_rng(0)
    for trials in (
        [rng.poisson(5000, size=(4, 8, 3)).astype(np.uint16) for _ in range(3)],
        [rng.gamma(2, size=(4, 8, 3)) for _ in range(3)],
    ):
        pairs = draw_pairs([4, 4, 4], 20, rng)
        expected = slow_inter_trial(trials, pairs, np.full(20, 7))
        np.testing.assert_allclose(shifted_r(PairTables.of(trials), pairs, np.full(20, 7)), expected, atol=1e-9)
        np.testing.assert_allclose(
            inter_trial_r(PairTables.of(trials), pairs), slow_inter_trial(trials, pairs), atol=1e-9
        )


def test_inter_trial_r__a_stimulus_may_stand_for_several_columns():
    trials, rng = counts([(4, 9), (4, 5)], 2)
    pairs = draw_pairs([4, 4, 4], 30, rng)
    found = inter_trial_r(PairTables.of(trials), pairs, np.array([1, 0, 1]))
    np.testing.assert_allclose(found, slow_inter_trial([trials[1], trials[0], trials[1]], pairs), atol=1e-9)


def test_different_draws__have_the_distribution_of_the_loop():
    """Kolmogorov-Smirnov over 1500 draws of the loop's own random choices, made the published way."""
    rng = np.random.default_rng(3)
    bins = [7, 11, 5]
    trials, _ = driven_counts(rng, bins, repeats=6, units=2)
    draws, slow_true, slow_null = 1500, [], []
    for _ in range(draws):
        order = rng.permutation(3)
        sides = [rng.choice(6, size=2, replace=False) for _ in order]
        a = np.concatenate([trials[s][i] for s, (i, _) in zip(order, sides, strict=True)])
        b = np.concatenate([trials[s][j] for s, (_, j) in zip(order, sides, strict=True)])
        slow_true.append([np.corrcoef(a[:, u], b[:, u])[0, 1] for u in range(2)])
        slow_null.append([np.corrcoef(a[:, u], np.roll(b[:, u], a.shape[0] // 2))[0, 1] for u in range(2)])
    tables, pairs = PairTables.of(trials), draw_pairs([6, 6, 6], 20_000, rng)
    true = inter_trial_r(tables, pairs)
    null = shifted_r(tables, pairs, null_shifts("half", tables.bins, 20_000, rng))
    for fast, slow in ((true, slow_true), (null, slow_null)):
        for u in range(2):
            assert ks_2samp(fast[:, u], np.array(slow)[:, u]).pvalue > 1e-3
    # and the two are far apart, or this would show nothing
    assert ks_2samp(true[:, 0], np.array(slow_null)[:, 0]).pvalue < 1e-12


def slow_expected_r(trials):
    """The Taylor series of r over every pairing of the presentations of two stimuli, listed, of each unit.

    Beside it, how much the variance of a side spreads over pairings, relative to its mean.
    """
    pairings = [[(i, j) for i in range(len(t)) for j in range(len(t)) if i != j] for t in trials]
    drawn = [[p] for p in pairings[0]] if len(trials) == 1 else [[p, q] for p in pairings[0] for q in pairings[1]]
    n = sum(t.shape[1] for t in trials)
    sides = [
        [np.concatenate([t[p[k]] for t, p in zip(trials, choice, strict=True)]).astype(float) for choice in drawn]
        for k in range(2)
    ]
    a, b = (np.stack(side) for side in sides)  # (pairings, n, U)
    c = n * (a * b).sum(1) - a.sum(1) * b.sum(1)
    v = n * (a**2).sum(1) - a.sum(1) ** 2
    m = a.sum(1).mean(0)
    # The second order, with the squares of sums taken as linear around their mean
    lin_c = n * (a * b).sum(1) - m * (a.sum(1) + b.sum(1))
    lin_v, lin_w = (n * (y**2).sum(1) - 2 * m * y.sum(1) for y in (a, b))
    c_mean, v_mean = c.mean(0), np.where(v.mean(0) > 1e-9, v.mean(0), np.nan)

    def cov(x, y):
        return ((x - x.mean(0)) * (y - y.mean(0))).mean(0) / v_mean**2

    spread = cov(lin_v, lin_v)
    series = c_mean / v_mean * (1 + 0.75 * spread + 0.25 * cov(lin_v, lin_w)) - cov(lin_c, lin_v)
    return series, spread


@given(shapes, st.integers(0, 10**6))
def test_expected_r__is_the_series_over_all_pairings(shapes, seed):
    trials, _ = counts(shapes[:2], seed, mean=3)
    series, spread = slow_expected_r(trials)
    found = expected_r(PairTables.of(trials))
    constant = np.isnan(series)
    assert (found[constant] == 0).all()
    told = ~constant & (spread < LARGEST_SPREAD - 1e-9)
    np.testing.assert_allclose(found[told], series[told], atol=1e-9)
    assert np.isnan(found[~constant & (spread > LARGEST_SPREAD + 1e-9)]).all()


def test_expected_r__is_what_the_mean_over_draws_approaches():
    rng = np.random.default_rng(4)
    trials, _ = driven_counts(rng, [33] * 10, units=20, modulation=0.5)
    tables = PairTables.of(trials)
    mean = inter_trial_r(tables, draw_pairs(tables.repeats, 20_000, rng)).mean(axis=0)
    np.testing.assert_allclose(expected_r(tables), mean, atol=0.003)


@pytest.mark.parametrize(("events", "told"), [(80, 1), (30, 0.6), (5, 0)])
def test_expected_r__of_units_with_few_spikes_is_right_or_nan(events, told):
    """``events`` bins of 330 in which a spike comes in a quarter of the repeats; with 5, half of the draws are 0."""
    rng, rate = np.random.default_rng(8), np.zeros((330, 60))
    rate[rng.integers(330, size=(events, 60)), np.arange(60)] = 0.25
    tables = PairTables.of(np.split(rng.poisson(rate, size=(11, 330, 60)), 5, axis=1))
    mean = inter_trial_r(tables, draw_pairs(tables.repeats, 5000, rng)).mean(axis=0)
    found = expected_r(tables)
    there = ~np.isnan(found)
    assert there.mean() >= told if told else not there.any()
    np.testing.assert_allclose(found[there], mean[there], atol=0.02)
    assert np.isfinite(mean).all()


def test_normaliser__recovers_the_known_reliability():
    """Poisson around known rates: var(rate) / (var(rate) + mean(rate)), to within three standard errors over units."""
    rng = np.random.default_rng(5)
    for modulation in (0.2, 0.5, 1.0):
        trials, rate = driven_counts(rng, [33] * 10, units=100, modulation=modulation)
        tables = PairTables.of(trials)
        found = inter_trial_r(tables, draw_pairs(tables.repeats, 2000, rng)).mean(axis=0)
        truth = rate.var(axis=0) / (rate.var(axis=0) + rate.mean(axis=0))
        error = found - truth
        assert abs(error.mean()) < 3 * error.std() / np.sqrt(error.size) + 0.002  # 1 / bins of bias
        assert error.std() < 0.03


def test_draw_pairs__are_distinct_uniform_and_independent():
    pairs = draw_pairs([3, 5], 60_000, np.random.default_rng(6))
    assert (pairs.first != pairs.second).all()
    for s, repeats in enumerate((3, 5)):
        table = np.zeros((repeats, repeats))
        np.add.at(table, (pairs.first[:, s], pairs.second[:, s]), 1)
        expected = 60_000 / (repeats * (repeats - 1))
        assert (np.abs(table - expected)[~np.eye(repeats, dtype=bool)] < 5 * np.sqrt(expected)).all()
    assert abs(np.corrcoef(pairs.first[:, 0], pairs.first[:, 1])[0, 1]) < 0.02
    assert 0.48 < (pairs.order[:, 0] == 0).mean() < 0.52
    assert (np.sort(pairs.order, axis=1) == [0, 1]).all()


def test_draw_pairs__a_stimulus_heard_once_has_no_pair():
    with pytest.raises(DataError, match="test stimulus number 2 of 3 has 1 presentation; pairs need 2"):
        draw_pairs([4, 1, 4], 5, np.random.default_rng(0))


def test_null_shifts__are_those_of_the_paper_and_its_history():
    bins, rng = np.array([27, 30, 44]), np.random.default_rng(0)
    assert set(null_shifts("half", bins, 10, rng)) == {50}
    assert set(null_shifts("first", bins, 10, rng)) == {13}
    random = null_shifts("random", bins, 5000, rng)
    assert (random.min(), random.max()) == (20, 81)
    with pytest.raises(ConfigError, match="null='quarter' must be 'half', 'random' or 'first'"):
        null_shifts("quarter", bins, 1, rng)


@pytest.mark.parametrize(
    ("trials", "match"),
    [
        ([], "no test stimuli"),
        ([np.ones((2, 3))], r"number 1 have shape \(2, 3\)"),
        ([np.ones((2, 3, 4)), np.ones((2, 3, 5))], r"number 2 have shape \(2, 3, 5\).* 4 units"),
        ([np.ones((2, 0, 4))], "no axis empty"),
    ],
)
def test_tables__refuse_what_does_not_fit_together(trials, match):
    with pytest.raises(DataError, match=match):
        PairTables.of(trials)


def test_other_arrays__give_the_same_numbers_and_stay_where_they_are():
    """Arrays of array-api-strict on a device that is not the host refuse numpy, as cupy arrays do."""
    trials, rng = counts([(4, 9), (3, 5)], 7)
    device = strict.Device("device1")
    there = PairTables.of([strict.asarray(trial, device=device) for trial in trials])
    here, pairs = PairTables.of(trials), draw_pairs([4, 3], 40, rng)
    shift = null_shifts("random", here.bins, 40, rng)
    for function in (
        lambda t: inter_trial_r(t, pairs),
        lambda t: shifted_r(t, pairs, shift),
        expected_r,
    ):
        found = function(there)
        assert found.device == device
        np.testing.assert_allclose(np.asarray(found.to_device(strict.Device("CPU_DEVICE"))), function(here), atol=1e-12)


def test_pairs__are_cut_by_draws():
    pairs = draw_pairs([3, 3], 9, np.random.default_rng(0))
    part = pairs[2:5]
    assert isinstance(part, Pairs)
    assert len(part) == 3
    np.testing.assert_array_equal(part.second, pairs.second[2:5])
