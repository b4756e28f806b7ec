"""How every figure looks and is written: colours for colour-blind readers, sizes of a printed page, notes, files.

As a file, the same figure gives the same bytes, and text stays text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import MissingExtraError
from distributed_trf.figures.latex import PGF, check_tex, texts_escaped
from distributed_trf.figures.latex import SETTINGS as LATEX
from distributed_trf.figures.printed_page import HIGHEST, is_narrow, page_width
from distributed_trf.store.atomic import make_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SMALL = 7.0
"""Points of the smallest text: ticks, legends, notes."""
MEDIUM = 8.0
"""Points of titles and of the names of axes."""
LINE = 1.3 * SMALL / 72
"""Inches that a line of small text takes."""
OF_NOTES, UNEVEN = 20.3, 0.5
"""Characters of notes on an inch, and inches that stay free: lines of few characters differ more in length."""
OF_TITLES = 16
"""Characters of titles on an inch."""
TITLE_LINE = 1.3 * MEDIUM / 72
"""Inches that a line of a title takes."""
BESIDE, BESIDE_AXIS = 0.2, 0.6
"""Inches of its share of the page that a title leaves free, and one over a panel beside whose axis is no room."""
# Okabe & Ito's and Tol's palettes; each network keeps its colour and marker in all figures.
NETWORK_STYLE = {
    "wav2letter": ("#D55E00", "s"),
    "wav2vec2": ("#E69F00", "D"),
    "speech2text": ("#882255", "^"),
    "whisper_tiny": ("#CC79A7", "v"),
    "whisper_base": ("#009E73", "P"),
    "deepspeech2": ("#0072B2", "o"),
    "w2v2_audioset": ("#117733", "X"),
    "cochresnet50": ("#56B4E9", "<"),
    "cochcnn9": ("#332288", ">"),
}
"""Colour and marker of each network."""
OTHER_STYLES = (
    ("#AA4499", "h"),
    ("#999933", "p"),
    ("#44AA99", "*"),
    ("#661100", "d"),
    ("#6699CC", "H"),
    ("#CC6677", "8"),
)
"""Of networks that are no published ones, in order."""
BASELINE_COLOUR, UNTRAINED_COLOUR, QUIET = "#777777", "#000000", "#555555"
AREA_COLOURS = {"core": "#0072B2", "non-primary": "#D55E00"}
OTHER_AREA_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NUMBER = {"rho": "normalised test correlation ρ", "r": "test correlation r"}
"""What an axis calls a variable."""
SYMBOL = {"rho": "ρ", "r": "r", "cv_score": "cross-validated R²"}
_NOTES = "distributed_trf notes"


@contextmanager
def needing_matplotlib() -> Iterator[None]:
    """Say by a MissingExtraError that an import of the block finds no matplotlib."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("matplotlib", "figures", error) from error


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in inches.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    with needing_matplotlib():
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained")


def network_style(network: str, networks: list[str]) -> tuple[str, str]:
    """Return the colour and marker of a network; ``networks`` are all that are drawn."""
    if network in NETWORK_STYLE:
        return NETWORK_STYLE[network]
    others = [name for name in networks if name not in NETWORK_STYLE]
    return OTHER_STYLES[others.index(network) % len(OTHER_STYLES)]


def area_colour(area: str, areas: list[str]) -> str:
    """Return the colour of an area; ``areas`` are all that are drawn."""
    if area in AREA_COLOURS:
        return AREA_COLOURS[area]
    others = [name for name in areas if name not in AREA_COLOURS]
    return OTHER_AREA_COLOURS[others.index(area) % len(OTHER_AREA_COLOURS)]


