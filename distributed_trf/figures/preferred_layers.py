"""Which layers the units of each area prefer: Figs 5, S6 and S10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import TRAINED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.panel_grid import at_left, legend, panels, stacked, wrapped
from distributed_trf.figures.panels.profile_panel import MANY
from distributed_trf.figures.panels.profile_rows import LEGEND
from distributed_trf.figures.panels.summary_bars import Side, histogram_panel
from distributed_trf.figures.style import MEDIUM, PAGE_WIDTH, area_colour, new_figure, note, stars, tidy
from distributed_trf.results.layers import peak_layer
from distributed_trf.results.plotted_units import PlottedUnits, has, networks_of, plotted_units
from distributed_trf.results.statistics.area_tests import AREAS, compare_areas

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure, SubFigure

N_BINS = 9
POOLED, EACH = 2.6, 1.7
"""Inches of a row of panels, all networks pooled or each alone."""


def figure_5(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    areas: tuple[str, str] | None = None,
    weights: str = TRAINED,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
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

    Returns
    -------
    matplotlib.figure.Figure
        A panel per stimulus set: counts of (unit, network) pairs in nine bins of the position of the preferred layer,
        0 to 1, and densities. Stars are of the one-sided test (first area earlier) of ``compare_areas``, over sessions;
        the difference is that of the areas' means, second minus first, with its 95 % interval.

    Raises
    ------
    NothingToDrawError
        If there is no network of several layers, or there are not two areas.
    """
    plotted, networks, two, weights, notes = _chosen(ds, delta, areas, weights, stimuli, bin_width)
    figure = new_figure(PAGE_WIDTH, POOLED + LEGEND / 2)
    strip, key = stacked(figure, [POOLED, LEGEND / 2])
    axes = np.atleast_1d(strip.subplots(1, len(plotted)))
    for axis, s in zip(axes, plotted, strict=True):
        peaks = _peaks(s, networks, weights)
        tested = compare_areas(peaks, areas=two)
        position = peaks["position"]
        sides = [Side(a, area_colour(a, list(two)), _numbers(position, a)) for a in two]
        histogram_panel(axis, sides, np.linspace(0, 1, N_BINS + 1))
        axis.set_xlabel("position of the preferred layer")
        axis.set_title(
            f"{s.title}\n{stars(float(tested['p']))}, n = {int(tested['n_a'])} and {int(tested['n_b'])}, "
            f"difference {float(tested['difference']):.2f} [{float(tested['low']):.2f}, {float(tested['high']):.2f}]"
        )
        tidy(axis)
    axes[0].set_ylabel("units × networks", fontsize=MEDIUM)
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
) -> Figure:
    """Draw which layer of each network the units of two areas prefer, a bin for every layer (Fig S6).

    Parameters
    ----------
    ds, delta, areas, weights, stimuli, bin_width
        As of ``figure_5``.

    Raises
    ------
    NothingToDrawError
        As ``figure_5``.

    Notes
    -----
    The published histograms have a bin less than there are layers, so that the last one holds two layers.
    """
    plotted, networks, two, weights, notes = _chosen(ds, delta, areas, weights, stimuli, bin_width)
    tall = [EACH * wrapped(len(networks))[0] + 0.1] * len(plotted)
    figure = new_figure(PAGE_WIDTH, sum(tall) + LEGEND / 2)
    *strips, key = stacked(figure, [*tall, LEGEND / 2])
    for strip, s in zip(strips, plotted, strict=True):
        peaks = _peaks(s, networks, weights)
        tested = compare_areas(peaks, areas=two, pool=())
        axes = panels(strip, s.title, len(networks), share_y=False)
        for axis, network in zip(axes, networks, strict=True):
            of = peaks.sel({names.NETWORK: network})
            layers = _layers(s, network, weights)
            before = (of["position"] * len(layers)).round()  # of the layers, however they are numbered
            sides = [Side(a, area_colour(a, list(two)), _numbers(before, a)) for a in two]
            histogram_panel(axis, sides, np.arange(len(layers) + 1) - 0.5, density_label="")
            p = float(tested["p"].sel({names.NETWORK: network}))
            axis.set_title(f"{network}\np = {p:.3f} {stars(p)}" if p >= 0.0005 else f"{network}\np < 0.001 {stars(p)}")
            labelled = [k for k in range(len(layers)) if len(layers) <= MANY or k % 5 == 0]
            axis.set_xticks(labelled, [str(layers[k]) for k in labelled])
            axis.set_xlabel("layer")
            tidy(axis)
        at_left(axes, "units")
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
    deep = [n for n in networks_of(plotted) if any(len(_layers(s, n)) > 1 for s in plotted)]
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
    networks = [n for n in deep if all(len(_layers(s, n, weights)) > 1 for s in plotted)]
    if len(networks) < len(deep):
        notes.append(
            f"without all stimulus sets for {weights} weights: {', '.join(n for n in deep if n not in networks)}"
        )
    of_areas = [set(map(str, s.ds["area"].values)) for s in plotted]
    everywhere = [a for a in dict.fromkeys(map(str, ds["area"].values)) if all(a in found for found in of_areas)]
    two = areas or (AREAS if set(AREAS) <= set(everywhere) else tuple(sorted(everywhere)))
    if len(two) != 2 or not set(two) <= set(everywhere) or not networks:
        raise NothingToDrawError(
            f"two areas are compared, but the units to show are of {', '.join(everywhere) or 'none'}; name two as "
            "`areas`, or lower delta for more units"
        )
    return plotted, networks, (two[0], two[1]), weights, notes


def _layers(plotted: PlottedUnits, network: str, weights: str | None = None) -> list[int]:
    """List the layers of a network that were fitted."""
    if not has(plotted, network, weights):
        return []
    of = plotted.ds[plotted.variable].sel({names.NETWORK: network})
    of = of if weights is None else of.sel({names.WEIGHTS: weights})
    known = of.notnull().any([dim for dim in of.dims if dim != names.LAYER])
    return [int(k) for k in of[names.LAYER].values[known.values]]


def _peaks(plotted: PlottedUnits, networks: list[str], weights: str) -> xr.Dataset:
    return peak_layer(
        plotted.ds.sel({names.NETWORK: networks, names.WEIGHTS: weights}), plotted.variable, plotted.chooser
    )


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
    for text in [*notes, *(text for s in plotted for text in (s.note, s.chooser_note))]:
        note(figure, text)
