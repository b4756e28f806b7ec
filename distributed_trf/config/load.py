"""YAML to a validated object, with errors that name the file, the field, the value and what was expected."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from distributed_trf.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """YAML whose mappings name each field once; by itself the last of two would win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value]
        doubled = sorted({key for key in keys if keys.count(key) > 1})
        if doubled:
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(doubled)} stands there twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 reads 12:30:00 as a number in base 60, but 08:30:00 as text.
_CLOCK = ("tag:yaml.org,2002:str", re.compile(r"^\d+(:\d+)+$"))
_Loader.yaml_implicit_resolvers = {
    first: [_CLOCK, *resolvers] if first.isdigit() else resolvers
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

T = TypeVar("T", bound="Settings")


class Settings(BaseModel):
    """Base of every settings object: unknown fields are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


def load(path: Path, model: type[T]) -> T:
    """Read a YAML file into a settings object.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML or holds a wrong field or value: all of them at once.
    """
    return validate(read(path), model, source=str(path))


def read(path: Path) -> dict[str, Any]:
    """Read the fields and values of a YAML file.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML or holds something else.
    """
    try:
        content = yaml.load(path.read_text(), _Loader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected fields and values, found {type(content).__name__}")
    return content


def validate(content: dict[str, Any], model: type[T], *, source: str) -> T:
    """Check settings that were read from ``source``."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_describe(problem, model, content) for problem in error.errors()]
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in problems)) from None


def _describe(problem: Any, model: type[BaseModel], content: Any) -> str:
    value = problem["input"]
    shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:77]}..."
    field = _field(problem, content)
    match problem["type"]:
        case "extra_forbidden":
            known = _fields_at(model, problem["loc"][:-1])
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(sorted(known))}"
            return f"{field} = {shown}: unknown field; {hint}"
        case "missing":
            return f"{field}: this field is required"
        case _:
            message = problem["msg"].removeprefix("Value error, ")
            message = f"{message[0].lower()}{message[1:]}"
            return f"{field} = {shown}: {message}" if field else message


def _field(problem: Any, content: Any) -> str:
    """Name the place of a problem by what stands in the file; pydantic puts the branches of unions in between."""
    parts = []
    for part in problem["loc"]:
        if (isinstance(content, dict) and part in content) or (isinstance(content, list) and isinstance(part, int)):
            parts.append(str(part))
            content = content[part]
    if problem["type"] == "missing":
        parts.append(str(problem["loc"][-1]))
    return ".".join(parts)


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the settings object at a place, found by walking the schema."""
    for part in location:
        if not isinstance(part, str) or part not in model.model_fields:
            continue
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return list(model.model_fields)
