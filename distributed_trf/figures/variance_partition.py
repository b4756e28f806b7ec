"""What feature spaces explain uniquely, what they share, and their shares by the product measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from distributed_trf import names
from distributed_trf.config.spaces import BETWEEN
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.error_lines import interval_line, interval_notes
from distributed_trf.figures.panels.legends import legend, legend_height
from distributed_trf.figures.panels.panel_grid import further_lines, head, stacked
from distributed_trf.figures.panels.venn import draw_venn
from distributed_trf.figures.printed_page import is_narrow, page_width
from distributed_trf.figures.style import SMALL, needing_matplotlib, new_figure, note, tidy
from distributed_trf.results.plotted_units import of_plotted, plotted_units
from distributed_trf.results.statistics.intervals import median_intervals

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of spaces: Okabe and Ito's palette."""
SHARED_COLOUR = "#777777"
MOST_CIRCLES = 3
"""Spaces that circles are drawn of."""
MOST_PARTS, NARROW_MOST_PARTS = 4, 3
"""Spaces of which each shared part is drawn, on two columns and on one; of more only their sum is."""
ROW, CIRCLES_ROW, LEGEND = 2.6, 1.9, 0.3
"""Inches of bars, of circles where they are below the bars, and of the legend."""
LABELS = 3
"""Columns of the legend on two columns."""
WIDTH = 0.4
"""Of a bar."""
IN_WORDS = " & "
CIRCLES = (
    "circles: their areas and what each two have in common are sums of the medians of parts, of which those below zero "
    "count as none; what three have in common follows"
)


