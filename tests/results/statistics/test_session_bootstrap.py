"""Medians of drawn sessions, against medians of the values written out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.results.statistics.compare import draw_sessions, drawn_medians, interval


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 6))
def test_drawn_medians__are_those_of_all_units_of_the_drawn_sessions(seed, n, n_sessions):
    rng = np.random.default_rng(seed)
    values = rng.integers(-5, 5, n) / 3  # with ties
    session = rng.integers(0, n_sessions, n)
    drawn = draw_sessions(n_sessions, 20, seed)
    expected = []
    for counts in drawn:
        units = np.concatenate([np.repeat(values[session == s], counts[s]) for s in range(n_sessions)])
        expected.append(np.median(units) if units.size else np.nan)
    np.testing.assert_allclose(drawn_medians(values, session, drawn), expected, rtol=1e-15)


def test_sessions__are_drawn_as_often_as_there_are_some_and_by_seed():
    drawn = draw_sessions(7, 4000, 3)
    assert (drawn.sum(axis=1) == 7).all()
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.06)
    np.testing.assert_array_equal(drawn, draw_sessions(7, 4000, 3))
    assert (drawn != draw_sessions(7, 4000, 4)).any()


def test_interval__leaves_out_draws_without_units():
    np.testing.assert_allclose(interval(np.array([np.nan, *np.linspace(0, 100, 101)]), 0.9), (5, 95))
    assert np.isnan(interval(np.array([np.nan]), 0.9)).all()


def test_interval__covers_the_true_median_of_sessions_that_differ():
    """Sessions, not units, are the samples: with them the interval covers near its level, with units far below."""
    rng = np.random.default_rng(0)
    covered = [0, 0]
    runs, n_sessions, n_units = 150, 25, 20
    session = np.repeat(np.arange(n_sessions), n_units)
    for run in range(runs):
        values = rng.normal(0, 1, n_sessions)[session] + rng.normal(0, 0.3, session.size)
        for k, groups in enumerate((session, np.arange(session.size))):
            drawn = draw_sessions(groups.max() + 1, 200, run)
            low, high = interval(drawn_medians(values, groups, drawn), 0.9)
            covered[k] += low <= 0 <= high
    assert 0.8 * runs < covered[0] < 0.97 * runs
    assert covered[1] < 0.6 * runs
