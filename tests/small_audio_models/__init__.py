"""Every audio model type of transformers at small width, saved as published, and what its blocks give.

The package is not used here: the features that it extracts are held against these.
"""

from __future__ import annotations

import warnings
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from tests.small_audio_models.codec_models import CODEC_MODELS
from tests.small_audio_models.codecs import CODECS
from tests.small_audio_models.conformers import CONFORMERS
from tests.small_audio_models.kind import Kind
from tests.small_audio_models.left_out import REASONS
from tests.small_audio_models.other_towers import OTHER_TOWERS
from tests.small_audio_models.patches import PATCHES
from tests.small_audio_models.speech import SPEECH
from tests.small_audio_models.whisper_towers import WHISPER_TOWERS

__all__ = [
    "REASONS",
    "TYPES",
    "Kind",
    "code_embeddings",
    "hidden_states",
    "loaded",
    "prepared",
    "save",
    "sound_of",
    "stated_states",
]

TYPES: dict[str, Kind] = {**SPEECH, **CONFORMERS, **PATCHES, **WHISPER_TOWERS, **OTHER_TOWERS, **CODECS, **CODEC_MODELS}
"""By model type."""

CODES = 0.05
"""Standard deviation of the entries of codebooks, about that of what they stand for."""
SPREAD = 0.02
"""Noise added to biases and matrices, so that norms and biases are not those that every new model has."""
GAIN = 6**0.5
"""Of convolutions as torch makes them, the factor to weights that keep the power of sound through rectifiers."""


def save(model_type: str, folder: Path, seed: int = 0) -> Path:
    """Write a random model of a type as published: ``config.json``, its weights and ``preprocessor_config.json``."""
    import torch
    import transformers
    from safetensors.torch import save_file

    kind = TYPES[model_type]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        config = getattr(transformers, kind.config[0])(**kind.config[1])
        model = _part(kind, config) if kind.part else getattr(transformers, kind.model)(config)
        for name, weight in model.named_parameters():
            if name.endswith("weight.original0"):  # the length of a convolution's weights
                weight.mul_(GAIN)
            elif weight.ndim > 2 and weight.dtype.is_floating_point:
                weight.normal_(std=(2 / weight[0].numel()) ** 0.5)  # so that sound isn't lost in one bias after another
            elif weight.dtype.is_floating_point:
                weight.add_(SPREAD * torch.randn_like(weight))
        for name, codes in model.named_buffers():
            if name.endswith(("codebook.embed", "codebook.embed_sum")):
                codes.normal_(std=CODES)  # zeros before any training
    if kind.part:
        config.architectures = [kind.model]
        config.save_pretrained(folder)
        named = {f"{kind.tower}.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(named, Path(folder) / "model.safetensors", metadata={"format": "pt"})
    else:
        model.save_pretrained(folder)
    for name in kind.beside:
        torch.save({}, Path(folder) / name)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of mel filters without a frequency
        getattr(transformers, kind.extractor[0])(**kind.extractor[1]).save_pretrained(folder)
    return Path(folder)


def loaded(model_type: str, folder: Path) -> tuple[Any, Any]:
    """The published model of a folder by transformers' own loading, and its part that hears alone."""
    import torch
    import transformers
    from safetensors.torch import load_file

    kind = TYPES[model_type]
    if kind.part:
        tower = _part(kind, getattr(transformers, kind.config[0]).from_pretrained(folder)).float().eval()
        stored = load_file(folder / "model.safetensors").items()
        tower.load_state_dict({name.removeprefix(f"{kind.tower}."): tensor for name, tensor in stored})
        return tower, tower
    model = getattr(transformers, kind.model).from_pretrained(folder, dtype=torch.float32).eval()
    return model, model.get_submodule(kind.tower) if kind.tower else model


def prepared(model_type: str, folder: Path, sound: np.ndarray) -> dict[str, Any]:
    """The extractor's output for one sound, named as the tower's arguments."""
    import torch
    import transformers

    kind = TYPES[model_type]
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        extractor = getattr(transformers, kind.extractor[0]).from_pretrained(folder)
    asked = {"sampling_rate": kind.rate, "return_tensors": "pt", **kind.prepare}
    given = extractor([sound], **{name: value for name, value in asked.items() if value is not None})
    found = {kind.names.get(name, name): value for name, value in given.items()}
    return {
        name: value.to(torch.float32) if torch.is_tensor(value) and value.is_floating_point() else value
        for name, value in found.items()
        if name is not None
    }


def hidden_states(
    model_type: str, folder: Path, sound: np.ndarray, modules: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """What modules of the tower gave for one sound, each in its own axes, the axis of the batch among them.

    Parameters
    ----------
    modules
        Dotted names in the tower; all blocks by default.
    """
    import torch

    kind = TYPES[model_type]
    model, tower = loaded(model_type, folder)
    kept: dict[str, list[np.ndarray]] = {}
    handles = [
        tower.get_submodule(name).register_forward_hook(
            lambda _module, _given, output, name=name: kept.setdefault(name, []).append(_first(output).numpy().copy())
        )
        for name in modules or kind.blocks
    ]
    with torch.no_grad():
        _hear(kind, model, tower, prepared(model_type, folder, sound))
    for handle in handles:
        handle.remove()
    several = {name: len(outputs) for name, outputs in kept.items() if len(outputs) > 1}
    assert not several, f"modules of {model_type} that ran more than once: {several}"
    return {name: kept[name][0] for name in modules or kind.blocks}


def stated_states(model_type: str, folder: Path, sound: np.ndarray) -> list[np.ndarray]:
    """The ``hidden_states`` that the tower itself returns; none where it has no such output."""
    import torch

    kind = TYPES[model_type]
    model, tower = loaded(model_type, folder)
    inputs = {**prepared(model_type, folder, sound), "output_hidden_states": True}
    with torch.no_grad():
        try:
            output = _hear(kind, model, tower, inputs)
        except TypeError:
            return []
    return [state.numpy() for state in getattr(output, "hidden_states", None) or ()]


def code_embeddings(model_type: str, folder: Path, sound: np.ndarray) -> np.ndarray:
    """The embeddings of the codes that a codec makes of one sound, (batch, channel, time)."""
    import torch

    kind = TYPES[model_type]
    model, tower = loaded(model_type, folder)
    with torch.no_grad():
        encoded = _hear(kind, model, tower, prepared(model_type, folder, sound))
        return kind.embed(tower, encoded).numpy()


def sound_of(model_type: str, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    """Noise at the rate of a type, in float32."""
    n = round(seconds * TYPES[model_type].rate)
    return (0.1 * np.random.default_rng(seed).normal(size=n)).astype(np.float32)


def _part(kind: Kind, config: Any) -> Any:
    """The part of a model that hears, new, of the settings that the configuration of the whole has for it."""
    import transformers

    assert kind.part is not None
    name, settings = kind.part
    return getattr(transformers, name)(reduce(getattr, settings.split("."), config))


def _hear(kind: Kind, model: Any, tower: Any, inputs: dict[str, Any]) -> Any:
    return tower(**inputs) if kind.hear is None else kind.hear(model, tower, inputs)


def _first(output: Any) -> Any:
    """The tensor of a module's output, which may be a tuple or one of transformers' own outputs."""
    import torch

    while not torch.is_tensor(output):
        output = output[0]
    return output
