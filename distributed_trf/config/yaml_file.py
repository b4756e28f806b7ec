"""The one reader of YAML: a bounded number of plain values, and errors that name the file, the line and the remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from distributed_trf.errors import ConfigError, shown

LARGEST = 1 << 18
"""Bytes of a file; the shipped ones have at most four thousand."""
DEEPEST, MOST = 50, 20_000
"""Largest depth of nested values, and largest number of values after replacing each alias (``*name``)."""
_TAG = "tag:yaml.org,2002:"
_EXPECTED = {
    "int": "a whole number of at most 64 bits; write a larger one as 1e22, and text in quotes",
    "float": "a number; correct it, or put text in quotes",
    "bool": "true or false; correct it, or put text in quotes",
    "null": "null; correct it, or put text in quotes",
    "timestamp": "a date that exists; correct it, or put text in quotes",
}
"""What is expected of a value, by the tag that YAML gives it."""


class _Loader(yaml.SafeLoader):
    """YAML for settings.

    Field names are plain text and unique in a mapping. Standard YAML reads ``on`` as True and silently keeps the last
    of two equal names. Dates are text too.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._written = 0
        self._sizes: dict[int, tuple[int, int]] = {}
        """Number of values of a node after replacing aliases, and their depth, by the node's id."""
        self._parents: dict[int, tuple[yaml.Node | None, Any]] = {}
        """The parent of a node, and its field or position there, by the node's id."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read a value, and refuse too large or too deep ones before anything is built."""
        mark = self.peek_event().start_mark
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        self._written += 1
        if self._depth > DEEPEST or self._written > MOST:
            raise _too_much(mark)
        node = super().compose_node(parent, index)
        assert node is not None
        self._depth -= 1
        if is_alias:
            if id(node) not in self._sizes:
                raise ConstructorError(
                    None, None, "an alias refers to a value that contains it; write the value out", mark
                )
            return node
        if isinstance(node, yaml.MappingNode):
            _check_names(node)
        inner = [self._sizes[id(child)] for child in _children(node)]
        size, depth = 1 + sum(n for n, _ in inner), 1 + max((d for _, d in inner), default=0)
        if size > MOST or depth > DEEPEST:
            raise _too_much(mark)
        self._sizes[id(node)], self._parents[id(node)] = (size, depth), (parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Make a mapping with its keys as plain text."""
        return {name: self.construct_object(value, deep=deep) for name, value in self._fields(node).items()}

    def _fields(self, node: yaml.MappingNode) -> dict[str, yaml.Node]:
        """Return the fields of a mapping and those that ``<<`` merges into it; the first of equal names wins.

        The library's own merge depends on which names Python happens to intern (PyYAML 6.0.4).
        """
        direct: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.tag != f"{_TAG}merge":
                direct[key.value] = value
                continue
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(each, yaml.MappingNode):
                    raise self._refused(value, "expected aliases of fields to merge")
                merged = {**self._fields(each), **merged}
        return {**merged, **direct}

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Make a value."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError):
            expected = _EXPECTED.get(node.tag.removeprefix(_TAG), "what its tag says; remove the tag")
            raise self._refused(node, f"expected {expected}") from None

    def _refused(self, node: yaml.Node, why: str) -> ConstructorError:
        """Return the error that names the field and value of a node."""
        parts: list[str] = []
        inner: yaml.Node | None = node
        while inner is not None and id(inner) in self._parents:
            inner, key = self._parents[id(inner)]
            parts += [str(key.value if isinstance(key, yaml.Node) else key)] if key is not None else []
        field = shown(".".join(reversed(parts)), quoted=False)
        value = f" = {shown(node.value)}" if isinstance(node, yaml.ScalarNode) else ""
        return ConstructorError(None, None, f"{field}{value}: {why}", node.start_mark)

    def whole_number(self, node: yaml.ScalarNode) -> int:
        """Make a whole number of at most 64 bits; Python's have no limit, but the code that uses them does."""
        value = int(self.construct_yaml_int(node))
        if abs(value) >= 1 << 63:
            raise OverflowError
        return value

    def date(self, node: yaml.ScalarNode) -> str:
        """Check a date, and return it as written."""
        self.construct_yaml_timestamp(node)
        return str(node.value)

    def refuse(self, node: yaml.Node) -> Any:
        """Refuse a tag that settings do not use."""
        tag = shown(node.tag.replace(_TAG, "!!"), quoted=False)
        raise self._refused(node, f"the tag {tag} is not allowed; write plain text, numbers, lists and fields")


_Loader.yaml_constructors = {
    **{f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"] for kind in ("null", "bool", "float")},
    **{f"{_TAG}{kind}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{kind}"] for kind in ("str", "seq", "map")},
    f"{_TAG}value": yaml.SafeLoader.yaml_constructors[f"{_TAG}str"],  # a lone =
    f"{_TAG}int": _Loader.whole_number,
    f"{_TAG}timestamp": _Loader.date,
    None: _Loader.refuse,
}
# YAML 1.1 reads 12:30:00 as a number in base 60, but 08:30:00 as text.
_CLOCK = (f"{_TAG}str", re.compile(r"^\d+(:\d+)+$"))
_Loader.yaml_implicit_resolvers = {
    first: [_CLOCK, *resolvers] if first.isdigit() else resolvers
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> Any:
    """Read a YAML file: text, numbers, true and false, null, and lists and mappings of them.

    The file is UTF-8, with or without a byte order mark.

    Raises
    ------
    ConfigError
        If it is missing, unreadable or not valid YAML, or too large for settings.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise ConfigError(
            f"{path}: is larger than the {LARGEST >> 10} KiB that settings may have; is it the right file?"
        )
    try:
        text = content.decode("utf-8-sig")
        return yaml.load(text, _Loader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: not valid YAML: line {line}: this is not UTF-8 text; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {_problem_text(error, text)}") from None


def _problem_text(error: yaml.YAMLError, text: str) -> str:
    """Return the line and the problem of an error, in one line."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: the character {chr(error.character)!r} is not allowed in YAML; remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    problem = "; ".join(part for part in (error.problem, error.context) if part)
    return f"{where}{problem}{'; indent with spaces, not with tabs' if repr(chr(9)) in problem else ''}"


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _check_names(node: yaml.MappingNode) -> None:
    """Check that the fields of a mapping have names, each name once."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        mark = key.start_mark
        if not isinstance(key, yaml.ScalarNode):
            problem = "a list or mapping is used as the name of a field; put text with { or [ in quotes"
            raise ConstructorError(None, None, problem, mark)
        if key.value in lines:
            first = f"the first is on line {lines[key.value]}; keep one"
            raise ConstructorError(None, None, f"{shown(key.value, quoted=False)} is given twice; {first}", mark)
        lines[key.value] = mark.line + 1


def _too_much(mark: yaml.Mark) -> ConstructorError:
    problem = f"more than {MOST} values, aliases written out, or nested deeper than {DEEPEST}; no settings need that"
    return ConstructorError(None, None, problem, mark)
