"""Figs 4 and S9 show medians per cut-off, the best one and those as good."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import cutoff_tests, select_units, simulate_results
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.lowpass_cutoffs import figure_4
from distributed_trf.figures.style import notes_of
from distributed_trf.results.statistics.cutoffs import cutoff_simulation
from tests.figures.drawn import band, exceptions, headings, legend_texts, line, titled
from tests.figures.low_passed import BEST, BINS, low_passed

HERTZ = [500 / width for width in BINS]


@pytest.fixture(scope="module")
def ds():
    return low_passed()


@pytest.fixture(scope="module")
def drawn(ds):
    return figure_4(ds)


@pytest.mark.parametrize("network", list(BEST))
def test_figure_4__draws_medians_quartiles_and_marks_of_the_better_layer(ds, drawn, network):
    units = select_units(ds.sel(stimuli="timit", bin_width=20.0), delta=0.5)
    tests = cutoff_tests(units.sel(network=network, weights="trained", layer=2))
    (axis,) = titled(drawn, f"{network}, layer 2")
    np.testing.assert_allclose(line(axis, "median").get_xydata(), np.stack([HERTZ, tests["median"]], axis=1))
    places, low, high = band(axis, "quartiles")
    np.testing.assert_allclose(places, sorted(HERTZ))
    np.testing.assert_allclose([low[::-1], high[::-1]], [tests.q25, tests.q75])
    assert line(axis, "_is_best").get_xdata().tolist() == [500 / BEST[network]]
    assert line(axis, "_as_good").get_xdata().tolist() == tests.cutoff.values[tests.as_good.values].tolist()
    assert axis.get_xscale() == "log"
    assert axis.get_xticks().tolist() == [5, 25]


def test_figure_4__has_dots_where_a_cut_off_is_as_good_and_only_there(drawn):
    dots = {n: line(titled(drawn, f"{n}, layer 2")[0], "_as_good").get_xdata().tolist() for n in BEST}
    assert dots == {"whisper_tiny": [25.0], "deepspeech2": []}


def test_figure_4__ends_with_the_simulation(ds, drawn):
    r = cutoff_simulation().r
    (axis,) = titled(drawn, "simulation: mean r and s.d.")
    np.testing.assert_allclose(axis.lines[0].get_xydata(), np.stack([r.cutoff, r.mean("seed")], axis=1))
    assert drawn.axes[-1] is axis
    assert not titled(figure_4(ds, simulation=False), "simulation: mean r and s.d.")


def test_figure_4__published_tests_units_and_chooses_by_the_test_sounds(ds):
    worst = ds.cv_score.where(ds.lowpass_bin != BINS[-1], 9.0)  # what training folds say is not what counts
    figure = figure_4(ds.assign(cv_score=worst), tests="published")
    units = select_units(ds.sel(stimuli="timit", bin_width=20.0), delta=0.5)
    for network in BEST:
        tests = cutoff_tests(units.sel(network=network, weights="trained", layer=2), by="rho", level="unit")
        (axis,) = titled(figure, f"{network}, layer 2")
        assert line(axis, "_is_best").get_xdata().tolist() == tests.cutoff.values[tests.is_best.values].tolist()
        assert line(axis, "_as_good").get_xdata().tolist() == tests.cutoff.values[tests.as_good.values].tolist()
    assert "best layers: by ρ, as published" in notes_of(figure)


def test_figure_4__of_few_sessions_has_no_dots_and_says_why():
    figure = figure_4(low_passed(sessions=6, channels=120))
    (axis,) = titled(figure, "whisper_tiny, layer 2")
    assert not [of for of in axis.lines if of.get_label() == "_as_good"]
    assert legend_texts(figure) == ["best"]
    assert exceptions(figure)[0].startswith("timit: no dots, as no p below .031 is possible (")


def test_figure_4__counts_the_units_of_delta(ds):
    n = select_units(ds.sel(stimuli="timit", bin_width=20.0), delta=1.0).sizes["unit"]
    figure = figure_4(ds, delta=1.0)
    assert headings(figure) == [f"timit, 20 ms bins: {n} highly tuned units (δ = 1)"]
    assert exceptions(figure) == []


def test_figure_4__of_other_weights_names_them(ds):
    figure = figure_4(ds.assign_coords(weights=["reset"]))
    assert titled(figure, "whisper_tiny, layer 2, reset")


def test_figure_4__before_anything_is_fitted_is_an_error(ds):
    with pytest.raises(NothingToDrawError, match="no fit of timit is in these results"):
        figure_4(ds.assign({name: ds[name] * np.nan for name in ("r", "rho")}))


def test_figure_4__of_other_results_says_what_it_takes():
    with pytest.raises(NothingToDrawError, match="take the dataset that open_lowpass returns"):
        figure_4(simulate_results(["whisper_tiny"], sessions=4, channels=4))
