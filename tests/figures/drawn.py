"""What a figure shows, found again by its titles and labels."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
from matplotlib.text import Text

from distributed_trf.figures.panels.profile_panel import KINDS
from distributed_trf.figures.style import notes_of


def titled(figure, title):
    """The panels with this title, however it is broken into lines, one for each stimulus set."""
    return [axis for axis in figure.axes if axis.get_title().split() == title.split()]


def headings(figure):
    """The titles of the strips."""
    return [strip.get_suptitle() for strip in figure.subfigs if strip.get_suptitle()]


def line(axis, label):
    """The only line of a panel with this label."""
    (found,) = [drawn for drawn in axis.lines if drawn.get_label() == label]
    return found


def labels(axis):
    """The labels of lines that a legend may show."""
    return [str(drawn.get_label()) for drawn in axis.lines if not str(drawn.get_label()).startswith("_")]


def band(axis, label):
    """The lower and upper edge of a band, at each of its places."""
    (found,) = [drawn for drawn in axis.collections if drawn.get_label() == f"_{label}"]
    vertices = found.get_paths()[0].vertices
    places = np.unique(vertices[:, 0])
    sides = [vertices[vertices[:, 0] == place, 1] for place in places]
    return places, np.array([side.min() for side in sides]), np.array([side.max() for side in sides])


def stars(axis, against):
    """The layers that have a star in the row of what they are better than."""
    return [int(x) for x in line(axis, f"_better than {against}").get_xdata()]


def architecture(axis):
    """Kind, start and end of each piece of the bar over a panel."""
    pieces = [patch for patch in axis.patches if str(patch.get_label()).removeprefix("_") in KINDS]
    return [(str(p.get_label())[1:], p.get_x(), p.get_x() + p.get_width()) for p in pieces]


def legend_texts(figure):
    """The words of all legends."""
    return [text.get_text() for part in (figure, *figure.subfigs) for key in part.legends for text in key.get_texts()]


def texts(figure):
    """All that is written in a figure."""
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


HOW = re.compile(
    r"(stars|dots|whiskers of bars|whiskers of the simulation|lines and bands|bars|boxes|marks|tests of a network|"
    r"difference|best layers|preferred layers): |\w+: [\d,]+ (units|values) in "
)
"""How notes begin that say what is drawn, and how was tested and chosen."""


def exceptions(figure):
    """The notes of a figure on what it leaves out or shows otherwise, but for what is drawn, tested and chosen."""
    return [text for text in notes_of(figure) if not HOW.match(text)]


def words_over_words(figure):
    """Pairs of horizontal or upright texts that lie over one another, each by more than two pixels both ways."""
    figure.draw_without_rendering()
    ticks = [tick for axis in figure.axes for of in (axis.xaxis, axis.yaxis) for tick in of.get_major_ticks()]
    hidden = {tick.label1 for tick in ticks if not in_view(tick)} | {tick.label2 for tick in ticks}
    there = [text for text in texts(figure) if text not in hidden and text.get_rotation() in (0, 90)]
    boxes = [text.get_window_extent().padded(-1) for text in there]
    return [
        (a.get_text(), b.get_text())
        for (a, one), (b, other) in combinations(zip(there, boxes, strict=True), 2)
        if one.overlaps(other)
    ]


def in_view(tick):
    low, high = sorted(
        tick.axes.get_xlim() if tick.get_figure() and "X" in type(tick).__name__ else tick.axes.get_ylim()
    )
    return low <= tick.get_loc() <= high


def intervals(axis):
    """The ends of the lines over bars."""
    return [of.get_ydata() for of in axis.get_children() if getattr(of, "get_label", str)() == "_interval"]
