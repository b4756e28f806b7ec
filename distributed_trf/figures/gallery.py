"""All figures by name, and how each is drawn from a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed_trf.errors import ConfigError, NothingToDrawError
from distributed_trf.figures.figure_2 import figure_2
from distributed_trf.figures.figure_s1 import figure_s1
from distributed_trf.figures.inputs import Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn of a study."""

    name: str
    """As in ``--only`` and in the file's name: ``3``, ``S2``, ``controls``."""
    title: str
    draw: Callable[[Inputs], Figure]


FIGURES: tuple[Drawing, ...] = (
    Drawing("2", "responses, predictions and recording sites", figure_2),
    Drawing("S1", "units above the threshold of tuning", lambda inputs: figure_s1(inputs.results, inputs.folder)),
)


def chosen(only: Iterable[str] | None) -> list[Drawing]:
    """Return figures by name, in the order of the gallery; all of them for None.

    Raises
    ------
    ConfigError
        If there is none of a name.
    """
    if only is None:
        return list(FIGURES)
    known = {drawing.name.lower(): drawing for drawing in FIGURES}
    wanted = [name.strip().lower().removeprefix("fig").strip(" ._") for name in only]
    for name, written in zip(wanted, only, strict=True):
        if name not in known:
            raise ConfigError(f"there is no figure {written!r}; choose among {', '.join(d.name for d in FIGURES)}")
    return [drawing for drawing in FIGURES if drawing.name.lower() in wanted]


def draw(inputs: Inputs, only: Iterable[str] | None = None) -> Iterator[tuple[Drawing, Figure | str]]:
    """Draw figures one after another; a text instead of a figure says why there is nothing to draw."""
    for drawing in chosen(only):
        try:
            yield drawing, drawing.draw(inputs)
        except NothingToDrawError as error:
            yield drawing, str(error)