def figure_partition(
    partition: xr.Dataset,
    *,
    delta: float = 0.5,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw unique and shared variance of feature spaces.

    Parameters
    ----------
    partition
        What ``open_partition`` returns.
    delta
        Of the rule for highly tuned units, which are shown.
    stimuli, bin_width
        As of ``figure_3``.

    Returns
    -------
    matplotlib.figure.Figure
        A row per stimulus set and partition: bars of the medians over units, with the intervals of
        ``median_intervals``, over sessions; for two and three spaces also circles whose areas, and the overlaps of each
        two, are sums of the medians.

    Raises
    ------
    NothingToDrawError
        If no part is known: it takes R^2 of several subsets.
    """
    if not bool(partition["unique"].notnull().any()):
        raise NothingToDrawError("no unique variance is known of these partitions; set `subsets: all` in the study")
    plotted = plotted_units(partition, delta=delta, stimuli=stimuli, bin_width=bin_width)
    drawn = []
    for s in plotted:
        of = of_plotted(partition, s, ["unique", "shared", "product"])
        for name in of["partition"].values.tolist():
            one = _of_its_spaces(of.sel(partition=name))
            if one.sizes[names.SUBSET]:
                drawn.append((f"{name}; {s.title}", one, s.note))
    circled = [_can_be_circles(one) for _, one, _ in drawn]
    tall = [
        ROW + CIRCLES_ROW * (is_narrow() and circles) + further_lines(title)
        for circles, (title, _, _) in zip(circled, drawn, strict=True)
    ]
    handles = _handles()
    key_height = max(LEGEND, legend_height(handles, LABELS))
    figure = new_figure(page_width(), sum(tall) + key_height)
    *strips, foot = stacked(figure, [*tall, key_height])
    note(figure, "bars: medians over units")
    for strip, (title, one, reason), with_circles in zip(strips, drawn, circled, strict=True):
        spaces = _spaces(one)
        n = len(spaces)
        bars, *circles = _panels(strip, with_circles=with_circles)
        head(strip, title)
        medians, intervals = _bars(bars, one, spaces)
        ends = [(float(of["low"]), float(of["high"])) for of in intervals if of["median"].notnull()]
        for text in interval_notes(ends, [int(of["n_sessions"]) for of in intervals if of["median"].notnull()]):
            note(figure, text)
        for axis in circles:
            draw_venn(axis, medians, spaces, COLOURS[:n])
            note(figure, CIRCLES)
        if n > _most_parts():
            note(figure, f"of more than {_most_parts()} spaces the sum of all shared parts is drawn")
        note(figure, reason)
    legend(foot, handles, LABELS)
    return figure


def _most_parts() -> int:
    return NARROW_MOST_PARTS if is_narrow() else MOST_PARTS


def _spaces(of: xr.Dataset) -> list[str]:
    return [str(label) for label in of[names.SUBSET].values if BETWEEN not in str(label)]


def _can_be_circles(of: xr.Dataset) -> bool:
    """Return whether circles are drawn: of two or three spaces of which every part is known."""
    parts = of["unique"].fillna(of["shared"]).notnull()
    return len(_spaces(of)) <= MOST_CIRCLES and bool(parts.any(names.UNIT).all())


def _panels(strip: SubFigure, *, with_circles: bool) -> list[Axes]:
    """Make a panel of bars, and one of circles at its right, or below it on one column."""
    if not with_circles:
        return [strip.subplots()]
    if is_narrow():
        return list(strip.subplots(2, 1, height_ratios=[ROW, CIRCLES_ROW]))
    return list(strip.subplots(1, 2, width_ratios=[2, 1]))


def _of_its_spaces(of: xr.Dataset) -> xr.Dataset:
    """Return one partition without the sets of spaces of others, single spaces first."""
    sets = [tuple(str(label).split(BETWEEN)) for label in of[names.SUBSET].values]
    known = (of["unique"].notnull() | of["product"].notnull()).any(names.UNIT).values
    spaces = [label for (label, *others), there in zip(sets, known, strict=True) if there and not others]
    kept = [k for k, members in enumerate(sets) if set(members) <= set(spaces)]
    kept.sort(key=lambda k: (len(sets[k]), sorted(map(spaces.index, sets[k]))))
    return of.isel({names.SUBSET: kept})


def _bars(axis: Axes, of: xr.Dataset, spaces: Sequence[str]) -> tuple[dict[tuple[int, ...], float], list[xr.Dataset]]:
    """Draw medians with intervals; return the medians by part, as indices of spaces, and what each bar is of."""
    n, sets = len(spaces), [str(label) for label in of[names.SUBSET].values]
    unique, shared, product = (median_intervals(of, name) for name in ("unique", "shared", "product"))
    drawn = [of_these.isel({names.SUBSET: k}) for k in range(n) for of_these in (unique, product)]
    for k, (whole, part) in enumerate(zip(drawn[::2], drawn[1::2], strict=True)):
        _bar(axis, k - WIDTH / 2, whole, COLOURS[k % len(COLOURS)])
        _bar(axis, k + WIDTH / 2, part, COLOURS[k % len(COLOURS)], hatch="////", alpha=0.4)
    if n > _most_parts():
        total = of[["shared"]].isel({names.SUBSET: slice(n, None)}).sum(names.SUBSET, skipna=False)
        drawn.append(median_intervals(total.assign_coords(of[["session"]].coords), "shared"))
        _bar(axis, n, drawn[-1], SHARED_COLOUR)
        words = [*spaces, "all shared"]
    else:
        for k in range(n, len(sets)):
            drawn.append(shared.isel({names.SUBSET: k}))
            _bar(axis, k, drawn[-1], SHARED_COLOUR)
        words = [label.replace(BETWEEN, IN_WORDS) for label in sets]
    axis.axhline(0, color="black", linewidth=0.5)
    axis.set_xticks(range(len(words)), words, rotation=30, ha="right", rotation_mode="anchor")
    axis.set_ylabel("variance, R²", fontsize=SMALL)
    tidy(axis)
    medians = {
        tuple(sorted(map(spaces.index, label.split(BETWEEN)))): float((unique if k < n else shared)["median"][k])
        for k, label in enumerate(sets)
    }
    return medians, drawn


def _bar(axis: Axes, x: float, of: xr.Dataset, colour: str, *, hatch: str = "", alpha: float = 1.0) -> None:
    median, low, high = (float(of[name]) for name in ("median", "low", "high"))
    axis.bar(
        x,
        median,
        width=WIDTH,
        color=colour,
        edgecolor="black",
        linewidth=0.5,
        hatch=hatch,
        alpha=alpha,
    )
    interval_line(axis, x, median, low, high)


def _handles() -> list[Artist]:
    with needing_matplotlib():
        from matplotlib.patches import Patch

    patches: list[Artist] = [
        Patch(facecolor=COLOURS[0], label="unique, in the space's colour"),
        Patch(facecolor=COLOURS[0], alpha=0.4, hatch="////", label="product measure"),
        Patch(facecolor=SHARED_COLOUR, label="shared"),
    ]
    for patch in patches:
        patch.set(edgecolor="black", linewidth=0.5)
    return patches
