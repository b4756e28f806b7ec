"""Null distributions over groups equal those that are written out pattern by pattern."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import DataError
from distributed_trf.results.statistics.groups import Groups
from distributed_trf.results.statistics.permutations import deal_labels, flip_signs, known_side, out_of_reach
from tests.results.statistics import slow_groups
from tests.results.statistics.test_groups import drawn

SIDES = st.sampled_from(["greater", "less", "two-sided"])


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), SIDES)
def test_sign_flips__are_all_patterns_written_out(seed, alternative):
    values, group = drawn(seed)
    groups = Groups.of(values, group)
    weights = groups.weights(groups.icc_about_zero())
    size = np.full(len(values), np.abs(values).max(initial=0, where=~np.isnan(values)))
    found, p, smallest = flip_signs(groups.centre, weights, size, alternative, 1000, 0)
    for cell, row in enumerate(values):
        of = slow_groups.by_group(row, group)
        if not of:
            assert np.isnan([p[cell], smallest[cell]]).all()
            continue
        expected, statistic = slow_groups.sign_flip(of, alternative)
        np.testing.assert_allclose([p[cell], found[cell]], [expected, statistic], atol=1e-9)
        assert smallest[cell] == min(1, (2 if alternative == "two-sided" else 1) / 2 ** len(of))
        assert p[cell] >= smallest[cell]


def flipped(weighted, *of):
    """p and the smallest p of sums of numbers around one."""
    weighted = np.asarray(weighted)
    return flip_signs(weighted, np.ones_like(weighted), np.ones(len(weighted)), *of)[1:]


def test_drawn_signs__come_close_and_count_what_was_observed():
    weighted = np.random.default_rng(2).normal(0.3, 1, (4, 12))
    exact, _ = flipped(weighted, "greater", 4096, 0)
    found, smallest = flipped(weighted, "greater", 4000, 0)
    assert np.abs(found - exact).max() < 4 * 0.5 / np.sqrt(4000)
    assert (smallest == 1 / 4001).all()
    assert flipped(np.ones((1, 30)), "two-sided", 99, 0)[0] == 1 / 100
    assert (flipped(weighted, "greater", 4000, 1)[0] != found).any()


def test_cells__are_tested_as_each_alone():
    values, group = drawn(11, n_cells=40)
    groups, size = Groups.of(values, group), np.ones(40)
    together = flip_signs(groups.mean, groups.worth, size, "greater", 10, 3)[1]
    for k in range(40):
        alone = flip_signs(groups.mean[[k]], groups.worth[[k]], size[[k]], "greater", 10, 3)[1]
        np.testing.assert_array_equal(alone, together[[k]])


def test_ties__within_rounding_count():
    p, _ = flipped([[0.1, 0.2, 0.3], [0.1 + 1e-17, 0.1, 0.0]], "greater", 100, 0)
    assert p.tolist() == [1 / 8, 2 / 8]
    # The sum is zero, up to rounding, with all signs as they are and with all flipped.
    assert flipped([[0.3, -0.1, -0.2]], "greater", 100, 0)[0] == 5 / 8
    assert flipped([[1e-17]], "less", 100, 0)[0] == 1


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), SIDES)
def test_labels__are_dealt_in_all_ways_written_out(seed, alternative):
    rng = np.random.default_rng(seed)
    n = rng.integers(4, 9)
    centre, weights = (
        rng.integers(-3, 4, (3, n)) / 3 + rng.choice([0, 1]) * rng.normal(size=(3, n)),
        rng.uniform(1, 5, n),
    )
    area = rng.choice(3, n)
    in_a = np.broadcast_to(area == 0, (3, n))
    present = np.broadcast_to(weights * (area < 2), (3, n))
    statistic, p, smallest = deal_labels(centre, present, in_a, np.ones(3), alternative, 1000, 0)
    n_a, n_b = np.count_nonzero(area == 0), np.count_nonzero(area == 1)
    if min(n_a, n_b) < 2:
        assert np.isnan([statistic, p, smallest]).all()
        return
    for cell in range(3):
        here = area < 2
        m = centre[cell, here]
        with np.errstate(all="ignore"):
            expected, observed = slow_groups.relabelled(m, weights[here], (area == 0)[here], alternative)
        if np.isfinite(observed) and np.abs(observed) < 1e4:
            np.testing.assert_allclose(statistic[cell], observed, rtol=1e-9, atol=1e-9)
        if np.ptp(m) > 0 and len(set(m.tolist())) == len(m):
            np.testing.assert_allclose(p[cell], expected, atol=1e-12)
        assert p[cell] >= smallest[cell] - 1e-15
        assert smallest[cell] >= 1 / comb(n_a + n_b, n_a)


def test_labels_of_equal_groups__give_no_difference():
    centre = np.full((1, 6), 0.3)
    in_a = np.array([[True] * 3 + [False] * 3])
    statistic, p, _ = deal_labels(centre, np.ones((1, 6)), in_a, np.ones(1), "greater", 1000, 0)
    np.testing.assert_allclose([statistic[0], p[0]], [0, 1], atol=1e-9)


def test_drawn_labels__come_close():
    rng = np.random.default_rng(5)
    centre, weights = rng.normal(size=(5, 12)), rng.uniform(1, 4, (5, 12))
    in_a = np.broadcast_to(np.arange(12) < 5, (5, 12))
    exact = deal_labels(centre, weights, in_a, np.ones(5), "two-sided", 792, 0)[1]
    found = deal_labels(centre, weights, in_a, np.ones(5), "two-sided", 700, 0)[1]
    assert (found != exact).any()
    assert np.abs(found - exact).max() < 4 * 0.5 / np.sqrt(700)


def test_what_no_p_can_reach__is_said():
    assert out_of_reach(np.array([0.001, np.nan]), 0.01, "session") == []
    assert out_of_reach(np.array([1 / 64, np.nan]), 0.01, "session") == [
        "no p can be below 0.01: so few sessions allow no less than 0.016"
    ]
    assert "in 1 of 2 tests" in out_of_reach(np.array([0.25, 0.001]), 0.01, "subject")[0]
    with pytest.raises(DataError, match="alternative 'more' is not known; take greater, less, two-sided"):
        known_side("more")
