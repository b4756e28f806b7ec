"""Every kind of weights of every network along its layers: what training adds, and what else would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED, SCALED, SEEDED, TRAINED, kind_of
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.legends import legend, legend_rows
from distributed_trf.figures.panels.panel_grid import at_left, panels, stacked, strip_height, wrapped
from distributed_trf.figures.panels.profile_panel import architecture_handles, finish_panel, profile_line, set_limits
from distributed_trf.figures.panels.profile_rows import FEW
from distributed_trf.figures.printed_page import is_narrow, page_width, panels_per_row
from distributed_trf.figures.style import LINE, NUMBER, SMALL, SYMBOL, new_figure, note, tidy
from distributed_trf.results.layers import layer_profile, spectrograms
from distributed_trf.results.plotted_units import PlottedUnits, has, networks_of, plotted_units

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette: colour-blind readers can distinguish it.
WEIGHTS_STYLE = {
    "trained": ("#0072B2", "o", "-"),
    "reset": ("#D55E00", "s", "--"),
    "permuted": ("#009E73", "^", "--"),
    "random": ("#CC79A7", "D", "--"),
    "random_uniform": ("#E69F00", "v", "--"),
    "scaled": ("#56B4E9", "P", "-"),
    "projection_linear": ("#000000", "x", ":"),
    "projection_conv": ("#000000", "+", "-."),
    "projection_linear_gelu": ("#777777", "x", ":"),
    "projection_conv_gelu": ("#777777", "+", "-."),
    "fixed": ("#882255", "o", "-"),
}
"""Colour, marker and line of each kind of weights."""
FACTOR_LINES = ("-", "--", "-.", ":")
SPECTROGRAM_COLOURS = ("#555555", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
SPECTROGRAM_LINES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
SIDE_BY_SIDE, LABELS = 5, 4
"""Panels in a row, and names in a row of the legend."""
ROW, HIGH_ROW, NARROW_ROW = 1.9, 2.4, 1.5
"""Inches of a row of panels, of one or two panels, and of one of several rows on one column."""


def figure_controls(
    ds: xr.Dataset,
    *,
    variable: str = "r",
    delta: float = 0.5,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw median and quartiles over units per layer, one panel per network, spectrograms as dashed lines.

    Where a network has more than two weights, quartiles are those of the trained ones, or of the first there are.
    Seeds and factors of a kind of weights share its colour and marker. Seeds share a name too, and have a line each;
    ``average_seeds`` makes one of them.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    variable
        ``r``, of all units, or ``rho``, of highly tuned ones.
    delta
        Of the rule for highly tuned units.
    stimuli
        Stimulus sets; by default all.
    bin_width
        Milliseconds; by default 50 where there are fits at it.

    Raises
    ------
    NothingToDrawError
        If nothing was fitted for them.
    """
    plotted = plotted_units(ds, delta=None if variable == "r" else delta, stimuli=stimuli, bin_width=bin_width)
    networks, lines = networks_of(plotted), [n for n in spectrograms(ds) if any(has(s, n, FIXED) for s in plotted)]
    if not networks and not lines:
        raise NothingToDrawError(
            "no network and no spectrogram is in these results; run the study first: dtrf run STUDY"
        )
    n = max(len(networks), 1)
    weights = [label for s in plotted for network in networks for label in _labels(s, network).values()]
    labels = [label for label in dict.fromkeys(weights) if not label.startswith("_")] + lines
    kinds = architecture_handles(ds, networks)
    key_height = LINE * 1.4 * legend_rows([*labels, *(str(kind.get_label()) for kind in kinds)], LABELS) + 0.15
    drawn: dict[str, Artist] = {}
    several = any(len(_labels(s, network)) > 2 for s in plotted for network in networks)
    drawn_of = "medians, and quartiles of trained or first weights" if several else "medians and quartiles"
    titles = [f"{s.title}, {drawn_of}" for s in plotted]
    many = is_narrow() and wrapped(n, SIDE_BY_SIDE)[0] > 1
    row = NARROW_ROW if many else HIGH_ROW if n <= panels_per_row(FEW) else ROW
    tall = [strip_height(row, n, title, most=SIDE_BY_SIDE) for title in titles]
    figure = new_figure(page_width(), sum(tall) + key_height)
    *strips, key = stacked(figure, [*tall, key_height])
    for strip, s, title in zip(strips, plotted, titles, strict=True):
        axes = panels(strip, title, n, most=SIDE_BY_SIDE)
        found, levels = [], [_spectrogram(s, name) for name in lines if has(s, name, FIXED)]
        for axis, network in zip(axes, networks or ("",), strict=True):
            for k, name in enumerate(lines):
                if has(s, name, FIXED):
                    axis.axhline(
                        _spectrogram(s, name),
                        color=SPECTROGRAM_COLOURS[k % len(SPECTROGRAM_COLOURS)],
                        linestyle=SPECTROGRAM_LINES[k % len(SPECTROGRAM_LINES)],
                        linewidth=1,
                        label=name,
                    )
            if not network:
                axis.set_xticks([])
                tidy(axis)
            elif has(s, network):
                found += _network(axis, s, network)
            else:
                axis.set_title(network)
                axis.annotate("not fitted", (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=SMALL)
                tidy(axis)
            drawn |= {str(line.get_label()): line for line in axis.lines if not str(line.get_label()).startswith("_")}
        set_limits(axes, found, levels, top=0.05)
        at_left(axes, NUMBER[s.variable] if len(axes) == 1 else SYMBOL[s.variable], columns=wrapped(n, SIDE_BY_SIDE)[1])
        note(figure, s.note)
    legend(key, [*(drawn[label] for label in labels), *kinds], LABELS)
    return figure


def _spectrogram(plotted: PlottedUnits, network: str) -> float:
    of = plotted.ds[plotted.variable].sel({names.NETWORK: network, names.WEIGHTS: FIXED})
    return float(of.median())


def _network(axis: Axes, plotted: PlottedUnits, network: str) -> list[xr.Dataset]:
    """Draw all weights of a network; return what was drawn."""
    profile = layer_profile(plotted.ds.sel({names.NETWORK: network}), plotted.variable)
    labels = _labels(plotted, network)
    factors = [word for word in labels if kind_of(word) == SCALED]
    drawn = []
    for word, label in labels.items():
        colour, marker, line = WEIGHTS_STYLE[kind_of(word)]
        if word in factors:
            line = FACTOR_LINES[factors.index(word) % len(FACTOR_LINES)]
        of = profile.sel({names.WEIGHTS: word})
        banded = len(labels) <= 2 or word == (TRAINED if TRAINED in labels else next(iter(labels)))
        profile_line(axis, of, label, colour, marker, line, band=banded)
        drawn.append(of)
    fitted = profile["median"].notnull().any(names.WEIGHTS)
    layers = [int(k) for k in profile[names.LAYER].values[fitted.values]]
    finish_panel(axis, network, layers, profile["layer_type"].sel({names.LAYER: layers}).values.tolist())
    return drawn


def _labels(plotted: PlottedUnits, network: str) -> dict[str, str]:
    """Return what the legend calls each of the weights of a network that were fitted."""
    words = [str(w) for w in plotted.ds[names.WEIGHTS].values if has(plotted, network, str(w))]
    kinds = [kind_of(word) for word in words]
    labels = {}
    for k, (word, kind) in enumerate(zip(words, kinds, strict=True)):
        if kind in SEEDED and kinds.count(kind) > 1:
            # The legend shows one of several seeds.
            labels[word] = "_other seed" if kind in kinds[:k] else f"{kind}, {kinds.count(kind)} seeds"
        else:
            labels[word] = word
    return labels
