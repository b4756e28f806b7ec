"""How the sounds of a model are prepared: class and arguments, from the model's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distributed_trf.errors import FeatureError, shown
from distributed_trf.features.probe.special_models import SPECIAL_MODELS, SpecialModel
from distributed_trf.features.weights.preprocessor import OF_CODECS, defaults
from distributed_trf.features.weights.transformers_internals import parts_of, registered_extractor

_NO_MATTER = ("sampling_rate", "return_attention_mask", "padding_side")
"""Arguments that the table gives itself, or that only sounds of several lengths need."""

_AST_SHIFT = 0.01
"""Seconds between two frames of the spectrogram of AST."""


@dataclass(frozen=True)
class Preparation:
    """How sounds are prepared (see ``Tower``)."""

    extractor: str | None
    options: dict[str, Any]
    sfreq: float
    window: float | None
    notes: tuple[str, ...]


def preparation(root: Any, own: Any, content: Mapping[str, Any] | None, source: str) -> Preparation:
    """Return how the sounds of a model are prepared.

    Parameters
    ----------
    root
        Class of the configuration of the whole model.
    own
        Configuration of the part that hears sound.
    content
        Of the file that tells of the extractor; None if there is none.
    source
        Hub id or folder, for errors.

    Raises
    ------
    FeatureError
        If no extractor is known, or the files contradict each other.
    ConfigError
        If transformers needs a library for the extractor that is not installed.
    """
    notes: list[str] = []
    special = SPECIAL_MODELS.get(own.model_type, SpecialModel(""))
    name = (content or {}).get("feature_extractor_type") or special.extractor
    name = name or registered_extractor(root) or registered_extractor(type(own), near=True)
    if name is None:
        raise FeatureError(
            f"{source}: transformers registers nothing that prepares sounds for a model of type {root.model_type}, and "
            "there is no preprocessor_config.json; write a table of family `transformers` that names an extractor"
        )
    if name in OF_CODECS:
        notes.append(f"{name} {OF_CODECS[name].why}; the codec takes samples from {OF_CODECS[name].extractor}")
        name = OF_CODECS[name].extractor
    standard = defaults(name)
    if content is None:
        stated: dict[str, Any] = {**special.options, **_by_the_model(own, standard, special)}
        notes.append(
            f"There is no preprocessor_config.json: sounds are prepared by {name} with "
            + (f"{_listed(stated)} and otherwise its defaults" if stated else "its defaults")
        )
    else:
        stated = dict(content)
    options = {
        key: value
        for key, value in stated.items()
        if key in standard and key not in _NO_MATTER and value != standard[key]
    }
    if options.get("dither", standard.get("dither")):
        notes.append(f"{name} would add noise to sounds (dither); it is off")
        options["dither"] = 0.0
    sfreq = _rate(own, content or {}, standard, source)
    window = _window(own, special, {**standard, **options}, sfreq, source)
    return Preparation(name, options, sfreq, window, tuple(notes))


def _by_the_model(own: Any, standard: Mapping[str, Any], special: SpecialModel) -> dict[str, Any]:
    """Return arguments of the extractor that follow from the model."""
    found: dict[str, Any] = {}
    parts = (own, *(getattr(own, key) for key in parts_of(type(own))))
    bands = next((part.num_mel_bins for part in parts if hasattr(part, "num_mel_bins")), None)
    of_sound = standard.get("feature_size") == 1
    if bands is not None and "num_mel_bins" in standard:
        found["num_mel_bins"] = bands
    if bands is not None and not of_sound:
        found["feature_size"] = bands
    channels = getattr(own, "audio_channels", None)
    if channels is not None and of_sound:
        found["feature_size"] = channels
    hop = getattr(own, "hop_length", None)
    if hop is not None and of_sound and "hop_length" in standard:
        found["hop_length"] = hop
    if hasattr(own, "enable_fusion"):
        found["truncation"] = "fusion" if own.enable_fusion else "rand_trunc"
    if special.window == "max_length":
        found["max_length"] = own.max_length
    if special.window == "chunk_length" and hasattr(own, "max_source_positions"):
        seconds = 2 * own.max_source_positions * standard["hop_length"] / standard["sampling_rate"]
        found["chunk_length"] = int(seconds) if seconds == int(seconds) else seconds
    return {key: value for key, value in found.items() if key in standard and value != standard[key]}


def _rate(own: Any, content: Mapping[str, Any], standard: Mapping[str, Any], source: str) -> float:
    stated = content.get("sampling_rate")
    of_model = getattr(own, "sampling_rate", None) or getattr(own, "sample_rate", None)
    if stated is not None and (isinstance(stated, bool) or not isinstance(stated, int | float) or stated <= 0):
        raise FeatureError(f"{source}: sampling_rate of the extractor is {shown(stated)}, expected hertz; correct it")
    if stated is not None and of_model is not None and stated != of_model:
        raise FeatureError(
            f"{source}: config.json says sampling_rate {shown(of_model)}, but the settings of the extractor say "
            f"{shown(stated)}; let both say the same"
        )
    return float(stated or of_model or standard["sampling_rate"])


def _window(own: Any, special: SpecialModel, options: Mapping[str, Any], sfreq: float, source: str) -> float | None:
    if special.window is None:
        return None
    stated = options[special.window]
    if special.window == "max_length":
        if stated != own.max_length:
            raise _disagree(source, "max_length", own.max_length, special.window, stated)
        return float(stated * _AST_SHIFT)
    if special.window == "chunk_length":
        frames, positions = stated * sfreq / options["hop_length"], getattr(own, "max_source_positions", None)
        if positions is not None and frames != 2 * positions:
            raise _disagree(source, "max_source_positions", positions, special.window, stated)
    return float(stated)


def _disagree(source: str, key: str, value: Any, argument: str, stated: Any) -> FeatureError:
    return FeatureError(
        f"{source}: config.json says {key} {shown(value)}, but the settings of the extractor say {argument} "
        f"{shown(stated)}, which gives sounds of another length; let both say the same"
    )


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in options.items())
