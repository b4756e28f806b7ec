"""The figures of a report, with captions, and why some of them are left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from distributed_trf.errors import DamagedError, DistributedTRFError
from distributed_trf.figures.gallery import chosen, draw
from distributed_trf.figures.html.picture import Picture, picture
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.style import notes_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERED = re.compile(r"S?\d+")
"""Names of figures that are numbers, as in the paper."""


@dataclass(frozen=True)
class ShownFigure:
    """A figure, or why there is none."""

    name: str
    title: str
    picture: Picture | None
    notes: tuple[str, ...] = ()
    """What it leaves out."""
    reason: str = ""
    """Why it is not drawn."""


def gallery_figures(inputs: Inputs) -> Iterator[ShownFigure]:
    """Draw every figure of the gallery.

    Raises
    ------
    DamagedError
        If some of the results are damaged.
    """
    for drawing in chosen(None):
        name = f"Figure {drawing.name}" if NUMBERED.fullmatch(drawing.name) else ""
        yield shown(name, drawing.title, partial(_drawn, inputs, drawing.name))


def _drawn(inputs: Inputs, name: str) -> Figure | str:
    ((_, found),) = draw(inputs, [name])
    return found


def shown(name: str, title: str, drawn: Callable[[], Figure | str]) -> ShownFigure:
    """Draw a figure; what it lacks is said in its place, so that one figure does not cost the report.

    Raises
    ------
    DamagedError
        If some of the results are damaged.
    """
    try:
        found = drawn()
        if isinstance(found, str):
            return ShownFigure(name, title, None, reason=found)
        return ShownFigure(name, title, picture(found), tuple(notes_of(found)))
    except DamagedError:
        raise
    except DistributedTRFError as error:
        return ShownFigure(name, title, None, reason=str(error))
