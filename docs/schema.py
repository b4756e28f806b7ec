"""What may be written in a YAML file, in words, from the settings classes that check it."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


class FieldWords(NamedTuple):
    """One field, by its path in the file."""

    path: str
    kind: str
    """What it may be."""
    required: bool
    default: str
    """As JSON; empty where it is required or made anew."""
    model: str
    """Name of the settings class that has it; empty at the top."""

    def line(self) -> str:
        """All of it in a line."""
        needed = ", required" if self.required else ""
        return f"{self.path}: {self.kind}{needed}{f' = {self.default}' if 0 < len(self.default) < 57 else ''}"


def fields_of(model: type[BaseModel]) -> Iterator[FieldWords]:
    """Yield the fields of a settings class and of those in it, in the order of the file."""
    schema = model.model_json_schema()
    yield from _fields(schema, schema.get("$defs", {}), "", "")


def _fields(part: Any, defs: Any, path: str, model: str) -> Iterator[FieldWords]:
    for name, field in part["properties"].items():
        below: list[tuple[str, str]] = []
        kind = _kind(field, defs, f"{path}{name}", below)
        default = json.dumps(field["default"]) if "default" in field else ""
        yield FieldWords(f"{path}{name}", kind, name in part.get("required", ()), default, model)
        for where, below_model in below:
            yield from _fields(defs[below_model], defs, f"{where}.", below_model)


def _kind(field: Any, defs: Any, path: str, below: list[tuple[str, str]]) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        if "properties" in defs[name]:
            below.append((path, name))
            return "fields"
        return _kind(defs[name], defs, path, below)
    if "anyOf" in field or "oneOf" in field:
        return " | ".join(_kind(one, defs, path, below) for one in field.get("anyOf", field.get("oneOf")))
    if "enum" in field or "const" in field:
        return " | ".join(json.dumps(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        least = f" of {field['minItems']} or more" if "minItems" in field else ""
        return f"list{least} [{_kind(field.get('items', {}), defs, f'{path}[]', below)}]"
    bounds = [f" {sign} {field[limit]:g}" for limit, sign in LIMITS.items() if limit in field]
    return field.get("type", "any") + ",".join(bounds)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what stands below each field in the code of a settings class and of those that it extends."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not issubclass(cls, BaseModel) or cls is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]  # the source is a class
        for statement, following in zip(body, body[1:], strict=False):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                text = getattr(getattr(following, "value", None), "value", None)
                if isinstance(following, ast.Expr) and isinstance(text, str):
                    found[statement.target.id] = inspect.cleandoc(text)
    return found


def models_in(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the settings classes that may stand in one, by name, with itself."""
    found = {model.__name__: model}
    waiting = [model]
    while waiting:
        for field in waiting.pop().model_fields.values():
            for part in _classes(field.annotation):
                if part.__name__ not in found:
                    found[part.__name__] = part
                    waiting.append(part)
    return found


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _classes(part)