def tidy(axis: Axes) -> None:
    """Take away what says nothing, the frame's upper and right side, and bring all text to its size."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL)
    for words in (axis.title, axis.xaxis.label, axis.yaxis.label):
        words.set_fontsize(MEDIUM)


def stars(p: float) -> str:
    """Write a p-value as stars: ``***`` below 0.001, ``**`` below 0.01, ``*`` below 0.05, else ``n.s.``."""
    return next((word for limit, word in ((0.001, "***"), (0.01, "**"), (0.05, "*")) if p < limit), "n.s.")


def note(figure: Figure, text: str) -> None:
    """Say at the foot of a figure, and to who draws it, what it leaves out and why; the same text once only."""
    before = notes_of(figure)
    if not text or text in before:
        return
    notes = [*before, text]
    setattr(figure, _NOTES, notes)
    # The figure grows, so that its panels keep their size; wrapped here, since the layout does not count wrapped lines.
    lines, old = _wrapped(figure, notes), _wrapped(figure, before)
    figure.set_figheight(figure.get_figheight() + (len(lines) - len(old)) * LINE)
    figure.supxlabel("\n".join(lines), fontsize=SMALL, color=QUIET, x=0.01, ha="left")


def notes_of(figure: Figure) -> list[str]:
    """Return what a figure leaves out."""
    found: list[str] = getattr(figure, _NOTES, [])
    return found


def too_high(figure: Figure) -> list[str]:
    """Say that a figure is higher than a page, if it is."""
    height = float(figure.get_figheight())
    if height <= HIGHEST:
        return []
    return [f"{height:.1f} inches high, more than a page; draw fewer networks or stimulus sets at a time, from Python"]


def _wrapped(figure: Figure, notes: list[str]) -> list[str]:
    return textwrap.wrap("; ".join(notes), int((figure.get_figwidth() - UNEVEN) * OF_NOTES))


def in_lines(title: str, panels: int, *, whole: bool = False) -> str:
    """Break the lines of a title so that it stays above its panel, one of several that share the width of a page.

    Parameters
    ----------
    title
        May have lines already.
    panels
        Side by side.
    whole
        Whether all of that width is its: it begins at the left, or its panel is in the middle.
    """
    beside = BESIDE_AXIS if is_narrow() and panels == 1 and not whole else BESIDE
    width = int((page_width() / panels - beside) * OF_TITLES)
    kept = re.compile(r" = |\[.*?\]")  # a number stays with what it is of, an interval on its line
    joined = kept.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), title)
    wrap = textwrap.TextWrapper(width, break_on_hyphens=False, break_long_words=False).wrap
    return "\n".join(part for line in joined.split("\n") for part in wrap(line)).replace("\N{NO-BREAK SPACE}", " ")


FORMATS = ("png", "pdf", "svg", PGF)
# Names inside an svg are drawn at random without a salt; fonts are embedded as such, so that text can be searched.
SETTINGS: Any = {"svg.hashsalt": "distributed_trf", "svg.fonttype": "none", "pdf.fonttype": 42, **LATEX}
DIGITS = 6
"""Of positions within a figure."""
UNDATED: dict[str, dict[str, Any]] = {"pdf": {"metadata": {"CreationDate": None}}, "svg": {"metadata": {"Date": None}}}


def save_figure(figure: Figure, folder: Path, name: str, formats: Sequence[str], *, dpi: float = 150) -> list[Path]:
    """Save a figure in several formats.

    Parameters
    ----------
    figure
        What to save; its layout is settled from here on.
    folder
        Made if it is missing.
    name
        Of the files, without ending.
    formats
        Some of ``png``, ``pdf``, ``svg`` and ``pgf``, which LaTeX reads; images within it, as of maps, are png files
        beside it.
    dpi
        Resolution of png, and of images within the others.

    Returns
    -------
    list of Path
        In the order of the formats.

    Raises
    ------
    ConfigError
        If there is no TeX for ``pgf``.
    """
    from matplotlib import rc_context

    if PGF in formats:
        check_tex()
    make_folder(folder)
    _settle(figure, dpi)
    files = []
    for ending in formats:
        file = folder / f"{name}.{ending}"
        with rc_context(SETTINGS), texts_escaped(figure) if ending == PGF else nullcontext():
            figure.savefig(file, dpi=dpi, **UNDATED.get(ending, {}))
        files.append(file)
    return files


def _settle(figure: Figure, dpi: float) -> None:
    """Compute the layout once for all formats, at the resolution that decides how wide letters are; round positions.

    What solves for the layout goes through its unknowns in an order that memory decides, so that the last digits
    differ from run to run.
    """
    figure.set_dpi(dpi)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.p0 = np.round(part.bbox_relative.p0, DIGITS)
        part.bbox_relative.p1 = np.round(part.bbox_relative.p1, DIGITS)
    for axis in figure.axes:
        axis.set_position(np.round(axis.get_position().bounds, DIGITS).tolist())
