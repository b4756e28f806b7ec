"""A report as one HTML file, from a template."""

from __future__ import annotations

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
