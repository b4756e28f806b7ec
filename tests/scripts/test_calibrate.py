"""The calibration runs whole, its tests hold their levels and its intervals cover; what does not is marked."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import scipy.stats


@pytest.fixture
def tests():
    return importlib.import_module("calibrate_tests")


@pytest.fixture
def intervals():
    return importlib.import_module("calibrate_intervals")


@pytest.fixture
def studies():
    return importlib.import_module("calibrate_studies")


@pytest.mark.slow
def test_calibration__runs_whole(tables):
    text = tables("calibrate_statistics", "--quick")
    assert text.count("\n|---|") == 7
    rows = [line.split("|")[1:-1] for line in text.split("## Coverage")[0].splitlines() if line.startswith("| `")]
    assert len(rows) == 6 * 2 * 3  # tests, numbers of sessions, correlations
    for row in rows:
        sessions, smallest = int(row[1]), float(row[3])
        assert (row[4].strip() == "–") == (smallest >= 0.05), row
        assert sessions in (6, 12)
    assert "| `median_intervals` | 4 |" in text
    assert "none" in text


@pytest.mark.parametrize("correlation", [0.0, 0.3])
@pytest.mark.parametrize("name", range(5))
def test_nulls__are_rejected_as_often_as_the_level_says(tests, studies, name, correlation):
    """All but cut-offs chosen by the tested number; of units as samples, more often where these are alike."""
    test = list(tests.NULLS.values())[name]
    sessions = studies.Sessions(12, correlation)
    p, smallest = test(sessions, 400, 1, "session")
    assert p.shape == (400,)
    assert smallest < 0.01
    low, high = scipy.stats.binom.interval(1 - 1e-5, 400, 0.05)
    assert low <= np.count_nonzero(p < 0.05) <= high
    units, _ = test(sessions, 400, 1, "unit")
    if correlation:
        assert np.count_nonzero(units < 0.05) > high


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize(("name", "sessions"), [(0, 6), (1, 12), (2, 12)])
def test_intervals__cover(intervals, studies, name, sessions, skewed):
    of, _ = list(intervals.INTERVALS.values())[name]
    found = of(studies.Sessions(sessions, 0.2, skewed=skewed), 400, np.random.default_rng(1))
    held = np.count_nonzero((found["low"] <= 0) & (found["high"] >= 0))
    assert held >= scipy.stats.binom.ppf(1e-5, 400, 0.93)


def test_percentiles_of_the_median__are_those_of_drawn_sessions(intervals):
    rng = np.random.default_rng(2)
    session, values = np.repeat(np.arange(5), [3, 1, 4, 2, 5]), rng.normal(size=(3, 15))
    low, high = intervals.percentiles_of_median(values, session, np.random.default_rng(7))
    times = np.random.default_rng(7).multinomial(5, np.full(5, 0.2), size=intervals.DRAWS)
    for k, of in enumerate(values):
        drawn = [np.sort(np.repeat(of, t[session]))[(t[session].sum() - 1) // 2] for t in times]
        np.testing.assert_allclose([low[k], high[k]], np.quantile(drawn, [0.025, 0.975]))


def test_bootstraps__of_means_agree_with_scipys_on_sessions_of_one_unit(intervals):
    """Where each session is a unit, they are the usual ones; all have their own draws."""
    values, session = np.random.default_rng(3).exponential(size=(1, 40)), np.arange(40)
    spread = np.sqrt(values.var() / 40)
    for name, method in (("percentile bootstrap", "percentile"), ("BCa", "BCa")):
        low, high = intervals.OF_MEANS[name](values, session, np.random.default_rng(1))
        theirs = scipy.stats.bootstrap(values, np.mean, method=method, rng=np.random.default_rng(4)).confidence_interval
        np.testing.assert_allclose([low[0], high[0]], theirs, atol=0.35 * spread)


def test_draws__have_the_correlation_and_the_median_that_are_said(studies):
    sessions = studies.Sessions(41, 0.3, skewed=True)
    values = sessions.draw(np.random.default_rng(0), 4000)
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=0.03)
    np.testing.assert_allclose(np.mean(values <= sessions.median()), 0.5, atol=0.01)
    pair = np.flatnonzero(sessions.session == sessions.session[-1])[:2]
    np.testing.assert_allclose(np.corrcoef(values[:, pair].T)[0, 1], 0.3, atol=0.08)
    assert sorted(sessions.sizes)[::40] == [1, 45]
    assert studies.Sessions(6, 0, unequal=False).sizes.tolist() == [12] * 6


def test_marks__are_where_a_rate_is_too_far_off(tests, intervals):
    p = np.linspace(0.0005, 0.9995, 1000)
    assert tests.rejected(p, 1e-4) == ["0.050", "0.010"]
    assert tests.rejected(p**2, 1e-4) == ["**0.224**", "**0.100**"]
    assert tests.rejected(p, 1 / 64) == ["0.050", tests.UNREACHED]
    ends = np.array([-1.0] * 92 + [1.0] * 8)
    assert intervals.covered(ends, ends + 1.5) == "**0.920**"
    assert intervals.covered(np.full(3, -np.inf), np.full(3, np.inf)) == "1.000 (100% open)"
    assert intervals.covered(np.full(3, np.nan), np.full(3, np.nan)) == "none"


def test_selection__by_the_tested_repeats_makes_the_rho_of_weak_units_too_low_and_of_reliable_ones_not():
    lines = importlib.import_module("calibrate_selection").biases_of_selection(300)
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines}
    assert list(rows) == ["0.01", "0.03", "0.1", "0.3", "as published"]
    rho = {name: (float(of[2]), float(of[5])) for name, of in rows.items()}
    assert rho["0.01"][0] < -0.1
    assert rho["0.01"][0] < rho["0.01"][1] - 0.05
    assert max(map(abs, rho["0.3"])) < 0.02


def test_mixed_models__without_gains_of_sessions_find_what_is_not_there():
    row = importlib.import_module("calibrate_mixed").mixed(12, 0.05, 150)[0]
    intercepts, gains, flips = map(float, row.split("|")[3:6])
    high = scipy.stats.binom.ppf(1 - 1e-5, 150, 0.05) / 150
    assert intercepts > high
    assert gains < intercepts
    assert flips <= high
