"""The figures of a report, with captions, and why some are left out.

A figure is an SVG where that is small, else a PNG, and has a description for readers who cannot see it.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from distributed_trf.errors import DamagedError, DistributedTRFError
from distributed_trf.figures.gallery import chosen, draw
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.style import needing_matplotlib, notes_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SMALL_SVG = 400_000
"""Bytes up to which a figure stays a vector drawing."""
DPI = 200
"""Of the others."""


@dataclass(frozen=True)
class Picture:
    """An image that a page holds."""

    uri: str
    width: float
    """Inches in print; a page shows it larger, as its letters are small."""
    height: float
    alt: str
    """What it shows, in words."""


def picture(figure: Figure) -> Picture:
    """Turn a figure into an image; figures that were drawn alike give the same bytes.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    width, height = (round(float(inches), 2) for inches in figure.get_size_inches())
    data, kind = _svg(figure), "svg+xml"
    if len(data) > SMALL_SVG:
        data, kind = _png(figure), "png"
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(uri, width, height, in_words(figure))


def in_words(figure: Figure) -> str:
    """Say what a figure shows: its title, the titles of its panels and what is on their axes."""
    parts = [_line(figure.get_suptitle())]
    panels = list(dict.fromkeys(_line(axis.get_title()) for axis in figure.axes if axis.get_title()))
    parts += [f"panels {', '.join(panels)}"] if panels else []
    for name in ("x", "y"):
        labels = [_line(getattr(axis, f"get_{name}label")()) for axis in figure.axes]
        axis_labels = list(dict.fromkeys(label for label in labels if label))
        parts += [f"{name} axis: {', '.join(axis_labels)}"] if axis_labels else []
    return "; ".join(part for part in parts if part)


def _line(text: str) -> str:
    return " ".join(text.split())


def _svg(figure: Figure) -> bytes:
    with needing_matplotlib():
        from matplotlib import rc_context
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "distributed_trf", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


NUMBERED = re.compile(r"S?\d+")
"""Names of figures that are numbers, as in the paper."""


@dataclass(frozen=True)
class ReportFigure:
    """A figure, or why there is none."""

    name: str
    title: str
    picture: Picture | None
    notes: tuple[str, ...] = ()
    """What it leaves out."""
    reason: str = ""
    """Why it is not drawn."""


def gallery_figures(inputs: Inputs) -> Iterator[ReportFigure]:
    """Draw every figure of the gallery.

    Raises
    ------
    DamagedError
        If some of the results are damaged.
    """
    for drawing in chosen(None):
        name = f"Figure {drawing.name}" if NUMBERED.fullmatch(drawing.name) else ""
        yield report_figure(name, drawing.title, partial(_drawn, inputs, drawing.name))


def _drawn(inputs: Inputs, name: str) -> Figure | str:
    ((_, found),) = draw(inputs, [name])
    return found


def report_figure(name: str, title: str, drawn: Callable[[], Figure | str]) -> ReportFigure:
    """Draw a figure; if it cannot be drawn the report says why instead, so that one figure does not fail the report.

    Raises
    ------
    DamagedError
        If some of the results are damaged.
    """
    try:
        found = drawn()
        if isinstance(found, str):
            return ReportFigure(name, title, None, reason=found)
        return ReportFigure(name, title, picture(found), tuple(notes_of(found)))
    except DamagedError:
        raise
    except DistributedTRFError as error:
        return ReportFigure(name, title, None, reason=str(error))
