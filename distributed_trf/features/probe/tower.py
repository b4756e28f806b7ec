"""Which class of transformers hears sound in a model, and how its sound is prepared, from the model's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distributed_trf.errors import FeatureError, shown
from distributed_trf.features.probe.preparation import preparation
from distributed_trf.features.probe.special_models import AUDIO_PARTS, SPECIAL_MODELS, SpecialModel
from distributed_trf.features.weights.transformers_internals import (
    as_we_compute,
    config_class,
    models_of,
    part_class,
    parts_of,
    registered_extractor,
    registered_model,
    settings_of_networks,
    transformers_class,
    without_remarks,
)

_HEARD = ("input_values", "input_features", "audio_mel")
"""What models that hear sound call it."""

_OF_ANY_SENSE = ("encoder_config", "encoder")
"""Those of ``AUDIO_PARTS`` under which models of text or images also have a part."""

_OTHERS = ("PreTrained", "For", "WithProjection", "Decoder", "Text", "Vision")
"""What the names of classes have that are no plain model of sound."""


@dataclass(frozen=True)
class Tower:
    """The part of a model that hears sound."""

    model: str
    """Class of transformers without head, such as ``HubertModel`` or ``Qwen2AudioEncoder``."""
    part: str
    """Where its settings are in ``config.json``, dotted, such as ``thinker_config.audio_config``; empty at the top."""
    run: str | None
    """Module to run instead of the whole, such as ``encoder``."""
    architecture: dict[str, Any]
    """Settings that differ from the defaults of the class."""
    extractor: str | None
    """Class that prepares sounds; None if the model takes samples as they are."""
    extractor_options: dict[str, Any]
    """Arguments of that class that differ from its defaults."""
    sfreq: float
    """Sampling rate of the sound, in hertz."""
    window: float | None
    """Seconds that every sound is padded to; None for any length."""
    notes: tuple[str, ...] = ()
    """What was assumed because the files do not tell it, or made otherwise than they say, a sentence each."""
    prefix: str | None = None
    """Of the names of its tensors in a checkpoint that holds several models of the class; None if they are found."""


def audio_tower(config: Mapping[str, Any], preprocessor: Mapping[str, Any] | None, source: str) -> Tower:
    """Find what hears sound in a model.

    Parameters
    ----------
    config
        Content of ``config.json``.
    preprocessor
        Content of ``preprocessor_config.json``, or of the part ``feature_extractor`` of ``processor_config.json``; None
        if there is neither.
    source
        Hub id or folder, for errors.

    Raises
    ------
    FeatureError
        If the model hears no sound, needs code of its own or is of a type that transformers does not know, or if its
        files contradict each other.
    ConfigError
        If transformers needs a library for it that is not installed.
    MissingExtraError
        If transformers is not installed.
    """
    with without_remarks():
        root = _root(config, source)
        _check_not_refused(root.model_type, source)
        outer = SPECIAL_MODELS.get(root.model_type, SpecialModel(""))
        whole = ("", root, config) if outer.model is not None else None
        part, of, content = whole or _part_that_hears(root, config, source)
        _check_not_refused(of.model_type, source)
        special = SPECIAL_MODELS.get(of.model_type, SpecialModel(""))
        model = special.model or _class_without_head(of, source)
        _check_hears(root, part, model, source)
        own = _made(of, content, part, source)
        prepared = preparation(root, own, preprocessor, source)
        run = special.run if special.run is not None else "encoder" if own.is_encoder_decoder else ""
        return Tower(
            model,
            part,
            run or None,
            _differing(own),
            prepared.extractor,
            prepared.options,
            prepared.sfreq,
            prepared.window,
            prepared.notes,
            outer.prefix,
        )


def _root(config: Mapping[str, Any], source: str) -> Any:
    kind = config.get("model_type")
    found = config_class(kind)
    if found is not None:
        return found
    version = transformers_class("__version__")
    if config.get("auto_map"):
        raise FeatureError(
            f"{source}: config.json, model_type {shown(kind)}: the model comes with Python code of its own (auto_map), "
            f"which is not run, and transformers {version} has no model of that type. Choose a copy of it that "
            "transformers knows, or write the network as a torch module and a table of family `module`"
        )
    if kind is None:
        raise FeatureError(
            f"{source}: config.json has no model_type, so it is no model of transformers; write a table of family "
            "`module` for a network of another library"
        )
    raise _unknown(kind, f"{source}: config.json")


def _unknown(kind: Any, where: str) -> FeatureError:
    return FeatureError(
        f"{where}, model_type {shown(kind)}: transformers {transformers_class('__version__')} has no model of that "
        "type; install a version that has, or correct the file"
    )


def _check_not_refused(kind: str, source: str) -> None:
    special = SPECIAL_MODELS.get(kind)
    if special is not None and special.refused:
        raise FeatureError(f"{source}: a model of type {kind} {special.why}; choose a model that hears sound")


def _part_that_hears(root: Any, config: Mapping[str, Any], source: str) -> tuple[str, Any, Mapping[str, Any]]:
    """Return where the settings of the part are, their class, and what the file says of them."""
    path: list[str] = []
    of, content = root, config
    while True:
        parts = parts_of(of)
        key = next((key for key in AUDIO_PARTS if key in parts), None)
        if key is None:
            return ".".join(path), of, content
        path.append(key)
        where, default = ".".join(path), parts[key]
        given = content.get(key, default if default is None else default.to_dict())
        if given is None:
            raise FeatureError(
                f"{source}: a model of type {root.model_type} hears no sound without {where}, and config.json has "
                "none; choose a model that hears sound"
            )
        if not isinstance(given, Mapping):
            raise FeatureError(f"{source}: config.json, {where}: {shown(given)}, expected settings of a network")
        found = part_class(of, key, given)
        if found is None:
            raise _unknown(given.get("model_type"), f"{source}: config.json, {where}")
        of, content = found, given


def _class_without_head(of: Any, source: str) -> str:
    name = registered_model(of)
    if name is not None and "For" not in name:
        return name
    plain = [
        name
        for name, made in models_of(of).items()
        if getattr(made, "config_class", None) is of and not any(word in name for word in _OTHERS)
    ]
    if len(plain) == 1:
        return plain[0]
    raise FeatureError(
        f"{source}: transformers {transformers_class('__version__')} has "
        f"{'no model' if not plain else 'several models, ' + ', '.join(plain)}, for a {of.model_type}; name the class "
        "that hears sound in a table of family `transformers`"
    )


def _check_hears(root: Any, part: str, model: str, source: str) -> None:
    key, takes = part.rpartition(".")[2], transformers_class(model).main_input_name
    if not (key and key not in _OF_ANY_SENSE) and registered_extractor(root) is None and takes not in _HEARD:
        raise FeatureError(
            f"{source}: a model of type {root.model_type} hears no sound: {model} takes {takes}; choose a model that "
            "hears sound"
        )


def _made(of: Any, content: Mapping[str, Any], part: str, source: str) -> Any:
    try:
        return as_we_compute(of(**settings_of_networks(of, content)))
    except Exception as error:  # a wrong file may raise anything
        where = f"config.json, {part}" if part else "config.json"
        raise FeatureError(f"{source}: {where}: not a configuration of {of.__name__}: {error}") from error


def _differing(own: Any) -> dict[str, Any]:
    """Return the settings of a configuration that differ from the defaults of its class, in its parts as well."""
    of = type(own)
    stated, standard = settings_of_networks(of, own.to_dict()), of().to_dict()
    kept = {key: _plain(value) for key, value in stated.items() if _plain(value) != _plain(standard.get(key))}
    fewer = dict(kept)
    for key in parts_of(of).keys() & kept.keys():
        inner = getattr(own, key)
        if hasattr(inner, "to_dict"):
            fewer[key] = {"model_type": inner.model_type} | _differing(inner)
    again = settings_of_networks(of, of(**fewer).to_dict())
    return fewer if _plain(again) == _plain(stated) else kept  # some classes fill their parts by other defaults


def _plain(value: Any) -> Any:
    """Return a value as YAML writes it."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
