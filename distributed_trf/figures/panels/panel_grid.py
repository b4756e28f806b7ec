"""Panels on a page: one row for each stimulus set, wrapped where there are many panels; axes of units and of sounds.

A session's units are along one axis; the spectrogram of a sound is above what was recorded while it was presented.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy

from distributed_trf.figures.printed_page import page_width, panels_per_row
from distributed_trf.figures.style import MEDIUM, SMALL, TITLE_LINE, in_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase, SubFigure


MOST = 6
"""Panels side by side on two columns, more are wrapped."""
ROOM = 0.1
"""Inches of a strip beside its rows of panels."""


def stacked(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    """Divide a figure into strips, one below the other, of these heights."""
    return list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=list(heights))[:, 0])


def wrapped(n: int, most: int = MOST) -> tuple[int, int]:
    """Return rows and columns for n panels, at most so many side by side on two columns, rows as equal as can be."""
    rows = -(-n // panels_per_row(most))
    return rows, -(-n // rows)


def strip_height(row: float, n: int, title: str, *, most: int = MOST) -> float:
    """Return the inches that a strip of ``panels`` takes, whose rows are so high."""
    return row * wrapped(n, most)[0] + ROOM + further_lines(title)


def further_lines(title: str) -> float:
    """Return the inches that the title of a strip takes beyond its first line."""
    return TITLE_LINE * _heading(title).count("\n")


def head(part: FigureBase, title: str) -> None:
    """Write the title of a strip at its upper left."""
    part.suptitle(_heading(title), fontsize=MEDIUM, fontweight="bold", x=0.01, ha="left")


def _heading(title: str) -> str:
    return in_lines(title, 1, whole=True)


def panels(part: FigureBase, title: str, n: int, *, most: int = MOST, share_y: bool = True) -> list[Axes]:
    """Make n panels of one size under a title; those of a row share the y axis, named at the left.

    Parameters
    ----------
    part
        A strip of ``stacked``.
    title
        Of all panels.
    n
        How many.
    most
        Side by side on two columns.
    share_y
        Whether all have the limits and ticks of one.
    """
    rows, columns = wrapped(n, most)
    grid = part.subplots(rows, columns, squeeze=False, sharey=share_y).ravel()
    for spare in grid[n:]:
        spare.remove()
    head(part, title)
    return list(grid[:n])


def at_left(axes: Sequence[Axes], label: str, *, columns: int | None = None) -> list[Axes]:
    """Name the y axis of the panels at the left of each row, and return those.

    Parameters
    ----------
    axes
        Panels in the order of ``panels``.
    label
        What the y axis shows.
    columns
        Panels in a row; by default as ``panels`` wraps so many.
    """
    left = list(axes[:: columns or wrapped(len(axes))[1]])
    for axis in left:
        axis.set_ylabel(label, fontsize=MEDIUM)
    return left


def at_foot(axes: Sequence[Axes]) -> None:
    """Name the x axis of the last row of panels only, and spare the others the room."""
    columns = wrapped(len(axes))[1]
    for axis in axes[: (len(axes) - 1) // columns * columns]:
        axis.set_xlabel("")


LABELS, BESIDE_LABELS = 9.5, 0.75
"""Names of units on an inch, and the inches of the page beside them."""


def label_units(axis: Axes, channels: np.ndarray) -> None:
    """Write the channels below an axis whose unit k is at x = k; where not all can be read, each second, third, ..."""
    step = -(-channels.size // int(LABELS * (page_width() - BESIDE_LABELS)))
    axis.set_xticks(np.arange(0, channels.size, step), channels[::step], rotation=90, fontsize=SMALL)
    axis.set_xlim(-0.5, channels.size - 0.5)
    axis.set_xlabel("unit", fontsize=SMALL)


WINDOW, OVERLAP = 0.008, 0.75
"""Seconds of a spectrum of the sound, and the part it shares with the next."""
DYNAMIC_RANGE = 60.0
"""Decibels below the loudest point at which the spectrogram is white."""


def draw_spectrogram(axis: Axes, sound: np.ndarray, sfreq: float) -> None:
    """Draw power in decibels over seconds and kilohertz; any sampling rate will do."""
    length = min(round(WINDOW * sfreq), sound.size)
    frequency, time, power = scipy.signal.spectrogram(sound, sfreq, nperseg=length, noverlap=int(OVERLAP * length))
    floor = max(power.max(), np.finfo(float).tiny) * 10 ** (-DYNAMIC_RANGE / 10)
    level = 10 * np.log10(np.maximum(power, floor))
    axis.pcolormesh(time, frequency / 1000, level, cmap="gray_r", shading="nearest", rasterized=True)
    axis.set_ylabel("frequency (kHz)")
