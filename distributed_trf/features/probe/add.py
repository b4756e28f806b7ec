"""Adding a network: its table as a commented YAML file in ``configs/networks``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from distributed_trf.config.extraction import AT, LayerChoice
from distributed_trf.config.fields import Name
from distributed_trf.config.load import Settings, listed, load, validate
from distributed_trf.errors import ConfigError
from distributed_trf.features.probe.find import FoundNetwork, find_network
from distributed_trf.features.table import FOLDER, Layer, NetworkTable
from distributed_trf.store.fingerprint import library_versions

_LINE = 120


@dataclass(frozen=True)
class AddedNetwork:
    """A network that was added."""

    table: NetworkTable
    notes: tuple[str, ...]
    """What was guessed or left out, a sentence each."""
    text: str
    """The table's file."""
    file: Path | None
    """Where it was written; None if it was not."""


def add_network(
    source: str,
    *,
    name: str | None = None,
    revision: str | None = None,
    layers: str = "stack",
    parts: Sequence[str] = (),
    heads: bool = False,
    grid: str = "flatten",
    folder: str | Path = FOLDER,
    dry_run: bool = False,
    replace: bool = False,
) -> AddedNetwork:
    """Make the table of any audio network of transformers from its own files and write it.

    No weights are read: the network is built on shapes alone and passed a few sounds.

    Parameters
    ----------
    source
        Folder with ``config.json``, or id in the Hugging Face hub, such as ``facebook/hubert-base-ls960``.
    name
        Name of the network in studies; by default the last part of ``source``.
    revision
        Commit of the hub id; by default the newest, which is looked up and written down.
    layers
        ``stack`` for the convolutional front end, every block of the main stack and the final norm, ``all`` for every
        module that gives frames, or a regular expression that the whole name of a module matches.
    parts
        Sub-layers of each block as well: ``attention``, ``mlp``.
    heads
        Each head of attention as well, before the output projection mixes them.
    grid
        Of patches that tile frequency and time: ``flatten``, features of all bands side by side, or ``mean``.
    folder
        Where ``NAME.yaml`` is written.
    dry_run
        Write nothing.
    replace
        Write over a table of that name.

    Raises
    ------
    ConfigError
        If there is a table of that name, or the network has no layers as chosen.
    FeatureError
        If the files cannot be had or read, or describe no network that hears sound.
    MissingExtraError
        If torch or transformers is not installed.

    Examples
    --------
    >>> add_network("facebook/hubert-base-ls960", parts=["attention"], heads=True)  # doctest: +SKIP
    """
    content = {"modules": layers, "parts": list(parts), "heads": heads, "grid": grid}
    choice = validate(content, LayerChoice, source=f"layers of {source}")
    name = default_name(source) if name is None else _checked_name(name)
    file = Path(folder) / f"{name}.yaml"
    if not dry_run and not replace and (file.exists() or name in listed(FOLDER)):
        raise ConfigError(
            f"{name}: there is a network of that name already{f', in {file}' if file.exists() else ''}; choose another "
            "with --name, or write over it with --replace"
        )
    found = find_network(source, name, revision=revision, choice=choice)
    text = table_text(found, choice)
    if dry_run:
        return AddedNetwork(found.table, found.notes, text, None)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".yaml.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        load(unfinished, NetworkTable)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return AddedNetwork(found.table, found.notes, text, file)


def default_name(source: str) -> str:
    """Return what a network is called by its source: the last part, in letters that a name may have."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(source).absolute().name).strip("-_.").lower()
    if not name:
        raise ConfigError(f"{source}: give the network a name with --name")
    return name


def _checked_name(name: str) -> str:
    if AT in name:
        raise ConfigError(f"--name {name}: {AT} stands before a network's context; leave it out")
    return validate({"name": name}, _Named, source="dtrf networks add").name


class _Named(Settings):
    name: Name


def table_text(found: FoundNetwork, choice: LayerChoice) -> str:
    """Write a table as YAML, with comments on what each layer is."""
    table = found.table
    versions = " and ".join(f"{name} {version}" for name, version in library_versions("transformers", "torch").items())
    lines = [
        *_comment(f"{table.config['class']} from {table.source}, found out from its own files with {versions}."),
        *_comment(
            f"Layers: {_chosen(choice)}. Rates are in frames per second, receptive fields in ms where the architecture "
            "bounds them. A sound of n samples gives (n + offset) // hop frames."
        ),
        *(line for note in found.notes for line in _comment(f"Note: {note}.")),
        *_fields(table),
        "layers:",
    ]
    for layer in table.layers:
        lines += _wrapped(_entry(layer), found.what[layer.id])
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, _LINE - 2, break_long_words=False, break_on_hyphens=False)]


def _chosen(choice: LayerChoice) -> str:
    text = {"stack": "front end, blocks and final norm", "all": "every module that gives frames"}.get(
        choice.modules, f"modules that match {choice.modules}"
    )
    parts = "".join(f", {part} of each block" for part in choice.parts) + ", each head" * choice.heads
    return text + parts + ", the mean of all bands" * (choice.grid == "mean")


def _fields(table: NetworkTable) -> list[str]:
    content = table.model_dump(exclude={"layers"})
    plain = {key: _short(value) for key, value in content.items() if value is not None}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=_LINE).splitlines()


def _entry(layer: Layer) -> dict[str, Any]:
    first = {"id": layer.id, "name": layer.name, "type": layer.type, "width": layer.width, "rate": _short(layer.rate)}
    rest = layer.model_dump(exclude=set(first), exclude_defaults=True)
    return first | {key: _short(value) for key, value in rest.items()}


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wrapped(entry: Mapping[str, Any], comment: str) -> list[str]:
    """Write a layer in flow style, broken where it is longer than a line, with its comment."""
    parts = [f"{key}: {_flow(value)}" for key, value in entry.items()]
    lines, line = [], "  - { "
    for k, part in enumerate(parts):
        piece = part + (", " if k < len(parts) - 1 else " }")
        if len(line) + len(piece) > _LINE:
            lines.append(line.rstrip())
            line = "      "
        line += piece
    if len(line) + len(comment) + 3 > _LINE:
        return [*lines, line, f"    # ^ {comment}"]
    return [*lines, f"{line} # {comment}"]


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z_][\w.]*", value) and value.lower() not in _WORDS else json.dumps(value)
    return json.dumps(value)


_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
"""Words that YAML takes for something else than text."""
