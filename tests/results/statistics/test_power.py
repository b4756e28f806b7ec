"""Simulated power is the known one where it is known, and takes sessions from data, lists and recordings."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from distributed_trf import peak_layer, power, select_units, simulate, simulate_results
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DataError


def noncentral_t(n, effect, alpha=0.05):
    """Power of a one-sided t test of n normal numbers, effect in standard deviations."""
    return 1 - scipy.stats.nct.cdf(scipy.stats.t.ppf(1 - alpha, n - 1), n - 1, effect * np.sqrt(n))


@pytest.mark.parametrize(("sizes", "icc", "worth"), [([1] * 20, 0.0, 1.0), ([9] * 20, 0.2, 9 / (1 + 8 * 0.2))])
def test_power__is_that_of_a_t_test_on_sessions_of_one_size(sizes, icc, worth):
    """Sessions of one size have equal weights; flipping signs of normal means is as powerful as t on them."""
    effects = np.array([0.3, 0.6, 0.9]) / np.sqrt(worth)
    found = power(sizes, 0.2 * effects, spread=0.2, icc=icc, simulations=2000, seed=1)
    expected = noncentral_t(20, effects * np.sqrt(worth))
    # four standard errors of a simulated share, and as much as p in steps of 1 / 2001 may take
    np.testing.assert_allclose(found.power.values[:, 0], expected, atol=4 * np.sqrt(0.25 / 2000) + 0.01)
    assert (found.low < found.power).all()
    assert (found.power < found.high).all()


@pytest.mark.parametrize("between", ["fits", "areas"])
def test_no_effect__is_found_as_often_as_alpha_says(between):
    sizes = [3, 20, 8, 12, 1, 30, 6, 7, 9, 10, 2, 15]
    of = sizes if between == "fits" else {"core": sizes, "non-primary": sizes[::-1]}
    for alpha in (0.05, 0.2):
        found = power(of, 0.0, between=between, spread=1, icc=0.2, alpha=alpha, simulations=1000, draws=500)
        low, high = scipy.stats.binom.interval(0.9999, 1000, alpha)
        assert low - 10 <= found.power.item() * 1000 <= high + 10


def test_units_as_samples__find_what_is_not_there_where_they_are_alike():
    found = {
        level: power([20] * 12, 0.0, spread=1, icc=0.3, level=level, simulations=300) for level in ("session", "unit")
    }
    assert found["session"].power.item() < 0.1
    assert found["unit"].power.item() > 0.2
    assert found["unit"].attrs["level"] == "unit"


def test_more_sessions_and_larger_effects__have_more_power_and_the_target_tells_how_many_are_needed():
    found = power([5, 10, 40], [0.0, 0.04, 0.08], sessions=[20, 5, 10], spread=0.1, icc=0.1, simulations=300)
    assert found.sessions.values.tolist() == [20, 5, 10]
    of = found.power.sortby("sessions").values
    assert (np.diff(of[1:], axis=0) >= 0).all()
    assert (np.diff(of[1:], axis=1) >= 0).all()
    assert found.units.values.tolist() == [5 * 7 + 10 * 6 + 40 * 7, 5 * 2 + 10 + 40 * 2, 5 * 3 + 10 * 4 + 40 * 3]
    for row, needed in zip(of, found.sessions_needed.values, strict=True):
        enough = [n for n, share in zip((5, 10, 20), row, strict=True) if share >= 0.8]
        assert needed == min(enough) if enough else np.isnan(needed)
    assert np.isnan(found.sessions_needed.values[0])


def test_few_sessions__can_find_nothing_and_say_so():
    found = power([10] * 4, 10.0, spread=1, icc=0, simulations=10)
    assert found.power.item() == 0
    assert found.smallest_p.item() == 1 / 16
    assert found.attrs["note"] == "no p of 4 sessions can be below 0.05"


def test_one_session_in_an_area__can_find_nothing_and_says_so():
    of = {"core": [5] * 3, "non-primary": [5] * 3}
    found = power(of, 10.0, sessions=[2, 8], between="areas", spread=1, icc=0, simulations=10)
    assert found.power.values.tolist() == [[0, 1]]
    assert np.isnan(found.smallest_p.values[0])
    assert found.attrs["note"] == "no p of 2 sessions can be below 0.05"
    with pytest.raises(DataError, match="sessions: 1 leave none for an area; take 4 or more"):
        power(of, 10.0, sessions=1, between="areas", spread=1, icc=0, simulations=10)


def test_two_sided__has_the_power_of_half_of_alpha():
    settings = {"spread": 1, "icc": 0.0, "simulations": 500}
    found = power([1] * 15, 0.7, two_sided=True, **settings)
    assert found.attrs["alternative"] == "two-sided"
    half = power([1] * 15, 0.7, alpha=0.025, **settings)
    np.testing.assert_allclose(found.power, half.power, atol=0.01)


def test_correction__takes_power_and_a_family_with_more_effects_has_more_of_it():
    settings = {"spread": 1, "icc": 0.0, "simulations": 200, "draws": 5000}
    alone = power([1] * 15, 0.9, **settings).power.item()
    one_of_ten = power([1] * 15, 0.9, correction="holm", family=10, **settings).power.item()
    np.testing.assert_allclose(one_of_ten, noncentral_t(15, 0.9, 0.05 / 10), atol=4 * np.sqrt(0.25 / 200))
    all_of_ten = power([1] * 15, 0.9, correction="bh", family=10, true=10, **settings).power.item()
    assert one_of_ten < all_of_ten < alone


def test_results__give_sessions_spread_and_icc_of_their_differences():
    ds = simulate_results(["wav2vec2"], sessions=30, within_session=0.2, seed=2)
    units = select_units(ds, stimuli="timit", delta=0.5)
    found = power(units, [0.02], simulations=50)
    # A difference of two fits, each with a true deviation of 0.045 and an error of 0.04.
    np.testing.assert_allclose(found.attrs["spread"], np.sqrt(2 * (0.045**2 + 0.04**2)), rtol=0.05)
    np.testing.assert_allclose(found.attrs["icc"], 0.2, atol=0.05)
    sizes = np.unique(units.session.values, return_counts=True)[1]
    assert (found.sessions.item(), found.units.item()) == (sizes.size, sizes.sum())
    same = power(sizes.tolist(), [0.02], spread=found.attrs["spread"], icc=found.attrs["icc"], simulations=50)
    xr.testing.assert_identical(found, same)
    fits = units.rho.sel(network="wav2vec2")
    by_hand = power(fits.sel(weights="trained") - fits.sel(weights="reset"), [0.02], simulations=50)
    xr.testing.assert_allclose(found, by_hand)


def test_positions__are_compared_between_areas_with_their_own_sessions():
    ds = simulate_results(["wav2vec2", "deepspeech2"], sessions=12, depth=(0.2, 0.5), within_session=0.1)
    peaks = peak_layer(select_units(ds, stimuli="timit", delta=0.5)).sel(weights="trained")
    found = power(peaks, [0.0, 0.3], sessions=[12, 24], between="areas", simulations=100, draws=500)
    assert found.attrs["between"] == "areas"
    assert found.attrs["alternative"] == "less"
    # Spread and icc are those within areas: the areas prefer different layers.
    whole = peaks.position.sel(network="wav2vec2").std("unit").mean()
    assert found.attrs["spread"] < whole
    assert found.power.values[1].min() > 0.8 > 0.3 > found.power.values[0].max()


def test_study__has_the_sessions_of_its_recordings(tmp_path):
    simulate(tmp_path / "recordings", sessions=3, channels=4, sentences=12, calls=0)
    study = StudySettings.model_validate(
        {
            "name": "planned",
            "recordings": {"format": "ucsf", "path": tmp_path / "recordings"},
            "output": tmp_path / "study",
            "networks": [{"name": "mel_whisper"}],
            "stimuli": ["timit"],
        }
    )
    found = power(study, 0.1, sessions=[3, 8], kept=0.5, spread=0.1, icc=0.1, simulations=10)
    assert found.units.values.tolist() == [6, 16]


@pytest.mark.parametrize(
    ("of", "settings", "message"),
    [
        ([3, 4], {}, "spread is not known without results .* give it"),
        ([3, 4], {"spread": 1}, "icc is not known"),
        ([3, 4], {"spread": 1, "icc": 2}, "icc 2; expected .* an icc from 0 to 1"),
        ([0, 0], {"spread": 1, "icc": 0}, "no session has a unit"),
        ([3, 4], {"spread": 1, "icc": 0, "kept": 0}, "kept is 0"),
        ([3, 4], {"spread": 1, "icc": 0, "effect": [-1]}, r"effect is \[-1\]; expected numbers of zero or more"),
        ([3, 4], {"spread": 1, "icc": 0, "family": 2, "true": 3}, "true is 3 and family 2"),
        ([3, 4], {"spread": 1, "icc": 0, "between": "areas"}, "expected a mapping of core and non-primary"),
        ({"core": [1]}, {"spread": 1, "icc": 0}, "expected units of each session"),
        ({"core": [3], "non-primary": []}, {"spread": 1, "icc": 0, "between": "areas"}, "in area 'non-primary'"),
        ([3, 4], {"spread": 1, "icc": 0, "between": "layers"}, "between is 'layers'; take fits or areas"),
        ([3, 4], {"spread": 1, "icc": 0, "simulations": 0}, "simulations is 0"),
        (xr.DataArray([1.0], dims="trial"), {}, "dimensions are trial; expected unit"),
    ],
)
def test_what_cannot_be_used__is_named(of, settings, message):
    with pytest.raises(DataError, match=message):
        power(of, settings.pop("effect", 0.1), **settings)


def test_one_session__tells_no_icc():
    ds = simulate_results(["whisper_tiny"], sessions=1, channels=8)
    with pytest.raises(DataError, match="icc is not known without results of several sessions"):
        power(ds, 0.1)
    assert power(ds, 0.1, icc=0.1, sessions=8, simulations=20).attrs["spread"] > 0.05


def test_results_without_untrained_networks__are_refused_with_what_to_give():
    ds = simulate_results(["whisper_tiny"], weights=["trained"], sessions=4, channels=3)
    with pytest.raises(DataError, match="weights are trained, fixed; expected trained and reset"):
        power(ds, 0.1)
