"""Comparisons of areas equal those of scipy or written out, and find depth that was planted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf import compare_areas, peak_layer, select_units, simulate_results
from distributed_trf.errors import DataError
from tests.results.statistics import slow_groups
from tests.results.statistics.test_compare import two_layers


def of_units(values, session, area, **labels):
    """A dataset of positions; layers as rows, if there are several."""
    values = np.asarray(values)
    coords = {
        name: ("unit", list(of))
        for name, of in {"session": session, "area": area, "channel": range(len(session)), **labels}.items()
    }
    return xr.Dataset({"position": (("network", "unit")[2 - values.ndim :], values)}, coords)


def test_compare_areas__of_units_by_hand():
    ds = of_units([0.1, 0.2, np.nan, 0.4, 0.4, 0.9], "xxxyzz", "ccccpp")
    found = compare_areas(ds, areas=("c", "p"), level="unit")
    # Of six pairs the second area is higher in five, equal in one.
    np.testing.assert_allclose([found.statistic, found.effect], [0.5, 5 / 6])
    assert (found.n_a, found.n_b, found.n_sessions_a, found.n_sessions_b) == (3, 2, 2, 1)
    np.testing.assert_allclose([found.median_a, found.median_b], [0.2, 0.65])
    np.testing.assert_allclose(found.difference, 0.65 - 0.7 / 3)
    assert found.smallest_p == 1 / 10
    assert found.attrs["note"] == "no interval: it takes 4 units of each area"


def test_compare_areas__of_sessions_by_hand():
    ds = of_units([[0.1, 0.3, 0.2, 0.5, 0.9], [0.3, 0.5, np.nan, 0.5, 0.9]], "uuvwx", "cccpp")
    found = compare_areas(ds, areas=("c", "p"))
    # Units' means over networks are 0.2, 0.4, 0.2, 0.5, 0.9; sessions' 0.3 (two units), 0.2, 0.5, 0.9 (one each).
    assert (found.p, found.smallest_p) == (1 / 6, 1 / 6)  # of six ways to deal two labels of each
    assert (found.n_a, found.n_units_a, found.n_sessions_a, found.n_b, found.n_sessions_b) == (5, 3, 2, 4, 2)
    groups = [np.array(of) for of in ([0.2, 0.4], [0.2], [0.5], [0.9])]
    w = slow_groups.weights([2, 1, 1, 1], slow_groups.anova_icc(groups))
    np.testing.assert_allclose(found.difference, 0.7 - (w[0] * 0.3 + 0.2) / (w[0] + 1))
    assert found.attrs["draws"] == "exact"
    assert found.attrs["note"] == "no interval: it takes 4 sessions of each area"
    assert compare_areas(ds, areas=("p", "c"), alternative="greater").p == 1 / 6
    assert compare_areas(ds, areas=("c", "p"), alternative="two-sided").p == 2 / 6
    assert compare_areas(ds, areas=("c", "p"), alternative="greater").p == 1


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["less", "greater", "two-sided"]))
def test_compare_areas__of_sessions_is_all_ways_to_deal_labels_written_out(seed, alternative):
    rng = np.random.default_rng(seed)
    n_sessions, n = rng.integers(4, 10), rng.integers(20, 50)
    session = rng.integers(0, n_sessions, n)
    in_a = rng.random(n_sessions) < 0.5
    position = rng.normal(0, 1, n_sessions)[session] * rng.choice([0, 1]) + rng.normal(0, 1, n)
    position[rng.random(n) < 0.2] = np.nan
    known = np.unique(session[~np.isnan(position)])
    sides = in_a[known]
    if not 2 <= sides.sum() <= len(sides) - 2:
        return
    found = compare_areas(
        of_units(position, session, np.where(in_a[session], "c", "p")), areas=("c", "p"), alternative=alternative
    )
    groups = slow_groups.by_group(position, session)
    icc = slow_groups.anova_icc(groups)
    m, w = np.array([g.mean() for g in groups]), slow_groups.weights([g.size for g in groups], icc)
    opposite = {"less": "greater", "greater": "less"}.get(alternative, alternative)
    expected = slow_groups.relabelled(m, w, sides, opposite)
    np.testing.assert_allclose([found.p, found.statistic], expected, rtol=1e-9)
    np.testing.assert_allclose(found.icc, icc, atol=1e-9)
    means = [(w[s] * m[s]).sum() / w[s].sum() for s in (sides, ~sides)]
    np.testing.assert_allclose(found.difference, means[1] - means[0], atol=1e-9)
    ends = slow_groups.difference_interval(m, w, sides) if 4 <= sides.sum() <= len(sides) - 4 else [np.nan] * 2
    np.testing.assert_allclose([found.low, found.high], ends, atol=1e-9)


def test_groups_with_units_in_both_areas__are_tested_within_themselves():
    rng = np.random.default_rng(3)
    subject = np.repeat(list("ABCDEF"), [4, 7, 5, 6, 8, 3])
    area = np.where(rng.random(33) < 0.5, "c", "p")
    area[subject == "F"] = "c"
    position = rng.normal(0, 0.1, 33) + 0.1 * (area == "p")
    found = compare_areas(of_units(position, np.arange(33), area, subject=subject), areas=("c", "p"), level="subject")
    assert found.attrs["note"] == "left out: 1 subject with units in one area alone"
    assert found.attrs["test"] == "sign flips of the differences of means within subjects"
    parts = [[position[(subject == s) & (area == a)] for a in "cp"] for s in "ABCDE"]
    m = np.array([p.mean() - c.mean() for c, p in parts])
    worth = np.array([c.size * p.size / (c.size + p.size) for c, p in parts])
    free = sum(c.size + p.size - 2 for c, p in parts)
    within = sum(((of - of.mean()) ** 2).sum() for both in parts for of in both) / free
    between = max(np.mean(m**2 - within / worth), 0)
    w = worth / (1 + (worth - 1) * between / (between + within))
    null = [np.dot(signs, w * m) for signs in product([1, -1], repeat=5)]
    np.testing.assert_allclose(found.statistic, (w * m).sum())
    np.testing.assert_allclose(found.p, np.mean(np.array(null) >= (w * m).sum() - 1e-12))
    assert (found.smallest_p, found.n_subjects_a, found.n_subjects_b) == (1 / 32, 6, 5)
    assert found.low < found.difference < found.high
    # With A and B in the first area alone, and C and D in the second, only E has units in both.
    kept = ~(np.isin(subject, ["A", "B"]) & (area == "p")) & ~(np.isin(subject, ["C", "D"]) & (area == "c"))
    rest = of_units(position[kept], np.arange(33)[kept], area[kept], subject=subject[kept])
    found = compare_areas(rest, areas=("c", "p"), level="subject")
    assert found.attrs["note"] == (
        "left out: 1 subject with units in both areas; no interval: it takes 4 subjects of each area"
    )
    assert found.smallest_p == 1 / 10
    in_both = subject[kept] == "E"
    without = compare_areas(rest.isel(unit=~in_both), areas=("c", "p"), level="subject")
    np.testing.assert_allclose([found.p, found.statistic, found.icc], [without.p, without.statistic, without.icc])


def test_where_as_many_groups_have_both_areas_as_one__those_of_one_are_compared():
    subject, area = np.array(list("AABBCCDDEFGH")), np.array(list("cpcpcpcpccpp"))
    position = np.random.default_rng(0).normal(size=12)
    ds = of_units(position, np.arange(12), area, subject=subject)
    found = compare_areas(ds, areas=("c", "p"), level="subject")
    assert found.smallest_p == 1 / 6
    assert found.attrs["note"].startswith("left out: 4 subjects with units in both areas; ")
    most = compare_areas(ds.isel(unit=slice(11)), areas=("c", "p"), level="subject")
    assert most.smallest_p == 1 / 16


def test_areas_that_cannot_be_compared__are_nan_and_said():
    one = of_units([0.1, 0.2, 0.3, 0.4, 0.6], "xyzww", "cccpp")
    found = compare_areas(one, areas=("c", "p"))
    assert np.isnan([found.p, found.statistic, found.smallest_p, found.low, found.high]).all()
    np.testing.assert_allclose([found.difference, found.effect], [0.3, 1])
    assert found.attrs["note"] == (
        "no test in 1 of 1: it takes two sessions of each area; no interval: it takes 4 sessions of each area"
    )
    for level in ("session", "unit"):
        nobody = compare_areas(one.isel(unit=[]), areas=("c", "p"), level=level)
        assert np.isnan([nobody[name] for name in ("p", "difference", "low", "effect", "median_a")]).all()
        assert nobody.attrs["note"] == "nothing is compared: no units of both areas have a number"
    layers = one.expand_dims(layer=2).copy(deep=True)
    layers["position"][1, 3:] = np.nan
    found = compare_areas(layers, areas=("c", "p"))
    assert np.isnan(found.difference[1])
    assert "1 of 2 are not compared: units of one area have no number" in found.attrs["note"]
    equal = compare_areas(of_units(np.full(8, 0.3), "aabbccdd", "ccccpppp"), areas=("c", "p"))
    assert (equal.p, equal.difference, equal.statistic) == (1, 0, 0)


@pytest.mark.parametrize("alternative", ["less", "greater", "two-sided"])
def test_compare_areas__is_scipys_mann_whitney_pooled_or_for_each_network(alternative):
    ds = simulate_results(["whisper_tiny", "deepspeech2"], sessions=8, channels=6, depth=(0.3, 0.5))
    peaks = peak_layer(ds)
    of = peaks.position.sel(weights="trained", stimuli="timit", bin_width=50.0)
    core = ds.area.values == "core"
    pooled = compare_areas(peaks, alternative=alternative, level="unit").sel(
        weights="trained", stimuli="timit", bin_width=50.0
    )
    sides = [of.sel(network=["whisper_tiny", "deepspeech2"]).values[:, side].ravel() for side in (core, ~core)]
    expected = scipy.stats.mannwhitneyu(*sides, alternative=alternative)
    np.testing.assert_allclose([pooled.p, pooled.statistic], [expected.pvalue, expected.statistic], rtol=1e-12)
    assert (pooled.n_a, pooled.n_b) == (48, 48)  # the spectrogram has no position
    apart = compare_areas(peaks, pool=(), alternative=alternative, level="unit")
    one = apart.sel(weights="trained", stimuli="timit", bin_width=50.0, network="deepspeech2")
    of = of.sel(network="deepspeech2").values
    np.testing.assert_allclose(one.p, scipy.stats.mannwhitneyu(of[core], of[~core], alternative=alternative).pvalue)
    assert apart.p.sel(network="cochleagram").isnull().all()


@pytest.mark.parametrize(
    ("pool", "alternative", "p", "u"),
    [
        ((), "less", [np.nan, 0.928193118536409], [np.nan, 736.5]),
        ((), "two-sided", [np.nan, 0.14685825311499537], [np.nan, 736.5]),
        (("layer",), "less", 0.9825832015928526, 1429),
        (("layer",), "two-sided", 0.03546047946778788, 1429),
    ],
)
def test_level_unit__is_the_published_test_to_the_last_digit(pool, alternative, p, u):
    ds, _ = two_layers()
    ds = ds.assign_coords(area=("unit", np.where(ds.session < "5", "core", "non-primary")))
    found = compare_areas(ds, "rho", pool=pool, alternative=alternative, level="unit")
    np.testing.assert_allclose(found.p, p, rtol=1e-12)
    np.testing.assert_allclose(found.statistic, u, rtol=1e-12)


def test_planted_depth__is_found_and_none_where_there_is_none():
    for depth, found in (((0.3, 0.5), True), ((0.3, 0.3), False), (None, False)):
        ds = simulate_results(["wav2vec2", "deepspeech2"], depth=depth, seed=6)
        peaks = peak_layer(select_units(ds, stimuli="timit", delta=0.5))
        tests = compare_areas(peaks).sel(weights="trained", bin_width=50.0)
        assert ((tests.p < 0.001) == found).all()
        assert ((tests.low > 0) == found).all()
        if found:
            assert (tests.median_b > tests.median_a).all()


def test_unknown_area_or_variable__is_named():
    peaks = peak_layer(simulate_results(["whisper_tiny"], sessions=2, channels=3))
    with pytest.raises(DataError, match="no unit is in area 'belt'; there are"):
        compare_areas(peaks, areas=("core", "belt"))
    with pytest.raises(DataError, match="'depth' is no variable of units"):
        compare_areas(peaks, "depth")


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["session", "subject", "unit"]), st.sampled_from(["mean", "median"]))
def test_any_units__give_numbers_that_are_possible_or_nan_and_why(seed, level, summary):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 20)
    session = rng.integers(0, rng.integers(1, 9), n)
    subject = np.array(["A", "B", "C", "unknown"])[session % rng.integers(1, 5)]
    area = np.where(rng.random(n) < 0.3, rng.choice(["c", "p"], n), np.array(["c", "p"])[session % 2])
    area[:2] = "c", "p"
    values = rng.integers(-1, 2, (3, n)) * rng.choice([0.0, 0.1, 1e9])
    values[rng.random((3, n)) < rng.choice([0.0, 0.5, 1.0])] = np.nan
    ds = of_units(values, session, area, subject=subject)
    found = compare_areas(ds, pool=(), areas=("c", "p"), level=level, summary=summary, draws=40)
    for network in range(3):
        cell = {name: float(of.isel(network=network)) for name, of in found.items()}
        if np.isnan(cell["p"]):
            assert found.attrs["note"]
            assert np.isnan([cell["low"], cell["high"]]).all() or level == "unit"
            continue
        # Ranks of few or of many equal numbers are tested by a normal approximation, which has no smallest p.
        assert cell["smallest_p"] - 1e-12 <= cell["p"] <= 1 or level == "unit"
        assert cell["smallest_p"] <= 1
        assert not cell["low"] > cell["difference"]
        assert not cell["high"] < cell["difference"]
        assert -1 <= cell["effect"] <= 1
        assert cell["n_a"] == cell["n_units_a"] >= cell["n_sessions_a"] > 0
