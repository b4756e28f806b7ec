"""Every unit along the layers of a network, as a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import TRAINED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.legends import legend, legend_height
from distributed_trf.figures.panels.panel_grid import panels, stacked, strip_height, wrapped
from distributed_trf.figures.panels.profile_panel import architecture_handles, finish_panel
from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.style import MEDIUM, NUMBER, SMALL, new_figure, note
from distributed_trf.results.layers import peak_layer
from distributed_trf.results.plotted_units import PlottedUnits, has, networks_of, plotted_units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE_BY_SIDE, LABELS = 5, 3
"""Panels in a row, and names in a row of the legend."""
ROW, LOWER_ROW = 2.6, 2.0
"""Inches of a row of panels, lower where panels are wrapped."""
LEGEND = 0.25
COLOURS = "cividis"
"""Even to the eye, to colour-blind eyes and in grey print."""
ENDS = (1, 99)
"""Percentiles of all numbers that the scale of colours ends at."""


def figure_map(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    networks: Sequence[str] | None = None,
    weights: str = TRAINED,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw a map for each network: units in rows, by area and then by the layer they prefer, layers in columns.

    The layer that a unit prefers is that of its highest ``cv_score`` where there is one, so that the order does not
    come from the noise of the numbers that are drawn.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    delta
        Of the rule for highly tuned units, which are shown.
    networks
        By default all that have these weights.
    weights
        Of the networks; where there are none of these, the first that there are, and a note says so.
    stimuli, bin_width
        As of ``figure_3``.

    Returns
    -------
    matplotlib.figure.Figure
        Lines part the areas, which are named at the left. Units are ordered anew for each network.

    Raises
    ------
    NothingToDrawError
        If there is no network of several layers.
    """
    plotted = plotted_units(ds, delta=delta, stimuli=stimuli, bin_width=bin_width)
    words = [str(w) for w in ds[names.WEIGHTS].values]
    there = [w for w in words if any(has(s, n, w) for s in plotted for n in networks_of(plotted))]
    used = weights if weights in there else next(iter(there), weights)
    chosen = [
        n
        for n in networks_of(plotted)
        if all(_fitted(s, n, used).size > 1 for s in plotted) and (networks is None or n in networks)
    ]
    if not chosen:
        raise NothingToDrawError(
            "no network of several layers is in these results for all stimulus sets; add one under `networks` in the "
            "study and run it"
        )
    lines = wrapped(len(chosen), SIDE_BY_SIDE)[0]
    row, kinds = ROW if lines == 1 else LOWER_ROW, architecture_handles(ds, chosen)
    tall = [strip_height(row, len(chosen), s.title, most=SIDE_BY_SIDE) for s in plotted]
    key_height = max(LEGEND, legend_height(kinds, LABELS))
    figure = new_figure(page_width(), sum(tall) + key_height)
    *strips, foot = stacked(figure, [*tall, key_height])
    for strip, s in zip(strips, plotted, strict=True):
        axes = panels(strip, s.title, len(chosen), most=SIDE_BY_SIDE, share_y=False)
        drawn = s.ds[s.variable].sel({names.NETWORK: chosen, names.WEIGHTS: used}).values
        low, high = np.nanpercentile(drawn, ENDS)
        left = wrapped(len(chosen), SIDE_BY_SIDE)[1]
        for k, (axis, network) in enumerate(zip(axes, chosen, strict=True)):
            layers = _fitted(s, network, used)
            values, area = _ordered(s, network, used, layers)
            image = axis.imshow(
                values,
                aspect="auto",
                interpolation="nearest",
                cmap=COLOURS,
                vmin=low,
                vmax=high,
                extent=(layers[0] - 0.5, layers[-1] + 0.5, len(values) - 0.5, -0.5),
            )
            borders = np.flatnonzero(area[1:] != area[:-1]) + 0.5
            for border in borders:
                axis.axhline(border, color="white", linewidth=1.5, label="_border")
            types = s.ds["layer_type"].sel({names.NETWORK: network, names.LAYER: layers}).values.tolist()
            finish_panel(axis, network, [int(layer) for layer in layers], types)
            axis.set_xlim(layers[0] - 0.5, layers[-1] + 0.5)
            edges = np.concatenate([[-0.5], borders, [len(area) - 0.5]])
            middles = (edges[1:] + edges[:-1]) / 2
            parts = [f"{area[int(m)]}\n({int(b - a)})" for m, a, b in zip(middles, edges, edges[1:], strict=False)]
            axis.set_yticks(
                middles, parts if k % left == 0 else [""] * len(parts), fontsize=SMALL, rotation=90, va="center"
            )
            axis.tick_params(axis="y", length=0)
        bar = strip.colorbar(image, ax=axes, shrink=0.8, pad=0.01)
        bar.set_label(NUMBER[s.variable], fontsize=MEDIUM)
        bar.ax.tick_params(labelsize=SMALL)
        note(figure, s.note)
        note(figure, s.chooser_note)
    legend(foot, kinds, LABELS)
    if used != weights:
        note(figure, f"no {weights} weights in these results: {used} ones are shown")
    return figure


def _fitted(plotted: PlottedUnits, network: str, weights: str) -> np.ndarray:
    """Return the layers that were fitted."""
    if not has(plotted, network, weights):
        return np.array([], dtype=int)
    of = plotted.ds[plotted.variable].sel({names.NETWORK: network, names.WEIGHTS: weights})
    return np.asarray(of[names.LAYER].values[of.notnull().any(names.UNIT).values])


def _ordered(plotted: PlottedUnits, network: str, weights: str, layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of shape (units, layers) and the area of each unit, by area and then by preferred layer."""
    of = plotted.ds.sel({names.NETWORK: network, names.WEIGHTS: weights, names.LAYER: layers})
    peaks = peak_layer(of, plotted.variable, plotted.chooser)
    area = np.array([str(name) for name in of["area"].values])
    known = peaks["peak_layer"].notnull().values
    order = np.lexsort((-peaks["peak"].values, peaks["peak_layer"].values, area))
    order = order[known[order]]
    return of[plotted.variable].transpose(names.UNIT, names.LAYER).values[order], area[order]
