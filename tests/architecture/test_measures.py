"""The package keeps its measures: few and full files, no circles, everything annotated, comments where they are due."""

from __future__ import annotations

import ast
import tokenize
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "distributed_trf"
FILES = 377
"""Files that hold more than a docstring."""
FILE_LINES = 320
PACKAGE_LINES = 63_000
ANY_DICTS = 122
"""Annotations ``dict[str, Any]``: for JSON and for arguments of libraries, and nothing else."""
COMMENTED = 0.03
"""Of the lines in ``trf/``, those with a comment that is not for a tool."""
FOR_TOOLS = ("# noqa", "# type:", "# pragma", "# doctest", "# fmt:")

Graph = dict[str, set[str]]


@cache
def sources() -> dict[str, tuple[Path, str, ast.Module]]:
    """Path, text and tree of each module, by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        found[".".join(parts).removesuffix(".__init__")] = (path, text, ast.parse(text))
    return found


def imports() -> Graph:
    """Which modules each one imports, in functions and for types alone too."""
    graph: Graph = {}
    for module, (_, _, tree) in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("distributed_trf."):
                for name in node.names:
                    target = f"{node.module}.{name.name}"
                    target = target if target in sources() else str(node.module)
                    if target != module:
                        graph.setdefault(module, set()).add(target)
    return graph


def test_imports__make_no_circle():
    """Circles between folders side by side are a contract of import-linter's."""
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(f"imports make a circle: {' -> '.join(reversed(error.args[1]))}; move what both need below both")


def test_files__are_few_and_none_is_long():
    full = [path for path, _, tree in sources().values() if len(tree.body) > 1]
    assert len(full) <= FILES
    lines = {str(path.relative_to(ROOT)): text.count("\n") for path, text, _ in sources().values()}
    assert {name: n for name, n in lines.items() if n > FILE_LINES} == {}
    assert sum(lines.values()) <= PACKAGE_LINES


def test_functions__are_all_annotated():
    bare = []
    for module, (_, _, tree) in sources().items():
        of_classes = {id(f) for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for f in c.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                a = node.args
                all_of = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
                static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
                told = all_of[1:] if id(node) in of_classes and not static else all_of
                if node.returns is None or any(one.annotation is None for one in told):
                    bare.append(f"{module}:{node.lineno} {node.name}")
    assert bare == []


def test_dicts_of_anything__are_few():
    found = [m for m, (_, _, tree) in sources().items() for node in ast.walk(tree) if is_any_dict(node)]
    assert len(found) <= ANY_DICTS, f"{len(found)} annotations dict[str, Any], in {', '.join(dict.fromkeys(found))}"


def is_any_dict(node: ast.AST) -> bool:
    """Whether something is written ``dict[str, Any]``."""
    match node:
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[ast.Name(id="str"), ast.Name(id="Any")])):
            return True
    return False


def test_mathematics__is_commented():
    lines = comments = 0
    for path, text, _ in sources().values():
        if path.parent == PACKAGE / "trf":
            lines += text.count("\n")
            with path.open(encoding="utf-8") as file:
                found = [t.string for t in tokenize.generate_tokens(file.readline) if t.type == tokenize.COMMENT]
            comments += sum(not comment.startswith(FOR_TOOLS) for comment in found)
    assert comments >= COMMENTED * lines, f"{comments} comments in {lines} lines of trf/"
