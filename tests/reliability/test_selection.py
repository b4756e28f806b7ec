"""Rules that call units tuned, and corrections for many units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import mannwhitneyu

from distributed_trf.reliability.inter_trial import inter_trial_r, null_shifts, shifted_r
from distributed_trf.reliability.pairs import PairTables, draw_pairs
from distributed_trf.reliability.selection import benjamini_hochberg, draws_above_null_p, highly_tuned, holm


def test_highly_tuned__is_strict_and_needs_a_positive_normaliser():
    normaliser = np.array([0.3, 0.2, 0.1, -0.01, np.nan])
    null_mean = np.array([0.1, 0.1, 0.05, -0.2, 0.0])
    null_std = np.array([0.2, 0.2, 0.2, 0.1, 0.1])
    assert highly_tuned(normaliser, null_mean, null_std).tolist() == [True, False, False, False, False]
    assert highly_tuned(normaliser, null_mean, null_std, delta=1.0).tolist() == [False] * 5


def test_draws_above_null_p__is_mann_whitney_per_unit():
    rng = np.random.default_rng(0)
    true, null = rng.normal(0.1, size=(200, 3)), rng.normal(size=(150, 3))
    expected = [mannwhitneyu(true[:, u], null[:, u], alternative="greater").pvalue for u in range(3)]
    np.testing.assert_allclose(draws_above_null_p(true, null), expected, rtol=1e-12)


def test_draws_above_null_p__equal_draws_are_no_evidence():
    true = np.zeros((20, 2))
    true[:, 1] = 1
    p = draws_above_null_p(true, np.zeros((20, 2)))
    assert p[0] == 1
    assert p[1] < 1e-6


@pytest.mark.slow
def test_the_published_test__calls_a_quarter_of_noise_tuned_and_more_with_more_draws():
    """What its docstring and the README say of it, on 2000 units that nothing drives."""
    rng = np.random.default_rng(1)
    trials = [rng.poisson(2, size=(11, 33, 2000)).astype(np.uint16) for _ in range(10)]
    tables = PairTables.of(trials)
    rates = []
    for draws in (1500, 6000):
        pairs = draw_pairs(tables.repeats, draws, rng)
        shift = null_shifts("half", tables.bins, draws, rng)
        p = draws_above_null_p(inter_trial_r(tables, pairs), shifted_r(tables, pairs, shift))
        rates.append(np.mean(p < 0.05))
    assert 0.2 < rates[0] < 0.5
    assert rates[1] > rates[0] + 0.02


p_values = arrays(float, st.integers(1, 12), elements=st.floats(0, 1) | st.just(np.nan))


def slow_holm(p):
    m = np.count_nonzero(~np.isnan(p))
    out = np.full(p.shape, np.nan)
    running = 0.0
    for rank, i in enumerate(np.argsort(p)[:m]):
        running = max(running, (m - rank) * p[i])
        out[i] = min(running, 1)
    return out


def slow_bh(p):
    m = np.count_nonzero(~np.isnan(p))
    out = np.full(p.shape, np.nan)
    running = 1.0
    for rank, i in reversed(list(enumerate(np.argsort(p)[:m], start=1))):
        running = min(running, m / rank * p[i])
        out[i] = running
    return out


@given(p_values)
def test_corrections__equal_their_definitions(p):
    np.testing.assert_allclose(holm(p), slow_holm(p), rtol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), slow_bh(p), rtol=1e-12)


def test_corrections__by_hand():
    p = np.array([0.01, 0.04, np.nan, 0.03])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, np.nan, 0.06])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.03, 0.04, np.nan, 0.04])
