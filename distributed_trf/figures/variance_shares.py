"""What part of the explained variance is each layer's, where layers were fitted as one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import TRAINED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.legends import key, legend, legend_height
from distributed_trf.figures.panels.panel_grid import at_left, panels, stacked, strip_height, wrapped
from distributed_trf.figures.panels.profile_panel import (
    OF_UNITS,
    architecture_handles,
    baseline_line,
    finish_panel,
    profile_line,
    set_limits,
)
from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.style import (
    BASELINE_COLOUR,
    UNTRAINED_COLOUR,
    network_style,
    new_figure,
    note,
)
from distributed_trf.results.layers import layer_profile
from distributed_trf.results.plotted_units import has, networks_of, of_plotted, plotted_units

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

SHARE = "share"
SIDE_BY_SIDE, LABELS = 4, 6
"""Panels in a row, and names in a row of the legend."""
ROW, LEGEND = 2.0, 0.3


def figure_shares(
    together: xr.Dataset,
    *,
    delta: float = 0.5,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw each layer's share of the variance that all layers of a network explain together.

    Parameters
    ----------
    together
        What ``open_together`` returns, of banded fits; with ``layer_type`` over (network, layer) the kinds of layers
        are drawn too.
    delta
        Of the rule for highly tuned units, which are shown.
    stimuli, bin_width
        As of ``figure_3``.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per network and stimulus set: median and quartiles over units, trained in the network's colour and other
        weights in black; equal shares are a dashed line. Each panel has the limits of its network.

    Raises
    ------
    NothingToDrawError
        If no share is there: only banded fits have one.
    """
    banded = SHARE in together and bool(together[SHARE].notnull().any())
    if not banded:
        raise NothingToDrawError(
            "these fits of several layers have no shares; set `bands: true` under `together` in the study"
        )
    plotted = plotted_units(together, delta=delta, stimuli=stimuli, bin_width=bin_width)
    networks = networks_of(plotted)
    fitted = {str(w): None for s in plotted for n in networks for w in s.ds[names.WEIGHTS].values if has(s, n, str(w))}
    handles = _handles(network_style(networks[0], networks), [word for word in fitted if word != TRAINED])
    handles += architecture_handles(together, networks)
    tall = [strip_height(ROW, len(networks), s.title, most=SIDE_BY_SIDE) for s in plotted]
    key_height = max(LEGEND, legend_height(handles, LABELS))
    figure = new_figure(page_width(), sum(tall) + key_height)
    *strips, foot = stacked(figure, [*tall, key_height])
    for strip, s in zip(strips, plotted, strict=True):
        here = [n for n in networks if has(s, n)]
        axes = panels(strip, s.title, len(here), most=SIDE_BY_SIDE, share_y=False)
        for axis, network in zip(axes, here, strict=True):
            profile = layer_profile(of_plotted(together, s, [SHARE]).sel({names.NETWORK: network}), SHARE)
            words = [str(w) for w in profile[names.WEIGHTS].values if has(s, network, str(w))]
            known = profile["median"].notnull().any(names.WEIGHTS).values
            layers = [int(k) for k in profile[names.LAYER].values[known]]
            drawn = []
            for word in sorted(words, key=lambda w: w == TRAINED):  # trained over the others
                colour, marker = network_style(network, networks)
                trained = word == TRAINED
                of = profile.sel({names.WEIGHTS: word})
                profile_line(axis, of, word, colour if trained else UNTRAINED_COLOUR, marker, hollow=not trained)
                drawn.append(of)
            baseline_line(axis, 1 / len(layers), "equal shares")
            types = profile["layer_type"].sel({names.LAYER: layers}).values.tolist() if "layer_type" in profile else []
            finish_panel(axis, network, layers, types)
            set_limits([axis], drawn, [0.0, 1 / len(layers)], top=0.05)
        at_left(axes, "share of variance", columns=wrapped(len(here), SIDE_BY_SIDE)[1])
        note(figure, s.note)
    note(figure, OF_UNITS)
    legend(foot, handles, LABELS)
    return figure


def _handles(style: tuple[str, str], others: list[str]) -> list[Artist]:
    colour, marker = style
    handles: list[Artist] = [key("trained, in the network's colour", color=colour, marker=marker)]
    if others:
        handles.append(key(" or ".join(others), color=UNTRAINED_COLOUR, marker=marker, markerfacecolor="white"))
    return [*handles, key("equal shares", color=BASELINE_COLOUR, linestyle="--")]
