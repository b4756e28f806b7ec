"""A report as a reader finds it: its text, tables, images and whatever it refers to."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "link", "br", "hr", "input"}
REFERENCES = {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}


class Parsed(HTMLParser):
    """A page; every element must be closed by its own tag."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[dict] = []
        self.references: list[str] = []
        self.handlers: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        """Rows by caption; the first has the headings. Those of equal captions follow one another."""
        self.styles = ""
        self.ids: set[str] = set()
        self._texts: list[str] = []
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(page.read_text(encoding="utf-8"))
        assert self._open == []

    @property
    def text(self) -> str:
        """Everything that is written, with single spaces."""
        return " ".join("".join(self._texts).split())

    def headings(self, caption: str) -> list[str]:
        return self.tables[caption][0]

    def rows(self, caption: str) -> list[list[str]]:
        return [row for row in self.tables[caption] if row != self.headings(caption)]

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in REFERENCES]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.ids |= {value for name, value in attrs if name == "id"}
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")
        if tag == "caption":
            self._caption = ""

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag == "table":
            self.tables.setdefault(self._caption, []).extend(self._rows)
        self._texts.append("" if tag in ("a", "b", "code", "span") else " ")

    def handle_data(self, data):
        if "style" in self._open:
            self.styles += data
            return
        self._texts.append(data)
        if self._open and self._open[-1] in ("td", "th"):
            self._rows[-1][-1] += data
        if self._open and self._open[-1] == "caption":
            self._caption += data
