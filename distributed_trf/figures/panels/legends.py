"""Legends: strips of a figure, of as many columns as the page has room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.style import LINE, SMALL, needing_matplotlib

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import FigureBase
    from matplotlib.lines import Line2D

CHARACTERS = 18
"""Of labels on an inch."""
SAMPLE, BETWEEN, BESIDE = 2.8 * SMALL / 72, 1.2 * SMALL / 72, 0.1
"""Inches of a legend that what stands before a label takes, that are between columns, and beside all of them."""
LEGEND_LINE, LEGEND_EDGE = 1.2 * LINE, 0.03
"""Inches of a line of a legend, and above and below all of them."""


def arranged(labels: Sequence[str], columns: int) -> tuple[list[int], int]:
    """Return in which order labels stand in a legend, and in how many columns.

    Parameters
    ----------
    labels
        In the order in which they stand, but for a page on which only long ones first give several columns.
    columns
        At most; fewer where the page is too narrow for them.
    """
    lengths = np.array([len(label) / CHARACTERS + SAMPLE for label in labels])
    as_given = np.arange(len(labels))
    long_first = np.argsort(lengths <= page_width() / 2, kind="stable")
    for order in (as_given, long_first):
        for n in range(min(columns, len(labels)), 1, -1):
            widths = [max(of) for of in np.array_split(lengths[order], n)]  # columns are filled one after another
            if sum(widths) + BETWEEN * (n - 1) + BESIDE <= page_width():
                return order.tolist(), n
    return as_given.tolist(), 1


def legend_rows(labels: Sequence[str], columns: int) -> int:
    """Return the rows of a legend of at most so many columns."""
    return -(-len(labels) // arranged(labels, columns)[1])


def legend_height(handles: Sequence[Artist], columns: int) -> float:
    """Return the inches that a strip with a legend of at most so many columns takes at least."""
    return LEGEND_LINE * legend_rows(_labels(handles), columns) + LEGEND_EDGE


def legend(part: FigureBase, handles: Sequence[Artist], columns: int) -> None:
    """Fill a strip with a legend of at most so many columns."""
    order, n = arranged(_labels(handles), columns)
    part.legend(
        handles=[handles[k] for k in order],
        loc="center",
        ncols=n,
        fontsize=SMALL,
        frameon=False,
        handlelength=2.0,
        columnspacing=1.2,
    )


def _labels(handles: Sequence[Artist]) -> list[str]:
    return [str(handle.get_label()) for handle in handles]


def key(label: str, **style: Any) -> Line2D:
    """Return what a legend shows of a line or a mark of some style."""
    with needing_matplotlib():  # a legend is made before its figure, to know how high it is
        from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **{"linewidth": 1, "markersize": 3.5, **style})
