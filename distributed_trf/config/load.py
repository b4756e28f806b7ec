"""Finding YAML files and validating them, with errors that name the file, the field, the value and what was expected.

A file is an explicit path, or a name in the working directory, or a name in the shipped ``configs/`` and ``cluster/``.
"""

from __future__ import annotations

import difflib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from distributed_trf.config.fields import FOLDER
from distributed_trf.config.yaml_file import read_yaml
from distributed_trf.errors import ConfigError, shown

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(folder: str) -> Path:
    """Return the folder of YAML files that came with the package.

    A wheel holds it inside the package; in a checkout it is next to the package.
    """
    inside = PACKAGE / "_shipped" / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def locate(name: str | Path, folder: str) -> Path:
    """Find a YAML file by path, or by name in ``./folder`` and then in the shipped folder.

    Raises
    ------
    ConfigError
        If it is not found, naming the paths searched and the names that exist.
    """
    given = Path(name)
    is_yaml = given.suffix in {".yaml", ".yml"}
    file = given if is_yaml else Path(f"{name}.yaml")
    paths = [Path(folder) / file, shipped(folder) / file]
    # A single word is first taken as a name: a file of weights may have the name of its network.
    paths.insert(0 if is_yaml or len(given.parts) > 1 else 2, given)
    try:
        for path in paths:
            if path.is_file():
                return path
    except OSError as error:  # no permission, or not a valid name, such as the text of a file
        raise ConfigError(f"{shown(str(name), quoted=False)}: cannot be searched for: {error.strerror}") from error
    found = [path for pattern in ("*.yaml", "examples/*.yaml") for path in sorted(shipped(folder).glob(pattern))]
    names = [path.relative_to(shipped(folder)).with_suffix("").as_posix() for path in found]
    searched = ", ".join(str(path) for path in paths)
    near = get_close_matches(given.stem, listed(folder), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    problem = "is a folder, not a YAML file" if given.is_dir() else "no such file"
    raise ConfigError(f"{name}: {problem}; looked for {searched}.{hint} Shipped in {folder}/: {', '.join(names)}")


def listed(folder: str) -> list[str]:
    """Return the names that ``locate`` finds in a folder, those of the working directory and those that ship."""
    return sorted({path.stem for root in (Path(folder), shipped(folder)) for path in root.glob("*.yaml")})


LISTED = 20
"""Problems of a file that are listed; the rest is only counted."""

T = TypeVar("T", bound="Settings")


class Settings(BaseModel):
    """Base of every settings object: unknown fields are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


def paths_from(file: Path, folder: str) -> Path:
    """Return what relative paths in a file are from: the folder that it is in.

    Of a file in ``configs/`` it is what that folder is in, and of one that ships the working directory.
    """
    inside, parts = file.absolute().parent, Path(folder).parts
    if shipped(folder).resolve() in (inside.resolve(), *inside.resolve().parents):
        return Path.cwd()
    return inside.parents[len(parts) - 1] if inside.parts[-len(parts) :] == parts else inside


def load(path: Path, model: type[T], *, folder: Path | None = None) -> T:
    """Read a YAML file into a settings object.

    Parameters
    ----------
    path, model
        The file, and what it describes.
    folder
        What relative paths in it are from; by default the working directory.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML or holds a wrong field or value: all of them at once.
    """
    return validate(read(path), model, source=str(path), folder=folder)


def read(path: Path) -> dict[str, Any]:
    """Read the fields and values of a YAML file.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML or holds something else.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected fields and values, found {type(content).__name__}")
    return content


def validate(content: dict[str, Any], model: type[T], *, source: str, folder: Path | None = None) -> T:
    """Check settings that were read from ``source``."""
    try:
        return model.model_validate(content, context={FOLDER: folder})
    except ValidationError as error:
        problems = [_describe(problem, model, content) for problem in error.errors(include_url=False)[:LISTED]]
        more = error.error_count() - LISTED
        problems += [f"and {more} more problems"] if more > 0 else []
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in problems)) from None


def _describe(problem: Any, model: type[BaseModel], content: Any) -> str:
    value = problem["input"]
    field = _field(problem, content)
    message = _message(problem, model, value)
    if not field or problem["type"] == "missing":
        return f"{field}{': ' if field else ''}{message}"
    return f"{field} = {shown(value)}: {message}"


def _message(problem: Any, model: type[BaseModel], value: Any) -> str:
    """Say what was expected and, if possible, what to write instead."""
    match problem["type"]:
        case "extra_forbidden":
            names = _fields_at(model, problem["loc"][:-1])
            near = difflib.get_close_matches(str(problem["loc"][-1])[:80], names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(sorted(names))}"
            return f"unknown field; {hint}"
        case "missing":
            return "this field is required"
        case "list_type" if value is not None and not isinstance(value, dict):
            return f"expected a list; write [{shown(value, quoted=False)}]"
        case "model_type":
            names = _fields_at(model, problem["loc"])
            hint = f"; write {{name: {value}}}" if isinstance(value, str) and names[0] == "name" else ""
            return f"expected fields of its own, among {', '.join(names)}{shown(hint, quoted=False)}"
        case "string_type" if isinstance(value, bool | int | float):
            return "expected text; put it in quotes"
    message = shown(problem["msg"].removeprefix("Value error, "), 400, quoted=False)
    return f"{message[0].lower()}{message[1:]}"


def _field(problem: Any, content: Any) -> str:
    """Return the path of a problem in the file; pydantic's branches of unions are left out."""
    parts = []
    for part in problem["loc"]:
        if (isinstance(content, dict) and part in content) or (isinstance(content, list) and isinstance(part, int)):
            parts.append(shown(str(part), quoted=False))
            content = content[part]
    if problem["type"] == "missing":
        parts.append(str(problem["loc"][-1]))
    return ".".join(parts)


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Return the field names of the settings object at a path, by walking the schema."""
    for part in location:
        if not isinstance(part, str) or part not in model.model_fields:
            continue
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return list(model.model_fields)
