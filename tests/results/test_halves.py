"""Units selected by one half of the repeats, with the results of the other."""

from __future__ import annotations

import numpy as np

from distributed_trf import layer_profile, open_results, select_units
from distributed_trf.results.units import unit_keys


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
