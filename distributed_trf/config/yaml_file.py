"""The one reader of YAML: plain values of a bounded number, and errors that name the file, the line and the remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from distributed_trf.errors import ConfigError, shown

LARGEST = 1 << 18
"""Bytes of a file; those that ship have four thousand at most."""
DEEPEST, MOST = 50, 20_000
"""How deep values may nest, and how many there may be once each alias (``*name``) is written out."""
_TAG = "tag:yaml.org,2002:"
_EXPECTED = {
    "int": "a whole number of at most 64 bits; write a larger one as 1e22, and text in quotes",
    "float": "a number; correct it, or put text in quotes",
    "bool": "true or false; correct it, or put text in quotes",
    "null": "null; correct it, or put text in quotes",
    "timestamp": "a date that exists; correct it, or put text in quotes",
}
"""What a value is that YAML takes for one of a tag."""


class _Loader(yaml.SafeLoader):
    """YAML as settings need it.

    The names of fields are text as it stands there, each once in a mapping, where YAML by itself takes ``on`` for True
    and lets the last of two win silently. Dates are text too.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._written = 0
        self._sizes: dict[int, tuple[int, int]] = {}
        """How many values a node holds once aliases are written out, and how deep they nest, by its id."""
        self._places: dict[int, tuple[yaml.Node | None, Any]] = {}
        """What holds a node, and where in that: its field or position, by its id."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read a value, and refuse what would be too much of it before anything is made."""
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
                raise ConstructorError(None, None, "an alias stands for what it is part of; write it out", mark)
            return node
        if isinstance(node, yaml.MappingNode):
            _check_names(node)
        inner = [self._sizes[id(child)] for child in _children(node)]
        size, depth = 1 + sum(n for n, _ in inner), 1 + max((d for _, d in inner), default=0)
        if size > MOST or depth > DEEPEST:
            raise _too_much(mark)
        self._sizes[id(node)], self._places[id(node)] = (size, depth), (parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Make a mapping, its keys as they stand there."""
        return {name: self.construct_object(value, deep=deep) for name, value in self._fields(node).items()}

    def _fields(self, node: yaml.MappingNode) -> dict[str, yaml.Node]:
        """Return what stands in a mapping and what ``<<`` merges into it, of which what comes first wins.

        The library's own way depends on which names Python happens to keep once (PyYAML 6.0.4).
        """
        own: dict[str, yaml.Node] = {}
        merged: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if key.tag != f"{_TAG}merge":
                own[key.value] = value
                continue
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(each, yaml.MappingNode):
                    raise self._refused(value, "expected aliases of fields to merge")
                merged = {**self._fields(each), **merged}
        return {**merged, **own}

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
        while inner is not None and id(inner) in self._places:
            inner, at = self._places[id(inner)]
            parts += [str(at.value if isinstance(at, yaml.Node) else at)] if at is not None else []
        field = shown(".".join(reversed(parts)), quoted=False)
        value = f" = {shown(node.value)}" if isinstance(node, yaml.ScalarNode) else ""
        return ConstructorError(None, None, f"{field}{value}: {why}", node.start_mark)

    def whole_number(self, node: yaml.ScalarNode) -> int:
        """Make a whole number; Python's have no limit, but all that takes them has."""
        value = int(self.construct_yaml_int(node))
        if abs(value) >= 1 << 63:
            raise OverflowError
        return value

    def date(self, node: yaml.ScalarNode) -> str:
        """Check a date, and leave it as it is written."""
        self.construct_yaml_timestamp(node)
        return str(node.value)

    def refuse(self, node: yaml.Node) -> Any:
        """Refuse what has no place in settings."""
        tag = shown(node.tag.replace(_TAG, "!!"), quoted=False)
        raise self._refused(node, f"the tag {tag} is not taken; write plain text, numbers, lists and fields")


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
    """Read what a YAML file holds: text, numbers, true and false, null, and lists and mappings of them.

    It is UTF-8 on every machine, with or without a byte order mark.

    Raises
    ------
    ConfigError
        If it is missing, cannot be read or is not valid YAML, or holds more than settings do.
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
        raise ConfigError(f"{path}: not valid YAML: {_told(error, text)}") from None


def _told(error: yaml.YAMLError, text: str) -> str:
    """Say where a file is wrong, in a line."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: the character {chr(error.character)!r} has no place in YAML; remove it"
    if not isinstance(error, yaml.MarkedYAMLError):
        return " ".join(str(error).split())
    mark = error.problem_mark or error.context_mark
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    told = "; ".join(part for part in (error.problem, error.context) if part)
    return f"{where}{told}{'; indent with spaces, not with tabs' if repr(chr(9)) in told else ''}"


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _check_names(node: yaml.MappingNode) -> None:
    """Check that the fields of a mapping have names, and each its own."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        mark = key.start_mark
        if not isinstance(key, yaml.ScalarNode):
            problem = "a list or mapping stands where the name of a field should; put text with { or [ in quotes"
            raise ConstructorError(None, None, problem, mark)
        if key.value in lines:
            first = f"the first is on line {lines[key.value]}; keep one"
            raise ConstructorError(None, None, f"{shown(key.value, quoted=False)} stands there twice; {first}", mark)
        lines[key.value] = mark.line + 1


def _too_much(mark: yaml.Mark) -> ConstructorError:
    problem = f"more than {MOST} values, aliases written out, or nested deeper than {DEEPEST}; no settings need that"
    return ConstructorError(None, None, problem, mark)
