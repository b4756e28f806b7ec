"""Summary panels: bars of each network's best layer beside a spectrogram, and distributions of two areas.

Bars are of untrained and trained weights. Distributions are histograms, with their densities on an axis at the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED, TRAINED
from distributed_trf.figures.panels.error_lines import interval_line
from distributed_trf.figures.style import BASELINE_COLOUR, MEDIUM, SMALL, network_style, tidy
from distributed_trf.results.layers import best_layer
from distributed_trf.results.plotted_units import PlottedUnits, has
from distributed_trf.results.statistics.intervals import median_intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer


WIDTH, GROUP = 0.8, 2.4
"""Of a bar, and from one group to the next."""
ROOM = 4
"""Groups that there is room for at least, so that few bars are not too wide."""


@dataclass(frozen=True)
class Comparison:
    """A network beside one kind of its untrained weights."""

    network: str
    untrained: str
    title: str


@dataclass(frozen=True)
class Bar:
    """The best layer of some weights."""

    group: str
    kind: str
    """``baseline``, ``untrained``, ``trained``, or ``fixed`` of features of one's own."""
    colour: str
    layer: int
    height: float
    """Median over units."""
    low: float
    high: float
    """Ends of its interval; infinite if it is open, NaN if it is not known."""
    n_sessions: int


def best_bars(plotted: PlottedUnits, columns: Sequence[Comparison], baseline: str | None, by: str) -> list[Bar]:
    """Find the best layer of each network, untrained, trained or fixed, and its median with an interval over sessions.

    Parameters
    ----------
    plotted
        The units.
    columns
        Networks and what they are drawn beside.
    baseline
        A spectrogram, which comes first; None for none.
    by
        The number whose median over units says which layer is best, see ``best_layer``.
    """
    networks = [column.network for column in columns]
    bars = []
    if baseline is not None and has(plotted, baseline, FIXED):
        bars.append(_bar(plotted, baseline, FIXED, baseline, "baseline", BASELINE_COLOUR, by))
    for column in columns:
        colour, _ = network_style(column.network, networks)
        for kind, weights in (("untrained", column.untrained), ("trained", TRAINED), ("fixed", FIXED)):
            if has(plotted, column.network, weights):
                bars.append(_bar(plotted, column.network, weights, column.title, kind, colour, by))
    return bars


def draw_bars(axis: Axes, bars: Sequence[Bar], title: str) -> BarContainer:
    """Draw bars in groups, untrained ones pale and hatched, each with its interval and its layer's number at the foot.

    Returns
    -------
    matplotlib.container.BarContainer
        Of all bars, in their order.
    """
    groups = list(dict.fromkeys(bar.group for bar in bars))
    members = {group: [bar for bar in bars if bar.group == group] for group in groups}
    positions = [
        groups.index(bar.group) * GROUP + WIDTH * (members[bar.group].index(bar) - (len(members[bar.group]) - 1) / 2)
        for bar in bars
    ]
    drawn = axis.bar(
        positions,
        [bar.height for bar in bars],
        width=WIDTH,
        color=[bar.colour for bar in bars],
        edgecolor="black",
        linewidth=0.5,
    )
    for bar, position, patch in zip(bars, positions, drawn.patches, strict=True):
        interval_line(axis, position, bar.height, bar.low, bar.high)
        if bar.kind == "untrained":
            patch.set_alpha(0.4)
            patch.set_hatch("////")
        if bar.kind != "baseline":
            axis.annotate(
                str(bar.layer),
                (position, 0),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL,
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            )
    axis.set_xticks([k * GROUP for k in range(len(groups))], groups, rotation=30, ha="right", rotation_mode="anchor")
    axis.set_xlim(-GROUP / 2, (max(len(groups), ROOM) - 0.5) * GROUP)
    axis.set_title(title)
    tidy(axis)
    return drawn


def _bar(plotted: PlottedUnits, network: str, weights: str, group: str, kind: str, colour: str, by: str) -> Bar:
    of = plotted.ds.sel({names.NETWORK: network, names.WEIGHTS: weights})
    layer = int(best_layer(of, plotted.variable, by)["best_layer"])
    best: xr.Dataset = median_intervals(of.sel({names.LAYER: layer}), plotted.variable)
    height, low, high = (float(best[name]) for name in ("median", "low", "high"))
    return Bar(group, kind, colour, layer, height, low, high, int(best["n_sessions"]))


FACTOR = 0.5
"""Bandwidth of the density, in standard deviations of the numbers."""
HATCHES, LINES = ("", "////"), ("-", "--")
"""Of the first and of the second area."""


@dataclass(frozen=True)
class Side:
    """Numbers of the units of one area."""

    name: str
    colour: str
    values: np.ndarray


def histogram_panel(axis: Axes, sides: Sequence[Side], edges: np.ndarray, *, density_label: str = "density") -> Axes:
    """Draw histograms (counts) one over the other, and a Gaussian density of each.

    Parameters
    ----------
    axis
        The panel.
    sides
        Two areas.
    edges
        Of the bins, ascending.
    density_label
        What the right axis is called; empty for none.

    Returns
    -------
    matplotlib.axes.Axes
        The one at the right, of the densities. A density is left out where all numbers of an area are equal.
    """
    right = axis.twinx()
    grid = np.linspace(edges[0], edges[-1], 200)
    for side, hatch, line in zip(sides, HATCHES, LINES, strict=True):
        axis.hist(
            side.values,
            bins=list(edges),
            histtype="stepfilled",
            facecolor=(side.colour, 0.35),
            edgecolor=side.colour,
            hatch=hatch,
            linewidth=0.6,
            label=side.name,
        )
        if np.ptp(side.values) > 0:
            density = scipy.stats.gaussian_kde(side.values, bw_method=FACTOR)(grid)
            right.plot(grid, density, color=side.colour, linestyle=line, linewidth=1.2, label=f"_{side.name}")
    axis.set_xlim(edges[0], edges[-1])
    tidy(axis)
    right.set_ylim(bottom=0)
    right.spines["top"].set_visible(False)
    right.tick_params(labelsize=SMALL)
    if density_label:
        right.set_ylabel(density_label, fontsize=MEDIUM)
    else:
        right.set_yticks([])
        right.spines["right"].set_visible(False)
    return right
