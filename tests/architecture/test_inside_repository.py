"""Tests, scripts and notebooks find all that they need in the repository: a clone alone passes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = {
    "tests/config/test_load.py",
    "tests/config/test_mutated_files.py",
    "tests/features/test_checkpoint.py",
    "tests/features/test_pickled.py",
}
"""Tests that write ``..`` in a path as what a careless or hostile file may hold."""


def climbed(node: ast.expr, names: dict[str, int]) -> int | None:
    """How many folders above its own file an expression leads; None if it is no path from ``__file__``."""
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Call(func=ast.Name(id="Path"), args=[ast.Name(id="__file__")]):
            return 0
        case ast.Call(func=ast.Attribute(value=value, attr="resolve" | "absolute")):
            return climbed(value, names)
        case ast.Attribute(value=value, attr="parent"):
            found = climbed(value, names)
            return None if found is None else found + 1
        case ast.Subscript(value=ast.Attribute(value=value, attr="parents"), slice=ast.Constant(value=k)):
            found = climbed(value, names)
            return None if found is None else found + k + 1
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant(value=str(below))):
            found = climbed(left, names)
            return None if found is None else found - len(Path(below).parts)
    return None


def leads_above(source: str, depth: int) -> list[int]:
    """Lines of a file, ``depth`` names below the root, on which a path leads out of the repository."""
    names = {"ROOT": depth}
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found = climbed(node.value, names)
            if found is not None:
                names[node.targets[0].id] = found
        if isinstance(node, ast.expr) and (climbed(node, names) or 0) > depth:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("Path(__file__).parents[2]", False),
        ("Path(__file__).resolve().parents[1] / 'data'", False),
        ("Path(__file__).resolve().parents[2].parent / 'data'", True),
        ("Path(__file__).parents[3]", True),
        ("ROOT.parent", True),
        ("(ROOT / 'tests').parent", False),
    ],
)
def test_leads_above__follows_paths(path, above):
    assert bool(leads_above(f"HERE = {path}", 3)) == above


def test_tests__mention_no_path_above_the_repository():
    wrong = []
    for file in sorted(p for folder in ("tests", "scripts", "notebooks") for p in (ROOT / folder).rglob("*")):
        name = str(file.relative_to(ROOT))
        if not file.is_file() or file == Path(__file__) or b"\0" in (content := file.read_bytes()):
            continue
        text = content.decode(errors="replace")
        if name not in HOSTILE and re.search(r"""(?<![\w.])\.\./|["']\.\.["']""", text):
            wrong.append(f"{name}: a path with ..")
        is_python = file.suffix == ".py" or text.startswith("#!/usr/bin/env python3")
        if is_python and ("__file__" in text or "ROOT" in text):
            wrong += [f"{name}:{line}" for line in leads_above(text, len(Path(name).parts))]
        if len(ROOT.parts) > 2 and f"{ROOT.parent}/" in text:
            wrong.append(f"{name}: {ROOT.parent}")
    assert not wrong, "paths lead out of the repository; let a test make what it needs, or keep it in tests/"
