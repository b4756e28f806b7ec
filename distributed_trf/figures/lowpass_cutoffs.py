"""How fast features must be: Figs 4 and S9."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED, TRAINED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.legends import key, legend, legend_height
from distributed_trf.figures.panels.panel_grid import at_left, panels, stacked, strip_height, wrapped
from distributed_trf.figures.panels.profile_panel import OF_UNITS
from distributed_trf.figures.panels.profile_rows import LEGEND
from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.shown_tests import (
    Tests,
    can_be_significant,
    choice_note,
    chosen_by,
    level_of,
    notes_on_tests,
)
from distributed_trf.figures.style import (
    BASELINE_COLOUR,
    SYMBOL,
    UNTRAINED_COLOUR,
    in_lines,
    network_style,
    new_figure,
    note,
    tidy,
)
from distributed_trf.results.layers import choosing_values
from distributed_trf.results.plotted_units import PlottedUnits, has, networks_of, plotted_units
from distributed_trf.results.statistics.cutoffs import LOWPASS_BIN, cutoff_simulation, cutoff_tests

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FINE = 20.0
"""Milliseconds of the bins of the published fits."""
SIDE_BY_SIDE, LABELS = 4, 3
"""Panels in a row, and marks in a row of the legend."""
ROW = 1.7
MARKS = 0.93
"""Height of the marks, in heights of the panel."""
HERTZ = (0.5, 1, 5, 25, 50)
BEST_COLOUR = "#CC3311"


def figure_4(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
    alpha: float = 0.01,
    simulation: bool = True,
    tests: Tests = "default",
) -> Figure:
    """Draw how well a layer of each network predicts once its features are low-passed (Figs 4 and S9).

    Parameters
    ----------
    ds
        What ``open_lowpass`` returns.
    delta
        Of the rule for highly tuned units, which are shown; 1.0 gives Fig S9.
    stimuli
        Stimulus sets; by default all.
    bin_width
        Of the fits, milliseconds; by default 20 where there are fits at it.
    alpha
        A cut-off counts as good as the best where the two-sided test between them has p above this.
    simulation
        Whether the paper's simulation is the last panel.
    tests
        ``default``: tests are over sessions, and layer and best cut-off are those of highest median cross-validated
        score. ``published``: tests are over units, and the test sounds choose.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per network and stimulus set: median and quartiles over units, a star at the best cut-off, dots at those
        as good; no dots where there are too few sessions to tell any from the best, and a note says so.

    Raises
    ------
    NothingToDrawError
        If nothing was fitted, or these are no fits of low-passed features.
    """
    if LOWPASS_BIN not in ds.dims:
        raise NothingToDrawError(f"no dimension {LOWPASS_BIN!r}; take the dataset that open_lowpass returns")
    plotted = plotted_units(ds, delta=delta, stimuli=stimuli, bin_width=bin_width, usual=FINE)
    networks = networks_of(plotted)
    drawn = [[n for n in networks if has(s, n)] for s in plotted]
    counts = [len(of) + (simulation and s is plotted[-1]) for s, of in zip(plotted, drawn, strict=True)]
    tall = [strip_height(ROW, n, s.title, most=SIDE_BY_SIDE) for s, n in zip(plotted, counts, strict=True)]
    key_height = max(LEGEND / 2, legend_height(_handles(alpha, dotted=True), LABELS))
    figure = new_figure(page_width(), sum(tall) + key_height)
    *strips, foot = stacked(figure, [*tall, key_height])
    any_dotted = False
    note(figure, OF_UNITS)
    for strip, s, of, n in zip(strips, plotted, drawn, counts, strict=True):
        columns = wrapped(n, SIDE_BY_SIDE)[1]
        # The simulation, which comes last, has other limits.
        axes = panels(strip, s.title, n, most=SIDE_BY_SIDE, share_y=False)
        note(figure, s.note)
        by = chosen_by(s, tests)
        chosen = [_layer(s, network, by) for network in of]
        found = [cutoff_tests(fits, s.variable, by=by, alpha=alpha, level=level_of(tests)) for fits, _ in chosen]
        low = min(float(t["q25"].min()) for t in found)
        high = max(float(t["q75"].max()) for t in found)
        span = (high - low) / 0.8
        for text in (*notes_on_tests("dots", s.stimuli, found, alpha), choice_note(s, by, tests)):
            note(figure, text)
        for axis, network, (_, title), t in zip(axes, of, chosen, found, strict=False):
            dotted = can_be_significant(t, alpha)
            any_dotted = any_dotted or dotted
            _panel(axis, t, *network_style(network, networks), _MARKS if dotted else ["is_best"])
            axis.set_title(in_lines(f"{network}, {title}", columns))
            axis.set_ylim(low - 0.05 * span, high + 0.15 * span)
            axis.tick_params(labelleft=False)
            tidy(axis)
        for axis in at_left(axes[: len(of)], SYMBOL[s.variable], columns=columns):
            axis.tick_params(labelleft=True)
        if n > len(of):
            note(figure, _simulation(axes[-1], columns))
    legend(foot, _handles(alpha, dotted=any_dotted), LABELS)
    return figure


def _layer(plotted: PlottedUnits, network: str, by: str) -> tuple[xr.Dataset, str]:
    """Return the fits of a network's trained weights, or of the first there are, at the layer that ``by`` chooses."""
    of = plotted.ds.sel({names.NETWORK: network})
    words = [str(w) for w in of[names.WEIGHTS].values if has(plotted, network, str(w))]
    weights = TRAINED if TRAINED in words else words[0]
    of = of.sel({names.WEIGHTS: weights})
    best = choosing_values(of, plotted.variable, by).median(names.UNIT).max(LOWPASS_BIN)
    layer = int(best[names.LAYER].values[int(best.argmax(names.LAYER))])
    of = of.sel({names.LAYER: layer})
    fitted = of[plotted.variable].notnull().any(names.UNIT)
    of = of.isel({LOWPASS_BIN: np.flatnonzero(fitted.values)})
    return of, f"layer {layer}" + ("" if weights in (TRAINED, FIXED) else f", {weights}")


