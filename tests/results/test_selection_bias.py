"""Selecting units by the repeats they are tested on makes them look better predicted; selecting by others does not."""

from __future__ import annotations

import numpy as np

from distributed_trf import layer_profile, open_results, select_units
from distributed_trf.results.units import unit_keys
from tests.selection_bias import selected


def test_selection__by_the_same_repeats_raises_r_and_by_other_repeats_does_not():
    of = selected(0.02, units=1000, draws=300)
    assert 0.1 < of["kept_all"] < 0.5
    assert 0.1 < of["kept_split"] < 0.5
    assert of["r_all"] - of["r_true_all"] > 0.006  # a tenth of a true 0.1 is expected
    assert abs(of["r_split"] - of["r_true_split"]) < 0.006
    assert of["rho_all"] < of["rho_true_all"] - 0.05  # their normaliser is raised still more


def test_selection__leaves_units_that_all_pass_as_they_are():
    of = selected(0.3, units=100, draws=100)
    assert of["kept_all"] == of["kept_split"] == 1
    for repeats in ("all", "split"):
        assert abs(of[f"r_{repeats}"] - of[f"r_true_{repeats}"]) < 0.01
        assert abs(of[f"rho_{repeats}"] - of[f"rho_true_{repeats}"]) < 0.03


def test_selection__by_halves_of_the_repeats_of_a_study(saved_study):
    ds = open_results(saved_study).load()
    of = select_units(ds, stimuli="timit", bin_width=50.0, delta=0.5, repeats="split")
    assert 0 < of.sizes["unit"] < ds.sizes["unit"]  # one in each session is deaf
    r = ds.r_second_half.isel(unit=np.flatnonzero(unit_keys(ds).isin(unit_keys(of))))
    np.testing.assert_array_equal(of.r, r)
    assert (of.r.median() != select_units(ds, stimuli="timit", bin_width=50.0, delta=0.5).r.median()).all()
    assert "r_p" in ds
    assert "r_p" not in of
    assert layer_profile(of)["n"].max() == of.sizes["unit"]
