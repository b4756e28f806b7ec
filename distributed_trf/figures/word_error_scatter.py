"""Do networks that recognise speech better predict units better? Fig S5."""

from __future__ import annotations

from string import ascii_lowercase
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import TRAINED
from distributed_trf.errors import DataError, NothingToDrawError
from distributed_trf.figures.panels.legends import key, legend, legend_height
from distributed_trf.figures.panels.panel_grid import at_left, panels, stacked, strip_height, wrapped
from distributed_trf.figures.panels.profile_rows import LEGEND
from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.shown_tests import Tests, choice_note, chosen_by
from distributed_trf.figures.style import NUMBER, SMALL, network_style, new_figure, note, tidy
from distributed_trf.results.layers import best_layer
from distributed_trf.results.plotted_units import PlottedUnits, has, networks_of, plotted_units

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE_BY_SIDE, LABELS = 3, 4
"""Panels in a row, and names in a row of the legend."""
ROW = 2.3
MARKS = ("o", "+", "^", "x", "s")
"""Of stimulus sets, in their order."""
NEEDED = ("network", "benchmark", "wer")


def figure_s5(
    ds: xr.Dataset,
    word_errors: pd.DataFrame,
    *,
    delta: float = 0.5,
    bin_width: float | None = None,
    tests: Tests = "default",
) -> Figure:
    """Draw the word error rate of each network against how well its best layer predicts the units.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    word_errors
        What ``word_error_rates`` or ``read_word_errors`` returns: columns ``network``, ``benchmark`` and ``wer`` in
        percent.
    delta
        Of the rule for highly tuned units, which count.
    bin_width
        Milliseconds; by default 50 where there are fits at it.
    tests
        ``default``: the best layer is that of highest median cross-validated score; ``published``: of highest median of
        what is shown.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per benchmark: the median over units at the best layer of trained weights, a dot for the
        first stimulus set and a plus sign for the second. Each network has a colour and a letter.

    Raises
    ------
    DataError
        If the table lacks a column.
    NothingToDrawError
        If no network has both a word error rate and trained weights in the results.
    """
    lacking = [name for name in NEEDED if name not in word_errors]
    if lacking:
        raise DataError(
            f"word_errors: column {lacking[0]!r} is not there, only {', '.join(map(str, word_errors.columns))}; take "
            "the table that `dtrf wer` writes"
        )
    plotted = plotted_units(ds, delta=delta, bin_width=bin_width)
    measured = set(word_errors["network"])
    networks = [n for n in networks_of(plotted) if n in measured and any(has(s, n, TRAINED) for s in plotted)]
    if not networks:
        raise NothingToDrawError(
            f"no network has both a word error rate ({', '.join(sorted(measured)) or 'none has one'}) and trained "
            "weights in these results"
        )
    benchmarks = list(dict.fromkeys(word_errors["benchmark"]))
    title, handles = "; ".join(s.title for s in plotted), _handles(plotted, networks)
    tall = strip_height(ROW, len(benchmarks), title, most=SIDE_BY_SIDE)
    key_height = max(LEGEND, legend_height(handles, LABELS))
    figure = new_figure(page_width(), tall + key_height)
    strip, foot = stacked(figure, [tall, key_height])
    axes = panels(strip, title, len(benchmarks), most=SIDE_BY_SIDE)
    chosen = [chosen_by(s, tests) for s in plotted]
    best = [_best(s, networks, by) for s, by in zip(plotted, chosen, strict=True)]
    for axis, benchmark in zip(axes, benchmarks, strict=True):
        wer = word_errors[word_errors["benchmark"] == benchmark].set_index("network")["wer"]
        for k, (s, median) in enumerate(zip(plotted, best, strict=True)):
            for network in [n for n in networks if n in wer.index and n in median]:
                colour, _ = network_style(network, networks)
                axis.plot(
                    wer[network],
                    median[network],
                    color=colour,
                    marker=MARKS[k % len(MARKS)],
                    markersize=4 + 3 * k,  # a later mark shows around an earlier one
                    markeredgewidth=1.2,
                    linestyle="none",
                    label=f"_{network}, {s.stimuli}",
                )
        _letters(axis, wer[[n for n in networks if n in wer.index]], best, networks)
        axis.set_title(benchmark)
        axis.set_xlabel("word error rate (%)")
        axis.margins(0.12)
        tidy(axis)
    at_left(
        axes,
        f"best layer's median {NUMBER[plotted[0].variable].split()[-1]}",
        columns=wrapped(len(axes), SIDE_BY_SIDE)[1],
    )
    legend(foot, handles, LABELS)
    note(figure, "marks: medians over units" + ("; lines join the marks of a network" if len(plotted) > 1 else ""))
    for s, by in zip(plotted, chosen, strict=True):
        note(figure, s.note)
        note(figure, choice_note(s, by, tests))
    without = [n for n in networks_of(plotted) if n not in networks]
    if without:
        note(figure, f"without a word error rate or trained weights: {', '.join(without)}")
    return figure


def _best(plotted: PlottedUnits, networks: list[str], by: str) -> dict[str, float]:
    """Return the median over units at the best layer of each network's trained weights."""
    there = [n for n in networks if has(plotted, n, TRAINED)]
    trained = plotted.ds.sel({names.NETWORK: there, names.WEIGHTS: TRAINED})
    median = best_layer(trained, plotted.variable, by=by)["median"]
    return {n: float(median.sel({names.NETWORK: n})) for n in there}


def _letters(axis: Axes, wer: pd.Series, best: list[dict[str, float]], networks: list[str]) -> None:
    """Tie the marks of each network and write its letter above, in turn to the left and right: rates may lie close."""
    for k, network in enumerate(wer.sort_values().index):
        heights = [median[network] for median in best if network in median]
        colour, _ = network_style(network, networks)
        axis.plot([wer[network]] * len(heights), heights, color=colour, linewidth=0.8, label=f"_{network}")
        axis.annotate(
            ascii_lowercase[networks.index(network) % 26],
            (wer[network], max(heights)),
            xytext=(-2 if k % 2 == 0 else 2, 3),
            textcoords="offset points",
            ha="right" if k % 2 == 0 else "left",
            va="bottom",
            fontsize=SMALL,
        )


def _handles(plotted: list[PlottedUnits], networks: list[str]) -> list[Artist]:
    one = {"linestyle": "none", "markersize": 5}
    marks = [key(s.stimuli, color="black", marker=MARKS[k % len(MARKS)], **one) for k, s in enumerate(plotted)]
    colours = [
        key(f"{ascii_lowercase[k % 26]}  {network}", color=network_style(network, networks)[0], marker="s", **one)
        for k, network in enumerate(networks)
    ]
    return [*marks, *colours]
