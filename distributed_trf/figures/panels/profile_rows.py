"""Rows of layer profiles, one for each stimulus set, and bars of the best layers below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED, TRAINED
from distributed_trf.figures.panels.error_lines import interval_notes
from distributed_trf.figures.panels.legends import key, legend, legend_height
from distributed_trf.figures.panels.panel_grid import at_foot, at_left, panels, stacked, strip_height, wrapped
from distributed_trf.figures.panels.profile_panel import (
    OF_UNITS,
    STAR,
    STARS,
    TOP,
    architecture_handles,
    baseline_line,
    finish_panel,
    profile_line,
    set_limits,
    star_row,
)
from distributed_trf.figures.panels.summary_bars import Comparison, best_bars, draw_bars
from distributed_trf.figures.printed_page import is_narrow, page_width, panels_per_row
from distributed_trf.figures.shown_tests import can_be_significant
from distributed_trf.figures.style import (
    BASELINE_COLOUR,
    SYMBOL,
    UNTRAINED_COLOUR,
    in_lines,
    network_style,
    new_figure,
    note,
)
from distributed_trf.results.layers import layer_profile
from distributed_trf.results.plotted_units import PlottedUnits, has
from distributed_trf.results.statistics.layer_tests import AGAINST

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 2
"""Panels side by side on two columns that are drawn higher, as they are wider."""
LABELS = 4
"""Columns of the legend on two columns."""
ROW, HIGH_ROW, LOW_ROW, BARS, LOW_BARS, LEGEND = 1.75, 2.4, 1.4, 2.1, 1.3, 0.5
"""Inches of a row of panels and of bars, low where panels are wrapped, so that all stays on a page; of the legend."""
AROUND = 0.68
"""Inches of a row that titles and ticks take, about."""


@dataclass(frozen=True)
class Rows:
    """What is drawn of one stimulus set."""

    plotted: PlottedUnits
    columns: Sequence[Comparison]
    by: str
    """The variable whose median says which layer is best."""
    tests: dict[str, xr.Dataset] = field(default_factory=dict)
    """What ``layer_tests`` found against each kind of untrained weights."""


def draw_rows(
    rows: Sequence[Rows],
    baseline: str | None,
    notes: Sequence[str],
    *,
    alpha: float,
    ylabel: str | None = None,
    reference: float | None = None,
) -> Figure:
    """Draw the panels of each stimulus set in a row, wrapped where there are many, and its bars at the foot.

    Parameters
    ----------
    rows
        At least one.
    baseline
        A spectrogram, whose median is a dashed line and the first bar; None for none.
    notes
        What to say at the foot, before what is said of the bars.
    alpha
        Level of the stars, for the legend.
    ylabel
        What the numbers are; by default what the variable is called.
    reference
        Where to draw a dashed line instead of the spectrogram's median.
    """
    lines = [wrapped(len(of.columns))[0] for of in rows]
    many, few = max(lines) > 1, max(len(of.columns) for of in rows) <= panels_per_row(FEW)
    row = LOW_ROW if many else HIGH_ROW if few else ROW
    tall = [strip_height(row, len(of.columns), of.plotted.title) for of in rows]
    one_below_another = many or is_narrow()
    below = LOW_BARS * len(rows) + 0.4 if one_below_another else BARS
    handles = _handles(rows, baseline, alpha, is_ratio=reference is not None)
    between = max(LEGEND, legend_height(handles, LABELS))
    figure = new_figure(page_width(), sum(tall) + between + below)
    *strips, middle, foot = stacked(figure, [*tall, between, below])
    for text in (OF_UNITS, "bars: medians over units", *notes):
        note(figure, text)
    for strip, of in zip(strips, rows, strict=True):
        axes = panels(strip, of.plotted.title, len(of.columns))
        starred = any(can_be_significant(tests, alpha) for tests in of.tests.values())
        _draw(axes, of, baseline, reference, top=TOP / (row - AROUND) if starred else 0.05)
        at_foot(axes)
        at_left(axes, ylabel or SYMBOL[of.plotted.variable])
    legend(middle, handles, LABELS)
    shape = (len(rows), 1) if one_below_another else (1, len(rows))
    same = len({of.plotted.variable for of in rows}) == 1
    bar_axes = foot.subplots(*shape, squeeze=False, sharey=same, sharex="col").ravel()
    for axis, of in zip(bar_axes, rows, strict=True):
        bars = best_bars(of.plotted, of.columns, baseline if reference is None else None, of.by)
        for text in interval_notes([(bar.low, bar.high) for bar in bars], [bar.n_sessions for bar in bars]):
            note(figure, text)
        title = f"{of.plotted.stimuli}: best layer (number at its foot) by {SYMBOL[of.by]}"
        draw_bars(axis, bars, in_lines(title, shape[1]))
        if reference is not None:
            baseline_line(axis, reference, "reference")
        if one_below_another or axis is bar_axes[0]:
            axis.set_ylabel(ylabel or f"median {SYMBOL[of.plotted.variable]}")
    return figure


def _draw(axes: Sequence[Axes], of: Rows, baseline: str | None, reference: float | None, *, top: float) -> None:
    """Draw the panels of one stimulus set."""
    plotted, networks = of.plotted, [column.network for column in of.columns]
    level = reference
    if level is None and baseline is not None and has(plotted, baseline, FIXED):
        level = float(plotted.ds[plotted.variable].sel({names.NETWORK: baseline, names.WEIGHTS: FIXED}).median())
    profiles = []
    for axis, column in zip(axes, of.columns, strict=True):
        profile = layer_profile(plotted.ds.sel({names.NETWORK: column.network}), plotted.variable)
        profiles += [p for _, p in _lines(axis, profile, column, networks)]
        if level is not None:
            baseline_line(axis, level, baseline or "reference")
        fitted = profile["median"].notnull().any(names.WEIGHTS)
        layers = [int(k) for k in profile[names.LAYER].values[fitted.values]]
        types = profile["layer_type"].sel({names.LAYER: layers}).values.tolist() if "layer_type" in profile else []
        finish_panel(axis, in_lines(column.title, wrapped(len(axes))[1]), layers, types)
        for against in STARS if column.untrained in of.tests else ():
            star_row(axis, against, _starred(of.tests[column.untrained], column.network, against))
    set_limits(axes, profiles, [] if level is None else [level], top=top)


def _lines(axis: Axes, profile: xr.Dataset, column: Comparison, networks: list[str]) -> list[tuple[str, xr.Dataset]]:
    """Draw untrained, then trained weights over them, or features of one's own; return what was drawn."""
    colour, marker = network_style(column.network, networks)
    drawn = []
    for weights, style, hollow in (
        (column.untrained, UNTRAINED_COLOUR, True),
        (TRAINED, colour, False),
        (FIXED, colour, False),
    ):
        if weights in profile[names.WEIGHTS].values:
            of = profile.sel({names.WEIGHTS: weights})
            if of["median"].notnull().any():
                profile_line(axis, of, weights, style, marker, hollow=hollow)
                drawn.append((weights, of))
    return drawn


