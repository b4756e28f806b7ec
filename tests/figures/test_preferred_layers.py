"""Figs 5, S6 and S10 count preferred layers, area by area."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from distributed_trf import compare_areas, peak_layer, select_units, simulate_results
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.preferred_layers import figure_5, figure_s6
from distributed_trf.figures.style import notes_of, stars
from distributed_trf.results.statistics.apa import below_one, p_in_words
from tests.figures.drawn import exceptions, legend_texts, line, titled

NETWORKS = ["whisper_tiny", "deepspeech2"]
AREAS = ("core", "non-primary")


@pytest.fixture(scope="module")
def ds():
    return simulate_results(NETWORKS, sessions=12, channels=25, depth=(0.2, 0.6), seed=1)


def peaks(ds, stimuli, delta=0.5):
    units = select_units(ds.sel(stimuli=stimuli, bin_width=50.0), delta=delta)
    return peak_layer(units.sel(network=NETWORKS, weights="trained"))


def counts(axis, area):
    """Heights of the bins of a histogram."""
    (patch,) = [p for p in axis.patches if p.get_label() == area]
    vertices = patch.get_path().vertices
    edges = np.unique(vertices[:, 0])
    return [_height(vertices, low, high) for low, high in zip(edges, edges[1:], strict=False)]


def _height(vertices, low, high):
    """The outline goes along the top of each bin from left to right, and back along zero."""
    for (x, y), (x_next, y_next) in zip(vertices, vertices[1:], strict=False):
        if (x, x_next) == (low, high) and y == y_next:
            return int(y)
    raise AssertionError(f"no step from {low} to {high}")


def test_figure_5__pools_networks_in_nine_bins_with_densities(ds):
    figure = figure_5(ds)
    for axis, right, stimuli in zip(figure.axes[:2], figure.axes[2:], ("timit", "mvocs"), strict=True):
        of = peaks(ds, stimuli)
        for area in AREAS:
            position = of.position.isel(unit=np.flatnonzero(of.area == area)).values.ravel()
            expected, edges = np.histogram(position, bins=9, range=(0, 1))
            assert counts(axis, area) == expected.tolist()
            density = line(right, f"_{area}")
            kernel = scipy.stats.gaussian_kde(position, bw_method=0.5)
            np.testing.assert_allclose(density.get_ydata(), kernel(density.get_xdata()))
        tested = compare_areas(of)
        assert axis.get_title().split("\n") == [
            f"{stimuli}, 50 ms bins: {of.sizes['unit']} highly tuned units (δ = 0.5)",
            f"{p_in_words(float(tested.p))} {stars(float(tested.p))}, difference {float(tested.difference):.2f}, "
            f"95% CI [{float(tested.low):.2f}, {float(tested.high):.2f}]",
            f"n = {int(tested.n_a)} and {int(tested.n_b)} in 6 and 6 sessions",
        ]
        assert stars(float(tested.p)).startswith("*")
        assert int(tested.n_a) + int(tested.n_b) == 2 * of.sizes["unit"]
    assert legend_texts(figure) == list(AREAS)
    assert exceptions(figure) == []


def test_figure_s6__has_a_bin_for_every_layer_and_p_in_the_title(ds):
    figure = figure_s6(ds, stimuli="mvocs")
    of = peaks(ds, "mvocs")
    tested = compare_areas(of, pool=())
    for network, n_layers in (("whisper_tiny", 6), ("deepspeech2", 7)):
        p = float(tested.p.sel(network=network))
        (axis,) = titled(figure, f"{network}\n{p_in_words(p)} {stars(p)}")
        for area in AREAS:
            layers = of.peak_layer.sel(network=network).values[of.area.values == area]
            assert counts(axis, area) == [int((layers == k).sum()) for k in range(n_layers)]
        assert axis.get_xlim() == (-0.5, n_layers - 0.5)


def test_figure_s6__counts_layers_that_were_fitted_by_their_numbers(ds):
    few = ds.sel(layer=[0, 2, 5], stimuli=["timit"], network=["whisper_tiny", "cochleagram"])
    figure = figure_s6(few)
    axis = figure.axes[0]
    units = select_units(few.sel(stimuli="timit", bin_width=50.0), delta=0.5)
    layers = peak_layer(units.sel(network=["whisper_tiny"], weights="trained")).peak_layer
    for area in AREAS:
        chosen = layers.values[0, layers.area.values == area]
        assert counts(axis, area) == [int((chosen == k).sum()) for k in (0, 2, 5)]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["0", "2", "5"]


def test_figure_5__takes_two_areas_of_other_names_and_untrained_weights_and_says_so(ds):
    renamed = ds.assign_coords(area=("unit", np.where(ds.area == "core", "A1", "belt")))
    figure = figure_5(renamed.sel(weights=["reset", "fixed"]))
    assert legend_texts(figure) == ["A1", "belt"]
    assert exceptions(figure) == ["no trained weights in these results: reset ones are shown"]


def test_figure_5__published_tests_units_and_has_the_layers_that_test_sounds_choose(ds):
    figure = figure_5(ds, stimuli="timit", tests="published")
    units = select_units(ds.sel(stimuli="timit", bin_width=50.0), delta=0.5)
    of = peak_layer(units.sel(network=NETWORKS, weights="trained"), by="rho")
    tested = compare_areas(of, level="unit")
    axis = figure.axes[0]
    assert axis.get_title().split("\n")[1] == (
        f"{p_in_words(float(tested.p))} {stars(float(tested.p))}, n = {int(tested.n_a)} and {int(tested.n_b)}, "
        f"effect {below_one(float(tested.effect))}"
    )
    for area in AREAS:
        position = of.position.isel(unit=np.flatnonzero(of.area == area)).values.ravel()
        assert counts(axis, area) == np.histogram(position, bins=9, range=(0, 1))[0].tolist()
    (test,) = [text for text in notes_of(figure) if text.startswith("stars: ")]
    assert test == "stars: Mann-Whitney U, one-sided, pooled over network, p not adjusted for the number of tests"
    assert not [text for text in notes_of(figure) if text.startswith("difference: ")]
    assert "preferred layers: by ρ, as published" in notes_of(figure)


def test_figure_5__says_how_was_tested_and_of_how_many(ds):
    units = peaks(ds, "timit")
    n = [int((units.area == area).sum()) for area in AREAS]
    assert notes_of(figure_5(ds, stimuli="timit")) == [
        "stars: labels of sessions dealt anew, difference of weighted means over its standard error (Welch), "
        "one-sided, exact, pooled over network, p not adjusted for the number of tests",
        f"timit: {n[0]} units in 6 sessions of core, {n[1]} units in 6 sessions of non-primary, no p below .0011 is "
        "possible",
        "preferred layers: by cross-validated R², in which test sounds have no part",
        "bars: counts of units; lines: their densities",
        "difference: of the areas' mean positions, with its 95% interval over sessions",
    ]


@pytest.mark.parametrize("figure", [figure_5, figure_s6])
@pytest.mark.parametrize("sessions", [3, 6])
def test_figure_5__of_few_sessions_has_no_stars_and_says_why(figure, sessions):
    """Six sessions can be dealt in 20 ways: p is never below 1 / 20."""
    ds = simulate_results(NETWORKS, stimuli=["timit"], sessions=sessions, channels=40, depth=(0.1, 0.9))
    drawn = figure(ds)
    titles = [axis.get_title() for axis in drawn.axes if axis.get_title()]
    assert all(("not tested" if sessions == 3 else "p = .") in title for title in titles)
    assert not any("*" in title or "n.s." in title for title in titles)
    why = "no test could be made" if sessions == 3 else "no p below .050 is possible"
    assert exceptions(drawn)[0].startswith(f"timit: no stars, as {why} (")


@pytest.mark.parametrize("figure", [figure_5, figure_s6])
def test_figure_5__without_two_areas_or_layers_is_an_error(ds, figure):
    core = select_units(ds, area="core")
    with pytest.raises(NothingToDrawError, match="two areas are compared, but the units to show are of core"):
        figure(core)
    with pytest.raises(NothingToDrawError, match="no network of several layers"):
        figure(ds.sel(network=["cochleagram"]))
    with pytest.raises(NothingToDrawError, match="name two as `areas`"):
        figure(ds, areas=("core", "belt"))
