"""What ``config.json`` says of a network, and how that goes together with what its table says."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from distributed_trf.errors import ConfigError, FeatureError, shown
from distributed_trf.features.weights.transformers_internals import (
    as_we_compute,
    names_of_settings,
    settings_of_networks,
)
from distributed_trf.features.weights.weight_files import error_text, read_json

_NOT_ARCHITECTURE = ("decoder_", "vocab_size")
"""Settings that change no layer of the encoder."""


def table_config(config_class: Any, architecture: Mapping[str, Any], network: str) -> Any:
    """Make the configuration of a network from its table alone.

    Raises
    ------
    ConfigError
        If the table has a setting that the class does not know.
    """
    valid = settings_of_networks(config_class, architecture)
    unknown = [key for key in architecture if key not in valid]
    if unknown:
        near = get_close_matches(unknown[0], names_of_settings(config_class), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"network {network}, config: {unknown[0]} = {architecture[unknown[0]]!r} describes no network of "
            f"{config_class.__name__}{hint}"
        )
    return as_we_compute(config_class(**valid))


def folder_config(
    config_class: Any, folder: Path, architecture: Mapping[str, Any], network: str, part: str = ""
) -> Any:
    """Make the configuration of a network from the folder of its weights.

    Parameters
    ----------
    config_class
        The class of the configuration.
    folder
        Holds ``config.json``.
    architecture
        Settings in the network's table; the folder must not contradict them.
    network
        Name of that table, for errors.
    part
        Where the settings of the class are in ``config.json``, dotted; empty for the whole.

    Raises
    ------
    FeatureError
        If the file cannot be read, describes a network of another class, or contradicts the table.
    """
    file = folder / "config.json"
    content = _part(config_class, file, part, network)
    expected = table_config(config_class, architecture, network)
    config = _config(config_class, settings_of_networks(config_class, content), file)
    wrong = [
        f"{key} is {shown(getattr(config, key))} instead of {shown(getattr(expected, key))}"
        for key in architecture
        if not key.startswith(_NOT_ARCHITECTURE) and _plain(getattr(config, key)) != _plain(getattr(expected, key))
    ]
    if wrong:
        raise FeatureError(
            f"{file}: not the architecture of network table {network}: {'; '.join(wrong)}. Give the folder of that "
            "network as `source` in the study, name the network that it is, or leave these out of the table"
        )
    return config


def folder_architecture(config_class: Any, folder: Path, network: str, part: str = "") -> dict[str, Any]:
    """Return the settings in a folder that differ from the defaults of the class, as the file writes them.

    A network that is made from them is the one that the folder describes.

    Raises
    ------
    FeatureError
        If the file cannot be read, or describes a network of another class.
    """
    file = folder / "config.json"
    every = settings_of_networks(config_class, _part(config_class, file, part, network))
    whole = _config(config_class, every, file)
    given = _differing(every, whole, _config(config_class, {}, file))
    # A setting may follow from others that the file has: then its default is to be said as well.
    return given | _differing(every, whole, _config(config_class, given, file))


def _differing(settings: Mapping[str, Any], one: Any, other: Any) -> dict[str, Any]:
    return {
        key: value
        for key, value in settings.items()
        if _plain(getattr(one, key, None)) != _plain(getattr(other, key, None))
    }


def _part(config_class: Any, file: Path, part: str, network: str) -> dict[str, Any]:
    """Return the settings of a class in a file, which must be of that class."""
    content = read_json(file, "the configuration of a network")
    for name in part.split(".") if part else ():
        inner = content.get(name)
        if not isinstance(inner, dict):
            raise FeatureError(
                f"{file}: has no settings at {part!r}, where network {network} takes them from; correct `part` in its "
                "table, or give the folder of that network as `source` in the study"
            )
        content = inner
    kind = content.get("model_type", config_class.model_type if part else None)
    if kind != config_class.model_type:
        where = f"{part}.model_type" if part else "model_type"
        raise FeatureError(
            f"{file}: {where} is {shown(kind)}, but network {network} is a "
            f"{config_class.model_type!r}; give the folder of its weights as `source` in the study"
        )
    return content


def _config(config_class: Any, settings: Mapping[str, Any], file: Path) -> Any:
    try:
        return as_we_compute(config_class(**settings))
    except Exception as error:  # a wrong file may raise anything
        raise FeatureError(f"{file}: not a configuration of {config_class.__name__}: {error_text(error)}") from error


def _plain(value: Any) -> Any:
    """Return a value with configurations as dicts, and tuples as the lists that files have for them."""
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple | list) else value
