"""Comparisons of areas equal those of scipy, and find depth that was planted."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from distributed_trf import compare_areas, peak_layer, select_units, simulate_results
from distributed_trf.errors import DataError
from distributed_trf.results.statistics.area_tests import draw_sessions


def test_compare_areas__a_case_done_by_hand():
    coords = {
        "area": ("unit", list("ccccpp")),
        "session": ("unit", list("xxxyzz")),
        "channel": ("unit", list("123112")),
    }
    ds = xr.Dataset({"position": ("unit", [0.1, 0.2, np.nan, 0.4, 0.4, 0.9])}, coords)
    found = compare_areas(ds, areas=("c", "p"))
    # Of six pairs the second area is higher in five, equal in one.
    np.testing.assert_allclose([found.statistic, found.effect], [0.5, 5 / 6])
    assert (found.n_a, found.n_b, found.n_sessions_a, found.n_sessions_b) == (3, 2, 2, 1)
    np.testing.assert_allclose([found.median_a, found.median_b], [0.2, 0.65])
    # Drawn twice, session y has one pair higher and one equal; session x all higher.
    np.testing.assert_allclose([found.low, found.high], [0.5, 1.0])


@pytest.mark.parametrize("alternative", ["less", "greater", "two-sided"])
def test_compare_areas__is_scipys_mann_whitney_pooled_or_for_each_network(alternative):
    ds = simulate_results(["whisper_tiny", "deepspeech2"], sessions=8, channels=6, depth=(0.3, 0.5))
    peaks = peak_layer(ds)
    of = peaks.position.sel(weights="trained", stimuli="timit", bin_width=50.0)
    core = ds.area.values == "core"
    pooled = compare_areas(peaks, alternative=alternative).sel(weights="trained", stimuli="timit", bin_width=50.0)
    sides = [of.sel(network=["whisper_tiny", "deepspeech2"]).values[:, side].ravel() for side in (core, ~core)]
    expected = scipy.stats.mannwhitneyu(*sides, alternative=alternative)
    np.testing.assert_allclose([pooled.p, pooled.statistic], [expected.pvalue, expected.statistic], rtol=1e-12)
    assert (pooled.n_a, pooled.n_b) == (48, 48)  # the spectrogram has no position
    apart = compare_areas(peaks, pool=(), alternative=alternative)
    one = apart.sel(weights="trained", stimuli="timit", bin_width=50.0, network="deepspeech2")
    of = of.sel(network="deepspeech2").values
    np.testing.assert_allclose(one.p, scipy.stats.mannwhitneyu(of[core], of[~core], alternative=alternative).pvalue)
    assert apart.p.sel(network="cochleagram").isnull().all()


def test_interval__is_of_the_effect_over_drawn_sessions():
    ds = simulate_results(["whisper_tiny"], sessions=6, channels=5, depth=(0.2, 0.6))
    peaks = peak_layer(ds).sel(weights="trained", stimuli="timit", bin_width=50.0, network=["whisper_tiny"])
    found = compare_areas(peaks, draws=40, seed=2)
    position, session, area = peaks.position.values[0], ds.session.values, ds.area.values
    effects = []
    of_area = {a: list(dict.fromkeys(session[area == a])) for a in ("core", "non-primary")}
    for k in range(40):
        sides = []
        for offset, (_, names) in enumerate(of_area.items()):
            counts = draw_sessions(len(names), 40, 2 + offset)[k]
            sides.append(
                np.concatenate([np.repeat(position[session == n], c) for n, c in zip(names, counts, strict=True)])
            )
        u = scipy.stats.mannwhitneyu(*sides).statistic
        effects.append(1 - 2 * u / (sides[0].size * sides[1].size))
    np.testing.assert_allclose([found.low, found.high], np.quantile(effects, [0.025, 0.975]))


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
