"""Settings that would give a number without a meaning are errors that name them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf import (
    compare,
    compare_areas,
    layer_profile,
    layer_tests,
    peak_layer,
    power,
    select_units,
    simulate_results,
)
from distributed_trf.errors import DataError


@pytest.fixture(scope="module")
def ds():
    return simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=8, channels=4)


def paired(ds, **settings):
    return compare(ds.sel(weights="trained"), ds.sel(weights="reset"), **settings)


@pytest.mark.parametrize("test", [paired, layer_tests, lambda ds, **of: compare_areas(peak_layer(ds), **of)])
@pytest.mark.parametrize(("setting", "value"), [("draws", 0), ("draws", -3), ("draws", 2.5), ("seed", -1)])
def test_draws_and_seed__are_whole_numbers(ds, test, setting, value):
    with pytest.raises(DataError, match=f"{setting} is {value}; expected a whole number"):
        test(ds, **{setting: value})


@pytest.mark.parametrize("alpha", [0, 1, 5, -0.1, "0.05"])
def test_alpha__is_between_zero_and_one(ds, alpha):
    with pytest.raises(DataError, match="alpha is .*; expected a number between 0 and 1"):
        layer_tests(ds, alpha=alpha)


@pytest.mark.parametrize("areas", [("core",), ("core", "core"), "core", ("core", "non-primary", "core")])
def test_areas__are_two_that_differ(ds, areas):
    with pytest.raises(DataError, match="expected two that differ"):
        compare_areas(peak_layer(ds), areas=areas)


def test_pool__names_dimensions_that_are_there(ds):
    with pytest.raises(DataError, match="pool: 'networks' is no dimension of position, which has stimuli, network,"):
        compare_areas(peak_layer(ds), pool=("networks",))
    one = compare_areas(peak_layer(ds), pool="network")
    assert one.identical(compare_areas(peak_layer(ds), pool=("network",)))
    assert compare_areas(peak_layer(ds).sel(network="whisper_tiny")).p.notnull().any()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"sessions": 1.5}, "sessions is 1.5; expected whole numbers"),
        ({"effect": "a"}, "effect is .*; expected numbers of zero or more"),
        ({"alpha": 2}, "alpha is 2"),
        ({"target": 2}, "target is 2"),
        ({"draws": 0}, "draws is 0"),
    ],
)
def test_power__takes_only_what_can_be_simulated(ds, settings, why):
    with pytest.raises(DataError, match=why):
        power(ds, **{"effect": 0.1, "simulations": 5, **settings})


def test_power__of_no_units_is_an_error(ds):
    with pytest.raises(DataError, match="no session has a unit"):
        power(select_units(ds, normaliser=5.0), effect=0.1)
    with pytest.raises(DataError, match="no session has a unit in area 'core'"):
        power(peak_layer(select_units(ds, normaliser=5.0)), effect=0.1, between="areas")


def test_power__interval_stays_between_zero_and_one():
    found = power([4] * 2, effect=[0.0], spread=0.1, icc=0.1, simulations=10)
    assert (found.power.item(), found.low.item()) == (0, 0)


def test_arrays__are_compared_as_their_datasets_are(ds):
    trained, untrained = (ds.sel(weights=weights) for weights in ("trained", "reset"))
    xr.testing.assert_identical(compare(trained.r, untrained.r), compare(trained, untrained, "r"))
    xr.testing.assert_identical(compare(trained.r, untrained, "r"), compare(trained, untrained, "r"))
    with pytest.raises(DataError, match=r"expected a dataset, found DataArray; .* ds\[\['rho'\]\]"):
        layer_profile(ds.rho)


def test_two_areas__are_those_that_there_are(ds):
    peaks = peak_layer(ds)
    renamed = peaks.assign_coords(area=("unit", np.where(peaks.area == "core", "A1", "belt")))
    first = str(renamed.area.values[0])
    found = compare_areas(renamed)
    expected = compare_areas(renamed, areas=(first, "belt" if first == "A1" else "A1"))
    xr.testing.assert_identical(found, expected)
    with pytest.raises(DataError, match=r"no unit is in area 'core'; there are .*V1"):
        compare_areas(renamed.assign_coords(area=("unit", np.resize(["A1", "belt", "V1"], renamed.sizes["unit"]))))
