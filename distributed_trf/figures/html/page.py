"""A report as one HTML file, from a template, and its tables, whose cells are text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from distributed_trf.store.atomic import write_text

TEMPLATES = Path(__file__).with_name("templates")


def write_page(path: Path, template: str, **content: Any) -> None:
    """Fill in a template and write the file, whole or not at all; every text is escaped.

    Raises
    ------
    StoreError
        If the disk has no room for it.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_text(path, environment.get_template(template).render(style=_style(), **content))


def _style() -> str:
    return (TEMPLATES / "report.css").read_text(encoding="utf-8")


NONE = "-"
"""Of a number that is not there."""


@dataclass(frozen=True)
class ReportColumn:
    """One column, its cells written."""

    heading: str
    cells: tuple[str, ...]
    is_number: bool


@dataclass(frozen=True)
class Table:
    """Columns of equal length; the first names each row."""

    caption: str
    columns: tuple[ReportColumn, ...]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Cells, row by row."""
        return list(zip(*(column.cells for column in self.columns), strict=True))


def words(heading: str, values: Iterable[Any]) -> ReportColumn:
    """Make a column of text."""
    return ReportColumn(heading, tuple(map(str, values)), is_number=False)


def numbers(heading: str, values: Iterable[Any], write: Callable[[Any], str] = str) -> ReportColumn:
    """Make a column of numbers, which are aligned."""
    return ReportColumn(heading, tuple(map(write, values)), is_number=True)


def decimal(number: float) -> str:
    """Write a correlation or the like.

    Examples
    --------
    >>> decimal(0.12345), decimal(-0.5), decimal(float("nan"))
    ('0.123', '-0.500', '-')
    """
    return NONE if math.isnan(number) else f"{number:.3f}"


def percent(fraction: float) -> str:
    """Write a part of a whole.

    Examples
    --------
    >>> percent(0.294), percent(1.0), percent(float("nan"))
    ('29 %', '100 %', '-')
    """
    return NONE if math.isnan(fraction) else f"{100 * fraction:.0f} %"


def p_value(p: float) -> str:
    """Write a p-value.

    Examples
    --------
    >>> p_value(0.0234), p_value(1e-9), p_value(float("nan"))
    ('0.023', '< 0.001', '-')
    """
    return "< 0.001" if p < 0.001 else decimal(p)