def _starred(tests: xr.Dataset, network: str, against: str) -> list[int]:
    if network not in tests[names.NETWORK].values or against not in tests[AGAINST].values:
        return []
    better = tests["significant"].sel({names.NETWORK: network, AGAINST: against})
    return [int(k) for k in better[names.LAYER].values[better.values]]


def _handles(rows: Sequence[Rows], baseline: str | None, alpha: float, *, is_ratio: bool) -> list[Artist]:
    """Return what the legend shows."""
    columns = [column for of in rows for column in of.columns]
    handles: list[Artist] = []
    for weights in (TRAINED, FIXED):
        of_these = [c.network for c in columns if any(has(of.plotted, c.network, weights) for of in rows)]
        if of_these:
            colour, _ = network_style(of_these[0], [c.network for c in columns])
            handles.append(key(f"{weights}, in the network's colour", color=colour, marker="o"))
    kinds = list(dict.fromkeys(c.untrained for of in rows for c in columns if has(of.plotted, c.network, c.untrained)))
    if kinds:
        handles.append(key(" or ".join(kinds), color=UNTRAINED_COLOUR, marker="o", markerfacecolor="white"))
    if baseline is not None:
        handles.append(key(f"as {baseline}" if is_ratio else baseline, color=BASELINE_COLOUR, linestyle="--"))
    found = [tests for of in rows for tests in of.tests.values() if can_be_significant(tests, alpha)]
    for against, (_, colour) in STARS.items():
        if any(against in tests[AGAINST].values for tests in found):
            words = f"trained > {'untrained' if against == 'untrained' else baseline} (p < {alpha:g})"
            handles.append(key(words, color=colour, marker=STAR, linestyle="none", markersize=4))
    return [*handles, *architecture_handles(rows[0].plotted.ds, list(dict.fromkeys(c.network for c in columns)))]
