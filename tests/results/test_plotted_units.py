"""Which units figures and reports show."""

from __future__ import annotations

import json

import pytest

from distributed_trf import select_units, simulate_results
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
    assert at_50.selection == "3 units: 2 not highly tuned (delta 5); 1 left"
    assert at_20.selection == ""


def test_show__says_what_chooses_layers():
    ds = simulate_results(["whisper_tiny"], sessions=2, channels=10)
    for given, chooser, note in (
        (ds, "cv_score", ""),
        (ds.drop_vars("cv_score"), "rho", "no cv_score in these results: the rho that is shown chose the layers"),
        (ds.assign(cv_score=ds.cv_score * NAN), "rho", "no cv_score in these results: the rho that is shown chose the"),
    ):
        for shown in plotted_units(given, delta=0.0):
            assert shown.chooser == chooser
            assert shown.chooser_note.startswith(note)
            assert bool(shown.chooser_note) == bool(note)
            assert shown.choice_is_independent == (chooser == "cv_score")
    (shown, _) = plotted_units(ds.assign_attrs(study=json.dumps({"test": {"folds": 4}})), delta=0.0)
    assert shown.chooser == "cv_score"
    assert not shown.choice_is_independent  # stimuli of one fold train the others


def test_show__units_that_were_selected_by_other_repeats_as_they_are():
    ds = simulate_results(["whisper_tiny"], sessions=2, channels=20, stimuli=["timit"])
    first = {f"{name}_first_half": ds[name] for name in ("normaliser", "null_mean", "null_std")}
    ds = ds.assign(first).assign(r_second_half=ds.r, normaliser_second_half=ds.normaliser * 0.5)
    units = select_units(ds, delta=0.5, repeats="split")
    (shown,) = plotted_units(units, delta=0.5)
    assert (shown.variable, shown.n) == ("rho", units.sizes["unit"])
    assert shown.units == "units, selected by other repeats"
    assert shown.note == "units were selected by the first half of the repeats, and r and rho are of the second"
    assert shown.selection.startswith("40 units: ")


def test_show__nothing_fitted_is_an_error():
    ds = small_results()
    ds["r"][...] = NAN
    with pytest.raises(NothingToDrawError, match="no fit of timit is in these results"):
        plotted_units(ds, delta=0.5)


def test_no_units__are_said_to_be_selected_away_and_not_to_lack_a_fit():
    ds = select_units(simulate_results(["whisper_tiny"], sessions=3, channels=2), normaliser=5.0)
    with pytest.raises(NothingToDrawError, match=r"no units to show \(6 units: 6 of normaliser below 5"):
        plotted_units(ds, delta=0.5)
