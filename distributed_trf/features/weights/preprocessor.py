"""How a network's input is prepared: ``preprocessor_config.json`` next to its weights, or a processor's part."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, NamedTuple

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError, shown
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.transformers_internals import transformers_class
from distributed_trf.features.weights.weight_files import read_json

FILES = ("processor_config.json", "preprocessor_config.json")
"""The first one is used if it has a part called ``feature_extractor``, as in transformers."""

EXTRACTORS = {
    "wav2vec2": "Wav2Vec2FeatureExtractor",
    "whisper": "WhisperFeatureExtractor",
    "speech2text": "Speech2TextFeatureExtractor",
}
"""Classes that prepare sounds, by the family of a table; tables of family ``transformers`` name theirs."""


class _OfCodec(NamedTuple):
    extractor: str
    """What a table may name instead."""
    why: str


OF_CODECS = {
    "KyutaiSpeechToTextFeatureExtractor": _OfCodec("EncodecFeatureExtractor", "delays sounds for a language model"),
    "MusicgenMelodyFeatureExtractor": _OfCodec("EncodecFeatureExtractor", "makes pitch classes for a decoder"),
}
"""Extractors of models around a codec, which the codec itself does not hear through."""

_AS_PUBLISHED = ("whisper", "speech2text")
"""Families whose networks all have the same spectrogram."""

_WHISPER_BANDS = 80
"""Of Whisper's spectrogram up to large-v2; tables of later ones have ``num_mel_bins: 128``."""

_NO_MATTER = ("return_attention_mask",)
"""Settings for sounds of several lengths, which are never prepared together."""


def extractor_settings(table: NetworkTable, settings: NetworkSettings) -> dict[str, Any]:
    """Return the extractor settings in the folder of a network's weights that its table does not have.

    They apply to all kinds of weights. A completed table of family ``transformers`` has them all, those of the hub
    included. Other networks of the hub are prepared as their table says (see ``weights_folder``).

    Returns
    -------
    dict
        Arguments of the class that prepares its sounds, only those that differ from the defaults of the class.

    Raises
    ------
    FeatureError
        As ``folder_extractor_settings`` does.
    """
    source = settings.source or table.source
    return folder_extractor_settings(table, Path(source)) if source is not None and Path(source).is_dir() else {}


def folder_extractor_settings(table: NetworkTable, folder: Path) -> dict[str, Any]:
    """Return the extractor settings in a folder (see ``extractor_settings``).

    Raises
    ------
    FeatureError
        If a file cannot be read, contradicts the network's table, has values that the class of the table does not take,
        or adds random noise.
    MissingExtraError
        If the folder holds such settings and transformers is not installed.
    """
    name = table.config.get("extractor") if table.family == "transformers" else EXTRACTORS.get(table.family)
    file, content = preprocessor_settings(folder)
    if name is None or file is None:
        return {}
    where = f"network table {table.name}"
    kind = content.get("feature_extractor_type", name)
    if kind != name and (kind not in OF_CODECS or OF_CODECS[kind].extractor != name):
        raise FeatureError(
            f"{file}: feature_extractor_type is {shown(kind)}, but {where} prepares sounds with {name}; name the "
            "same class, or give the folder of another network as `source`"
        )
    rate = content.get("sampling_rate", table.sfreq)
    if rate != table.sfreq:
        raise FeatureError(
            f"{file}: sampling_rate is {shown(rate)}, but {where} says sfreq: {table.sfreq:g}; correct the "
            "table, or give the folder of another network as `source`"
        )
    standard = defaults(name)
    in_table = settings_in_table(table)
    stated = {key: value for key, value in content.items() if key in standard and key not in _NO_MATTER}
    if in_table.get("dither") == 0:  # noise is left out whatever the file says
        stated.pop("dither", None)
    for key, value in stated.items():
        expected = in_table.get(key, standard[key])
        if _kind(value) != _kind(expected) and expected is not None:
            raise FeatureError(f"{file}: {key} is {shown(value)}, expected something like {expected!r}; correct it")
        if key == "dither" and value:
            raise FeatureError(f"{file}: dither is {value!r}, noise that is drawn again for every sound; set it to 0")
        if value != expected and (key in in_table or table.family in _AS_PUBLISHED):
            says = (
                f"{where} says {expected!r} in extractor_options"
                if table.family == "transformers"
                else (f"{where} is of family {table.family}, whose input is prepared with {expected!r}")
            )
            raise FeatureError(
                f"{file}: {key} is {value!r}, but {says}; let both say the same, or write a table of family "
                "transformers for this network"
            )
    return {key: value for key, value in stated.items() if value != in_table.get(key, standard[key])}


def settings_in_table(table: NetworkTable) -> dict[str, Any]:
    """Return the extractor settings that a table states, which differ from the defaults of the class."""
    if table.family == "transformers":
        return dict(table.config.get("extractor_options", {}))
    bands = table.config.get("num_mel_bins", _WHISPER_BANDS)
    return {"feature_size": bands} if table.family == "whisper" and bands != _WHISPER_BANDS else {}


def preprocessor_settings(folder: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the file in a folder that says how sounds are prepared, and its settings; None and nothing without one.

    Raises
    ------
    FeatureError
        If it cannot be read.
    """
    for file in (folder / name for name in FILES):
        if file.is_file():
            content = read_json(file, "settings of what prepares sounds")
            if file.name != FILES[0]:
                return file, content
            if isinstance(content.get("feature_extractor"), dict):
                return file, content["feature_extractor"]
    return None, {}


def _kind(value: Any) -> type:
    return {int: float, tuple: list}.get(type(value), type(value))


def defaults(name: str) -> dict[str, Any]:
    """Return the arguments of a class that prepares sounds, with their defaults."""
    arguments = inspect.signature(transformers_class(name).__init__).parameters.values()
    return {"padding_side": "right"} | {a.name: a.default for a in arguments if a.default is not a.empty}
