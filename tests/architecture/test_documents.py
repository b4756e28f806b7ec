"""Files, modules and links that the documents name are there, and each term is in the glossary once."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WRITTEN_BY_CODE = {
    "python.md",
    "commands.md",
    "study_file.md",
    "network_file.md",
    "recipe_file.md",
    "word_errors_file.md",
}
PAGES = [path.relative_to(ROOT) for path in sorted((ROOT / "docs").rglob("*.md")) if path.name not in WRITTEN_BY_CODE]
NAMES = ("README.md", "CONTRIBUTING.md", "MIGRATION.md", "cluster/README.md", *(path.as_posix() for path in PAGES))
DOCUMENTS = {name: (ROOT / name).read_text() for name in NAMES}
FOLDERS = "distributed_trf|tests|scripts|configs|cluster|docs|notebooks|\\.github|\\.ci"
WRITTEN = re.compile(r"^```\w*\n.*?^```\n", flags=re.DOTALL | re.MULTILINE)
TO_WRITE = re.compile(r"power|twoconv|lag_profile|himem|mine|podcast_words|book_")
"""Of files that a reader is told to write."""
TERM = re.compile(r"^\| ([^|]+?) \| [^|]", flags=re.MULTILINE)


def prose(name):
    return WRITTEN.sub("", DOCUMENTS[name])


@pytest.mark.parametrize("name", NAMES)
def test_paths__are_there(name):
    found = re.findall(rf"`((?:{FOLDERS})/[\w./*-]*)(?: \w+)?`", prose(name))
    missing = [path for path in found if not TO_WRITE.search(path) and not (ROOT / path).exists()]
    assert not missing


def test_paths__are_found():
    """That the pattern above finds what it is for."""
    found = [re.findall(rf"`(?:{FOLDERS})/", prose(name)) for name in NAMES]
    assert sum(map(bool, found)) > 20


@pytest.mark.parametrize("name", NAMES)
def test_modules__and_what_is_named_of_them_are_there(name):
    for dotted in re.findall(r"\bdistributed_trf\.[a-z_][\w.]*\w", DOCUMENTS[name]):
        if TO_WRITE.search(dotted) or dotted == "distributed_trf.git":
            continue
        parts = dotted.split(".")
        at = max(k for k in range(len(parts) + 1) if (ROOT / "/".join(parts[:k])).is_dir() or is_module(parts[:k]))
        found = import_module(".".join(parts[:at]))
        for attribute in parts[at:]:
            found = getattr(found, attribute, None)
        assert found is not None or dotted == "distributed_trf.recordings", dotted


def is_module(parts):
    return (ROOT / "/".join(parts)).with_suffix(".py").is_file() if parts else False


@pytest.mark.parametrize("name", NAMES)
def test_functions__are_in_the_file_that_is_named_beside_them(name):
    pairs = re.findall(r"`([\w.]+)`\s+in\s+`(distributed_trf/[\w/]+\.py)`", prose(name))
    for called, path in pairs:
        assert re.search(rf"^(class |def |    def )?{called.rsplit('.', 1)[-1]}\b", (ROOT / path).read_text(), re.M), (
            called
        )
    assert pairs or name != "docs/architecture.md"


@pytest.mark.parametrize("name", NAMES)
def test_links__lead_to_files_that_are_there(name):
    for link in re.findall(r"\]\(([^)#\s]+)\)", DOCUMENTS[name]):
        assert link.startswith("https://") or ((ROOT / name).parent / link).exists(), link


def test_architecture__names_every_folder_of_the_package():
    folders = [p.parent for p in (ROOT / "distributed_trf").glob("*/__init__.py")]
    assert all(f"`{folder.relative_to(ROOT)}/`" in DOCUMENTS["docs/architecture.md"] for folder in folders)


def test_glossary__has_each_term_once():
    cells = [cell for cell in TERM.findall(DOCUMENTS["docs/glossary.md"]) if cell not in ("term", "---")]
    terms = [term.strip() for cell in cells for term in cell.split(",")]
    assert len(terms) > 80
    assert sorted(terms) == sorted(set(terms))
