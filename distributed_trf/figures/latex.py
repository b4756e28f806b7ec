r"""Figures as LaTeX (pgf): the document that they are read into sets their text in its own type.

Names are escaped, and Greek letters and signs are written in mathematics, so that every engine and type has them.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PGF = "pgf"
TEX = "pdflatex"
"""Measures text while a figure is written."""
# No fonts of this machine, whose paths would be in the file; sizes of Computer Modern that are no whole design sizes.
SETTINGS: Any = {"pgf.texsystem": TEX, "pgf.rcfonts": False, "pgf.preamble": r"\usepackage{fix-cm}"}
SIGNS = {
    **{sign: rf"\{sign}" for sign in "&%#_{}"},
    "$": r"\textdollar{}",  # matplotlib takes the stroke off before a dollar
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{EN DASH}": "--",
    "\N{NO-BREAK SPACE}": "~",
    "\N{SUPERSCRIPT TWO}": r"\ensuremath{^2}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "\N{PLUS-MINUS SIGN}": r"\ensuremath{\pm}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    **{sign: rf"\ensuremath{{{sign}}}" for sign in "<>|"},
}
GREEK = "GREEK SMALL LETTER "


def check_tex() -> None:
    """Check that text can be measured.

    Raises
    ------
    ConfigError
        If there is no TeX.
    """
    if shutil.which(TEX) is None:
        raise ConfigError(
            f"format {PGF}: {TEX} is not on this machine, and text cannot be measured without it; install TeX (Debian: "
            "apt install texlive-latex-recommended texlive-pictures), or take svg or pdf"
        )


def escaped(words: str) -> str:
    """Write words for LaTeX."""
    return "".join(SIGNS.get(sign) or _greek(sign) for sign in words)


def _greek(sign: str) -> str:
    name = unicodedata.name(sign, "")
    return rf"\ensuremath{{\{name.removeprefix(GREEK).lower()}}}" if name.startswith(GREEK) else sign


@contextmanager
def texts_escaped(figure: Figure) -> Iterator[None]:
    """Write all texts of a figure for LaTeX within the block.

    Raises
    ------
    ConfigError
        If LaTeX cannot set one of them, or lacks a package.
    """
    from matplotlib.backends.backend_pgf import LatexError
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter

    texts = {text: text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)}
    axes = [axis for panel in figure.axes for axis in (panel.xaxis, panel.yaxis)]
    # Names at ticks are written anew whenever a figure is drawn; numbers need nothing.
    named = {axis: names for axis in axes if isinstance(names := axis.get_major_formatter(), FuncFormatter)}
    try:
        for text, words in texts.items():
            text.set_text(escaped(words))
        for axis, names in named.items():
            axis.set_major_formatter(FuncFormatter(lambda x, position, names=names: escaped(names(x, position))))
        yield
    except (LatexError, ValueError) as error:
        why = next((line for line in str(error).splitlines() if line.startswith("!")), str(error).splitlines()[0])
        raise ConfigError(f"format {PGF}: {TEX} cannot set text of this figure: {why}; take svg or pdf") from error
    finally:
        for text, words in texts.items():
            text.set_text(words)
        for axis, names in named.items():
            axis.set_major_formatter(names)
