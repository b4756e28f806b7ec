"""Which units figures and reports show."""

from __future__ import annotations

import pytest

from distributed_trf.errors import NothingToDrawError
from distributed_trf.results.plotted_units import plotted_units
from tests.small_results import NAN, small_results


def test_show__the_highly_tuned_units_or_all_with_a_reason():
    ds = small_results()
    (at_20,), (at_50,) = (plotted_units(ds, delta=0.5, bin_width=width) for width in (20.0, 50.0))
    assert (at_20.stimuli, at_20.bin_width, at_20.variable, at_20.n) == ("timit", 20.0, "r", 3)
    assert at_20.note == "no reliability was measured for timit: all units are shown, by test correlation r"
    assert at_50.note.startswith("no unit is highly tuned to timit (δ = 0.5)")  # its null was not measured
    at = {"stimuli": "timit", "bin_width": 50.0}
    ds["null_mean"].loc[at], ds["null_std"].loc[at] = 0.0, 0.1
    (at_50,) = plotted_units(ds, delta=0.5)
    assert (at_50.variable, at_50.units, at_50.note) == ("rho", "highly tuned units (δ = 0.5)", "")
    assert at_50.ds["channel"].values.tolist() == ["1", "1"]  # that of normaliser -0.01 is not tuned
    (at_50,) = plotted_units(ds, delta=5.0)
    assert at_50.ds["session"].values.tolist() == ["s2"]


def test_show__nothing_fitted_is_an_error():
    ds = small_results()
    ds["r"][...] = NAN
    with pytest.raises(NothingToDrawError, match="no fit of timit is in these results"):
        plotted_units(ds, delta=0.5)
