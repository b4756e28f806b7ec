"""The page that figures are drawn for: across one of a journal's two columns, or across both.

What arranges panels asks here how wide the page is; text has the same size on both, so that fewer panels stand side by
side on the narrow one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

from distributed_trf.errors import DataError

Width = Literal["single", "double"]
"""One column, or two."""
# A column is 89 mm of Nature and 85 mm of The Journal of Neuroscience; two are 183 and 176 mm. Brought from 3.5 inches
# to 85 mm, or from 7.5 inches to 183 mm, text of 7 points still has 6.7.
INCHES = {"single": 3.5, "double": 7.5}
HIGHEST = 11.0
"""Inches of a page."""
_width: ContextVar[Width] = ContextVar("width of the page", default="double")


@contextmanager
def page(width: Width) -> Iterator[None]:
    """Draw the figures of a block for one or for two columns of a journal.

    Parameters
    ----------
    width
        ``single``: 3.5 inches, with fewer panels side by side, so that figures are higher; ``double``: 7.5 inches, as
        figures are outside of any such block. Text has 7 and 8 points on both. Figures that are narrower stay so.

    Raises
    ------
    DataError
        If there is no such width.

    Examples
    --------
    >>> from distributed_trf.figures import figure_3, page
    >>> with page("single"):  # doctest: +SKIP
    ...     figure = figure_3(ds)
    """
    if width not in get_args(Width):
        raise DataError(f"width: {width!r} is not known; take 'single' or 'double'")
    before = _width.set(width)
    try:
        yield
    finally:
        _width.reset(before)


def page_width() -> float:
    """Return the width of the page in inches."""
    return INCHES[_width.get()]


def is_narrow() -> bool:
    """Return whether the page is one column."""
    return _width.get() == "single"


def side_by_side_or_below(n: int) -> tuple[int, int]:
    """Return rows and columns of n panels that are too wide to share one column: there they stand below each other."""
    return (n, 1) if is_narrow() else (1, n)


def panels_per_row(most: int) -> int:
    """Return how many panels stand side by side where two columns have room for so many; half of them on one column."""
    return -(-most // 2) if is_narrow() else most
