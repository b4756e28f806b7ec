"""Intervals over sessions against their definitions, and that they cover."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf import simulate_results
from distributed_trf.results.statistics.groups import Groups
from distributed_trf.results.statistics.intervals import median_intervals, t_interval, weighted_mean
from tests.results.statistics import slow_groups
from tests.results.statistics.test_groups import drawn
from tests.small_results import small_results


@given(st.integers(0, 2**32 - 1))
def test_weighted_mean__varies_as_if_groups_were_left_out_one_by_one(seed):
    values, group = drawn(seed)
    groups = Groups.of(values, group)
    weights = groups.weights(groups.icc())
    found = weighted_mean(groups.centre, weights)
    low, high = t_interval(found, groups.count > 1)
    for cell in range(len(values)):
        here = groups.present[cell]
        if here.sum() < 2:
            assert np.isnan([found.variance[cell], low[cell], high[cell]]).all()
            continue
        m, w = groups.centre[cell, here], weights[cell, here]
        mean, variance, free = slow_groups.left_out_one(m, w)
        np.testing.assert_allclose([found.mean[cell], found.variance[cell]], [mean, variance], atol=1e-12)
        np.testing.assert_allclose(found.trace[cell] ** 2 / found.trace_of_square[cell], free, rtol=1e-8)
        np.testing.assert_allclose([low[cell], high[cell]], slow_groups.interval(m, w), atol=1e-9)


def test_equal_weights__give_students_t_with_one_degree_of_freedom_less_than_groups():
    m = np.array([[1.0, 2, 4, 7, 7]])
    found = weighted_mean(m, np.full((1, 5), 3.0))
    np.testing.assert_allclose(found.trace**2 / found.trace_of_square, 4)
    np.testing.assert_allclose(found.variance, m.var(ddof=1) / 4)


def of_sessions(values, session):
    """A dataset of one cell for each row of values."""
    values = np.atleast_2d(values)
    coords = {"session": ("unit", session), "channel": ("unit", np.arange(len(session)))}
    return xr.Dataset({"rho": (("cell", "unit"), values)}, coords)


@given(st.integers(0, 2**32 - 1))
def test_median_intervals__are_woodruffs_by_the_definition(seed):
    values, group = drawn(seed)
    found = median_intervals(of_sessions(values, group))
    for cell, row in enumerate(values):
        known = ~np.isnan(row)
        of = found.isel(cell=cell)
        assert of.n == known.sum()
        if len(np.unique(group[known])) < 4:
            assert np.isnan([of.low, of.high]).all()
            continue
        np.testing.assert_allclose([of.low, of.high], slow_groups.woodruff(row, group), atol=1e-9)
        np.testing.assert_allclose(of["median"], np.median(row[known]))
        assert of.low <= of["median"] <= of.high


def test_open_ends__are_infinite_and_said():
    # In half of the sessions all units are above the median, in half below.
    found = median_intervals(of_sessions([1.0, 1.1, 2.0, 2.1], list("abcd")))
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert found.attrs["note"] == "1 of 1 intervals are open: too few sessions to end them"


def test_median_intervals__leave_units_without_a_number_out_and_are_nan_where_nothing_was_fitted():
    found = median_intervals(small_results(), "r")
    of = found.sel(stimuli="timit", network="net", layer=2, bin_width=50.0)
    assert (float(of["median"].sel(weights="trained")), int(of.n.sel(weights="trained"))) == (pytest.approx(0.4), 2)
    for name in ("median", "low", "high", "n_sessions"):
        assert np.isnan(of[name].sel(weights="reset"))
    assert int(of.n.sel(weights="reset")) == 0
    assert "x" not in found.coords
    assert found.attrs["note"] == "no interval: it takes 4 sessions"
    assert (found.n_sessions.sel(network="mel", weights="fixed", layer=0, bin_width=50.0) == 2).all()


def test_median_intervals__of_subjects_units_and_nobody():
    ds = simulate_results(["whisper_tiny"], sessions=12, channels=5)
    of = {
        level: median_intervals(ds, level=level).sel(network="cochleagram", weights="fixed", layer=0, stimuli="timit")
        for level in ("session", "subject", "unit")
    }
    values = ds.rho.sel(network="cochleagram", weights="fixed", layer=0, stimuli="timit").values[0]
    for level, found in of.items():
        group = np.arange(60) if level == "unit" else np.unique(ds[level], return_inverse=True)[1]
        if group.max() > 2:
            expected = slow_groups.woodruff(values, group)
            np.testing.assert_allclose([found.low.item(), found.high.item()], expected, atol=1e-9)
    assert len({found.high.item() for found in of.values()}) == 3
    nobody = median_intervals(ds.isel(unit=[]))
    assert nobody["median"].isnull().all()
    assert (nobody.n == 0).all()


@pytest.mark.parametrize(("n_sessions", "icc"), [(6, 0.2), (12, 0.0), (25, 0.3)])
def test_intervals__cover_where_sessions_differ(n_sessions, icc):
    """Of 1000 studies with sessions of one to 45 units, those whose interval holds what is true of all sessions."""
    rng = np.random.default_rng(n_sessions)
    session = np.repeat(np.arange(n_sessions), rng.integers(1, 46, n_sessions))
    means = rng.normal(0, icc**0.5, (1000, n_sessions))
    values = means[:, session] + rng.normal(0, (1 - icc) ** 0.5, (1000, session.size))
    least = scipy.stats.binom.ppf(0.001, 1000, 0.93)
    found = median_intervals(of_sessions(values, session))
    assert ((found.low <= 0) & (found.high >= 0)).sum() > least
    groups = Groups.of(values, session)
    low, high = t_interval(weighted_mean(groups.centre, groups.weights(groups.icc())), groups.count > 3)
    assert ((low <= 0) & (high >= 0)).sum() > least
    units = Groups.of(values, np.arange(session.size))
    low, high = t_interval(weighted_mean(units.centre, units.worth), units.count > 3)
    assert (((low <= 0) & (high >= 0)).sum() > least) == (icc == 0)  # units of a session are no samples
