"""Which layers the units of each area prefer: Figs 5, S6 and S10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import TRAINED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.legends import legend
from distributed_trf.figures.panels.panel_grid import at_left, panels, stacked, strip_height, wrapped
from distributed_trf.figures.panels.profile_panel import MANY
from distributed_trf.figures.panels.profile_rows import LEGEND
from distributed_trf.figures.panels.summary_bars import Side, histogram_panel
from distributed_trf.figures.printed_page import is_narrow, page_width, side_by_side_or_below
from distributed_trf.figures.shown_tests import (
    Tests,
    can_be_significant,
    choice_note,
    chosen_by,
    level_of,
    notes_on_tests,
)
from distributed_trf.figures.style import MEDIUM, area_colour, in_lines, new_figure, note, stars, tidy
from distributed_trf.results.layers import peak_layer
from distributed_trf.results.plotted_units import PlottedUnits, has, networks_of, plotted_units
from distributed_trf.results.statistics.apa import below_one, decimals, interval_in_words, p_in_words
from distributed_trf.results.statistics.area_tests import AREAS, compare_areas
from distributed_trf.results.statistics.intervals import COVERAGE

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure, SubFigure

N_BINS = 9
LEAST_STARRED = 0.05
"""Below this p has a star."""
PREFERRED = "preferred layers"
HISTOGRAMS = "bars: counts of units; lines: their densities"
DIFFERENCE = f"difference: of the areas' mean positions, with its {COVERAGE:.0%} interval over sessions"
POOLED, EACH, NARROW_EACH = 2.6, 1.7, 1.5
"""Inches of a row of panels, all networks pooled, or each alone, and that on one column."""


def figure_5(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    areas: tuple[str, str] | None = None,
    weights: str = TRAINED,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
    tests: Tests = "default",
) -> Figure:
    """Draw where along the layers of all networks the units of two areas are predicted best (Figs 5 and S10).

    Parameters
    ----------
    ds
        Results of ``open_results``.
    delta
        Of the rule for highly tuned units, which are shown; 1.0 gives Fig S10.
    areas
        Two areas; by default core and non-primary, or the two that there are.
    weights
        Of the networks; where there are none of these, the first that there are, and a note says so.
    stimuli, bin_width
        As of ``figure_3``.
    tests
        ``default``: the test is over sessions, and each unit prefers the layer of its highest cross-validated score.
        ``published``: the test is over units and networks, and the test sounds choose.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per stimulus set: counts of (unit, network) pairs in nine bins of the position of the preferred layer,
        0 to 1, and densities. Stars and p are of the one-sided test (first area earlier) of ``compare_areas``, over all
        networks together, with the difference of positions and its interval over sessions.

    Raises
    ------
    NothingToDrawError
        If there is no network of several layers, or there are not two areas.
    """
    plotted, networks, two, weights, notes = _chosen(ds, delta, areas, weights, stimuli, bin_width)
    rows, columns = side_by_side_or_below(len(plotted))
    figure = new_figure(page_width(), POOLED * rows + LEGEND / 2)
    strip, key = stacked(figure, [POOLED * rows, LEGEND / 2])
    axes = strip.subplots(rows, columns, squeeze=False).ravel()
    for axis, s in zip(axes, plotted, strict=True):
        by = chosen_by(s, tests)
        peaks = peaks_of(s, networks, weights, by)
        tested = compare_areas(peaks, areas=two, level=level_of(tests))
        position = peaks["position"]
        sides = [Side(a, area_colour(a, list(two)), _numbers(position, a)) for a in two]
        histogram_panel(axis, sides, np.linspace(0, 1, N_BINS + 1))
        axis.set_xlabel("position of the preferred layer")
        axis.set_title(in_lines("\n".join([s.title, *_result(tested, tests)]), columns, whole=True))
        notes += [*notes_on_tests("stars", s.stimuli, [tested], LEAST_STARRED), choice_note(s, by, tests, PREFERRED)]
        tidy(axis)
    notes += [HISTOGRAMS] + ([DIFFERENCE] if tests == "default" else [])
    for axis in axes[::columns]:
        axis.set_ylabel("units × networks", fontsize=MEDIUM)
    _finish(figure, key, two, plotted, notes)
    return figure


def figure_s6(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    areas: tuple[str, str] | None = None,
    weights: str = TRAINED,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
    tests: Tests = "default",
) -> Figure:
    """Draw which layer of each network the units of two areas prefer, a bin for every layer (Fig S6).

    Parameters
    ----------
    ds, delta, areas, weights, stimuli, bin_width, tests
        As of ``figure_5``; networks are tested one by one, and p is not adjusted for their number.

    Raises
    ------
    NothingToDrawError
        As ``figure_5``.

    Notes
    -----
    The published histograms have a bin less than there are layers, so that the last one holds two layers.
    """
    plotted, networks, two, weights, notes = _chosen(ds, delta, areas, weights, stimuli, bin_width)
    tall = [strip_height(NARROW_EACH if is_narrow() else EACH, len(networks), s.title) for s in plotted]
    figure = new_figure(page_width(), sum(tall) + LEGEND / 2)
    *strips, key = stacked(figure, [*tall, LEGEND / 2])
    for strip, s in zip(strips, plotted, strict=True):
        by = chosen_by(s, tests)
        peaks = peaks_of(s, networks, weights, by)
        tested = compare_areas(peaks, areas=two, pool=(), level=level_of(tests))
        notes += [*notes_on_tests("stars", s.stimuli, [tested], LEAST_STARRED), choice_note(s, by, tests, PREFERRED)]
        axes = panels(strip, s.title, len(networks), share_y=False)
        for axis, network in zip(axes, networks, strict=True):
            of = peaks.sel({names.NETWORK: network})
            layers = layers_of(s, network, weights)
            before = (of["position"] * len(layers)).round()  # of the layers, however they are numbered
            sides = [Side(a, area_colour(a, list(two)), _numbers(before, a)) for a in two]
            histogram_panel(axis, sides, np.arange(len(layers) + 1) - 0.5, density_label="")
            title = f"{network}\n{_p_and_stars(tested.sel({names.NETWORK: network}))}"
            axis.set_title(in_lines(title, wrapped(len(networks))[1]))
            labelled = [k for k in range(len(layers)) if len(layers) <= MANY or k % 5 == 0]
            axis.set_xticks(labelled, [str(layers[k]) for k in labelled])
            axis.set_xlabel("layer")
            tidy(axis)
        at_left(axes, "units")
    notes.append(HISTOGRAMS)
    _finish(figure, key, two, plotted, notes)
    return figure


def _chosen(
    ds: xr.Dataset,
    delta: float,
    areas: tuple[str, str] | None,
    weights: str,
    stimuli: str | Sequence[str] | None,
    bin_width: float | None,
) -> tuple[list[PlottedUnits], list[str], tuple[str, str], str, list[str]]:
    """Return the units, networks of several layers, two areas and weights, and notes on differences."""
    plotted = plotted_units(ds, delta=delta, stimuli=stimuli, bin_width=bin_width)
    deep = [n for n in networks_of(plotted) if any(len(layers_of(s, n)) > 1 for s in plotted)]
    words = [str(w) for w in ds[names.WEIGHTS].values]
    there = [w for w in words if any(has(s, n, w) for s in plotted for n in deep)]
    if not there:
        raise NothingToDrawError(
            "no network of several layers is in these results, so no unit prefers one; add one under `networks` in the "
            "study and run it"
        )
    notes = []
    if weights not in there:
        notes.append(f"no {weights} weights in these results: {there[0]} ones are shown")
        weights = there[0]
    networks = [n for n in deep if all(len(layers_of(s, n, weights)) > 1 for s in plotted)]
    if not networks:
        raise NothingToDrawError(
            f"no network of several layers has all stimulus sets with {weights} weights; name one as `stimuli`"
        )
    if len(networks) < len(deep):
        notes.append(
            f"without all stimulus sets for {weights} weights: {', '.join(n for n in deep if n not in networks)}"
        )
    return plotted, networks, areas_to_compare(plotted, areas), weights, notes


def areas_to_compare(plotted: Sequence[PlottedUnits], areas: tuple[str, str] | None = None) -> tuple[str, str]:
    """Return the two areas that are compared: those given, else core and non-primary, else the two that there are.

    Raises
    ------
    NothingToDrawError
        If there are no two of which all stimulus sets have units.
    """
    of_areas = [set(map(str, s.ds["area"].values)) for s in plotted]
    everywhere = sorted(set.intersection(*of_areas))
    two = areas or (AREAS if set(AREAS) <= set(everywhere) else tuple(everywhere))
    if len(two) != 2 or not set(two) <= set(everywhere):
        raise NothingToDrawError(
            f"two areas are compared, but the units to show are of {', '.join(everywhere) or 'none'}; name two as "
            "`areas`, or lower delta for more units"
        )
    return two[0], two[1]


def layers_of(plotted: PlottedUnits, network: str, weights: str | None = None) -> list[int]:
    """List the layers of a network that were fitted."""
    if not has(plotted, network, weights):
        return []
    of = plotted.ds[plotted.variable].sel({names.NETWORK: network})
    of = of if weights is None else of.sel({names.WEIGHTS: weights})
    known = of.notnull().any([dim for dim in of.dims if dim != names.LAYER])
    return [int(k) for k in of[names.LAYER].values[known.values]]


def peaks_of(plotted: PlottedUnits, networks: list[str], weights: str, by: str) -> xr.Dataset:
    """Return the layer of each network that each unit prefers, as ``peak_layer``."""
    return peak_layer(plotted.ds.sel({names.NETWORK: networks, names.WEIGHTS: weights}), plotted.variable, by=by)


def _p_and_stars(tested: xr.Dataset) -> str:
    """Write p, and stars where any are possible."""
    p = float(tested["p"])
    if np.isnan(p):
        return "not tested"
    return f"{p_in_words(p)} {stars(p)}" if can_be_significant(tested, LEAST_STARRED) else p_in_words(p)


def _result(tested: xr.Dataset, shown: Tests) -> list[str]:
    """Write what was found below the title of a panel."""
    sizes = f"n = {int(tested['n_a'])} and {int(tested['n_b'])}"
    if shown == "published":
        return [f"{_p_and_stars(tested)}, {sizes}, effect {below_one(float(tested['effect']))}"]
    low, high = float(tested["low"]), float(tested["high"])
    interval = "no interval" if np.isnan([low, high]).any() else interval_in_words(low, high, 2)
    sessions = f"{int(tested['n_sessions_a'])} and {int(tested['n_sessions_b'])} sessions"
    difference = f"difference {decimals(float(tested['difference']), 2)}, {interval}"
    return [f"{_p_and_stars(tested)}, {difference}", f"{sizes} in {sessions}"]


def _numbers(of: xr.DataArray, area: str) -> np.ndarray:
    values: np.ndarray = of.isel({names.UNIT: np.flatnonzero(of["area"].values == area)}).values.ravel()
    return values[~np.isnan(values)]


def _finish(
    figure: Figure, key: SubFigure, two: tuple[str, str], plotted: list[PlottedUnits], notes: list[str]
) -> None:
    from matplotlib.patches import Patch

    from distributed_trf.figures.panels.summary_bars import HATCHES

    handles: list[Artist] = [
        Patch(facecolor=(area_colour(a, list(two)), 0.35), edgecolor=area_colour(a, list(two)), hatch=h, label=a)
        for a, h in zip(two, HATCHES, strict=True)
    ]
    legend(key, handles, 2)
    for text in [*notes, *(s.note for s in plotted)]:
        note(figure, text)