def _panel(axis: Axes, tests: xr.Dataset, colour: str, marker: str, marks: Iterable[str]) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    cutoff = tests["cutoff"].values
    axis.fill_between(
        cutoff, tests["q25"].values, tests["q75"].values, color=colour, alpha=0.2, linewidth=0, label="_quartiles"
    )
    axis.plot(cutoff, tests["median"].values, color=colour, marker=marker, markersize=3, linewidth=1, label="median")
    for name in marks:
        there = cutoff[tests[name].values]
        axis.plot(there, [MARKS] * there.size, **_MARKS[name], transform=axis.get_xaxis_transform(), label=f"_{name}")
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator([f for f in HERTZ if cutoff.min() <= f <= cutoff.max()]))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("cut-off (Hz)")


_MARKS: dict[str, dict[str, Any]] = {
    "is_best": {"color": BEST_COLOUR, "marker": "*", "markersize": 7, "linestyle": "none", "markeredgewidth": 0},
    "as_good": {"color": UNTRAINED_COLOUR, "marker": "o", "markersize": 3.5, "linestyle": "none", "markeredgewidth": 0},
}


def _simulation(axis: Axes, columns: int) -> str:
    """Draw mean and standard deviation over simulations; return what the whiskers are."""
    r = cutoff_simulation()["r"]
    mean, std = r.mean("seed").values, r.std("seed").values
    axis.errorbar(
        r["cutoff"].values,
        mean,
        std,
        color=BASELINE_COLOUR,
        marker="o",
        markersize=3,
        linewidth=1,
        elinewidth=0.7,
        capsize=2,
        label="simulation",
    )
    axis.set_title(in_lines("simulation: mean r and s.d.", columns))
    axis.set_xlabel("cut-off (Hz)")
    tidy(axis)
    return f"whiskers of the simulation: standard deviations over {r.sizes['seed']} runs of it"


def _handles(alpha: float, *, dotted: bool) -> list[Artist]:
    words = {"is_best": "best"} | ({"as_good": f"as good (two-sided p > {alpha:g})"} if dotted else {})
    return [key(word, **_MARKS[name]) for name, word in words.items()]
