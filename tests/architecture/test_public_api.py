"""What users write keeps its name and form: functions, commands, options and fields, as in ``public_api.txt``."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from difflib import unified_diff
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.main import get_command

import distributed_trf
import distributed_trf.figures
from distributed_trf.cli.app import COMMANDS, app, load
from distributed_trf.clusters.recipe import KINDS
from distributed_trf.config.analyses import WordErrorSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.features.table import NetworkTable
from docs.schema import fields_of

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(__file__).with_name("public_api.txt")
NARGS = {1: "value", -1: "values"}
RENEW = "tests/architecture/test_public_api.py"


def public_api() -> str:
    """Everything that users write, a line each."""
    sections = {
        "distributed_trf": exported(distributed_trf),
        "distributed_trf.figures": exported(distributed_trf.figures),
        "entry points": entry_points(),
        "dtrf": sorted(command_lines("dtrf", get_command(app))),
        "study.yaml": settings_lines(StudySettings),
        "configs/word_errors/*.yaml": settings_lines(WordErrorSettings),
        "configs/networks/*.yaml": settings_lines(NetworkTable),
        **{f"cluster/*.yaml, kind: {kind}": settings_lines(KINDS[kind]) for kind in sorted(KINDS)},
    }
    return "\n\n".join("\n".join([f"[{title}]", *lines]) for title, lines in sections.items()) + "\n"


def exported(module: Any) -> Iterator[str]:
    """Signatures of what a module exports, and those of the methods of classes."""
    for name in sorted(module.__all__):
        member = getattr(module, name)
        yield f"{name}{signature(member)}"
        if not inspect.isclass(member):
            continue
        bases = [cls for cls in reversed(member.__mro__) if cls.__module__.startswith("distributed_trf")]
        for attribute, value in sorted({name: value for cls in bases for name, value in vars(cls).items()}.items()):
            found = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if attribute.startswith("_"):
                continue
            if isinstance(found, property):
                yield f"{name}.{attribute}: {inspect.get_annotations(found.fget)['return']}"
            elif inspect.isfunction(found):
                yield f"{name}.{attribute}{signature(found)}"
        if name == "Study":
            yield from returned(member)


def returned(cls: type) -> Iterator[str]:
    """What can be read of the objects that methods of a class return, whatever those are called."""
    names = vars(import_module(cls.__module__))
    for name, method in sorted(vars(cls).items()):
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        hint = get_type_hints(method, names)["return"]
        held = [arg for of in (hint, *getattr(hint, "__orig_bases__", ())) for arg in get_args(of)]
        parts = [hint, *(one for part in held for one in (part, *get_args(part)))]
        for found in [part for part in parts if is_dataclass(part)]:
            properties = [key for key, value in vars(found).items() if isinstance(value, property | cached_property)]
            listed = sorted([field.name for field in fields(found)] + properties)
            yield f"{cls.__name__}.{name}() gives: {', '.join(one for one in listed if not one.startswith('_'))}"


def signature(function: Any) -> str:
    """Parameters with their types as they are written, and what is returned."""
    return str(inspect.signature(function)).replace("'", "")


def entry_points() -> Iterator[str]:
    """Commands and plug-ins by name; each leads to something that is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group, named in {"console_scripts": project["scripts"], **project["entry-points"]}.items():
        for name, target in sorted(named.items()):
            module, member = target.split(":")
            assert hasattr(import_module(module), member), target
            yield f"{group}: {name}"
    yield from (f"extra: {name}" for name in sorted(project["optional-dependencies"]))


def command_lines(name: str, command: Any) -> Iterator[str]:
    """Arguments and options of a command and of those below it."""
    subcommands = getattr(command, "commands", {})
    yield name
    for parameter in command.params:
        words = "/".join([*parameter.opts, *parameter.secondary_opts])
        kind = (
            "flag" if getattr(parameter, "is_flag", False) else NARGS.get(parameter.nargs, f"{parameter.nargs} values")
        )
        default = "" if parameter.default in (None, False, ()) else f" = {parameter.default}"
        needed = ", required" if parameter.required else default
        yield f"{name} {words}: {kind}{needed}"
    for below in subcommands:
        yield from command_lines(f"{name} {below}", load(below) if below in COMMANDS else subcommands[below])


def settings_lines(model: Any) -> list[str]:
    """Fields of a YAML file with what they may be."""
    return [field.line() for field in fields_of(model)]


def test_public_api__is_as_kept():
    kept, found = KEPT.read_text(), public_api()
    changes = "\n".join(unified_diff(kept.splitlines(), found.splitlines(), "kept", "found", lineterm="", n=0))
    assert found == kept, (
        f"what users write has changed:\n{changes}\nIf it was meant, `python {RENEW}` renews {KEPT.name}; "
        "CHANGELOG.md must say then what changes for whom."
    )


if __name__ == "__main__":
    KEPT.write_text(public_api())
