"""Pages that stand below a page that is also read where the code is browsed, and so holds no list of its own."""

from __future__ import annotations

from typing import Any

BELOW = {
    "notebooks/README": "/notebooks/0*",
    "docs/data_sets/README": "/docs/data_sets/[a-z]*",
}


def add_pages_below(app: Any, name: str, source: list[str]) -> None:
    """Append the list to the source of a page."""
    if name in BELOW:
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:glob:\n\n{BELOW[name]}\n```\n"


def setup(app: Any) -> dict[str, bool]:
    """Connect it to Sphinx."""
    app.connect("source-read", add_pages_below)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
