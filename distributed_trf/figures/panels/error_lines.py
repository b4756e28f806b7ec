"""Whiskers of bars, their intervals: capped where one ends, and up to the edge of the panel where it is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from distributed_trf.results.statistics.intervals import COVERAGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, CAP = 0.8, 4.0
"""Of the line and of a cap, in points."""
BEYOND = 1e3
"""Far outside of any panel, in units of its axis."""


def interval_line(axis: Axes, x: float, height: float, low: float, high: float) -> None:
    """Draw an interval over a bar; nothing where it is not known.

    Parameters
    ----------
    axis
        The panel.
    x, height
        Of the top of the bar.
    low, high
        Ends; infinite ones are open, so that the line leaves the panel without a cap.
    """
    from matplotlib.lines import Line2D

    if np.isnan([low, high]).any():
        return
    ends = [end for end in (low, high) if np.isfinite(end)]
    axis.plot(
        [x] * len(ends),
        ends,
        marker="_",
        markersize=CAP,
        color="black",
        markeredgewidth=WIDTH,
        linestyle="none",
        label="_ends",
    )
    drawn = [low if np.isfinite(low) else height - BEYOND, high if np.isfinite(high) else height + BEYOND]
    axis.add_artist(
        Line2D([x, x], drawn, label="_interval", color="black", linewidth=WIDTH)
    )  # limits of the axis do not follow it


def interval_notes(intervals: list[tuple[float, float]], groups: list[int]) -> list[str]:
    """Say what the whiskers are, where some are open and why some bars have none.

    Parameters
    ----------
    intervals
        ``low`` and ``high`` of each bar.
    groups
        Sessions of each.
    """
    known = [(low, high) for low, high in intervals if not np.isnan([low, high]).any()]
    notes = [f"whiskers of bars: {COVERAGE:.0%} intervals of these medians, over sessions"] if known else []
    if np.isinf(known).any():
        notes.append("a whisker without a cap is open: so few sessions do not bound the median there")
    if len(known) < len(intervals):
        fewest = min(n for n, of in zip(groups, intervals, strict=True) if np.isnan(of).any())
        notes.append(f"no whisker of a median over {fewest} session{'s' * (fewest != 1)}: it takes four")
    return notes
