"""How prepared sounds enter a model of transformers: the arguments of its forward pass, by their names.

Models that hear sound differ in what they call their input, in which masks they take, and in how sounds are packed.
Sounds of a pass have one length, so a mask says only what an extractor has padded.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import FeatureError
from distributed_trf.features.device import to_model

if TYPE_CHECKING:
    import torch

_MASKS = ("attention_mask", "padding_mask", "input_features_mask", "input_values_mask", "audio_attention_mask", "mask")
"""Names of masks that are true within a sound."""

_PADDING = "audio_mel_mask"
"""A mask that is true in the padding."""

_AS_WHOLE = MappingProxyType({"use_cache": False, "sample": False})
"""Arguments that streaming and random encoders take: the whole sound at once, without noise."""

_NO_MASK = frozenset(("WhisperEncoder", "VoxtralEncoder", "MossTranscribeDiarizeAudioModel"))
"""Encoders that attend to the padding of their window as well: their models give them no mask."""

_ALWAYS_MASK = frozenset(("MoonshineStreamingEncoder",))
"""Encoders whose attention looks ahead and back by the published number of frames only where they are given a mask."""


def forward_arguments(
    module: Any,
    extractor: Any,
    tensors: Mapping[str, torch.Tensor],
    window: float | None,
    device: str,
    dtype: torch.dtype,
) -> dict[str, Any]:
    """Return the arguments of the forward pass of a module.

    Parameters
    ----------
    module
        What runs.
    extractor
        What prepared the sounds; None for samples.
    tensors
        From ``prepared_tensors``.
    window
        Seconds that the extractor pads sounds to; None for sounds of any length.
    device, dtype
        Of the module.

    Raises
    ------
    FeatureError
        If the module needs what the extractor does not give.
    """
    taken = _parameters(type(module))
    main = main_tensor(extractor, tensors)
    values, mask = tensors[main], next((tensors[name] for name in tensors if name in _MASKS), None)
    values, mask = _padded(module, values, mask)
    first = main if main in taken else next(iter(taken))
    if "feature_lens" in taken:
        found = dict(zip((first, "feature_lens"), _packed(values, mask), strict=True))
    else:
        found = {first: values}
        found |= {name: value for name, value in tensors.items() if name in taken and name not in (main, *_MASKS)}
        found |= _mask_arguments(module, values, mask, window, device)
    if "is_longer" in found:  # sounds that are longer than the window are refused, and one would be drawn at random
        found["is_longer"] = found["is_longer"].new_zeros((values.shape[0], 1)).bool()
    missing = [name for name, parameter in taken.items() if _required(parameter) and name not in found]
    if missing:
        raise FeatureError(
            f"{type(module).__name__} needs {', '.join(missing)}, which "
            f"{'samples have' if extractor is None else f'{type(extractor).__name__} gives'} not; name the class that "
            "prepares its sounds as `extractor` in the network's table, or the module that hears them as `run`"
        )
    return {
        name: to_model(value, device, dtype if value.is_floating_point() else None) if value is not None else None
        for name, value in found.items()
    } | {name: value for name, value in _AS_WHOLE.items() if name in taken}


def _parameters(kind: Any) -> Mapping[str, inspect.Parameter]:
    every = inspect.signature(kind.forward).parameters
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: parameter for name, parameter in every.items() if name != "self" and parameter.kind in named}


def _required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and "None" not in str(parameter.annotation)


def masks(module: Any) -> list[str]:
    """Return the names of what a module takes that say where a sound ends."""
    return [name for name in _parameters(type(module)) if name in (*_MASKS, _PADDING, "feature_lens")]


def main_tensor(extractor: Any, tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the name of what an extractor makes of the sound itself."""
    names = extractor.model_input_names if extractor is not None else ()
    return next((name for name in names if name in tensors), next(iter(tensors)))


def _mask_arguments(
    module: Any, values: torch.Tensor, mask: torch.Tensor | None, window: float | None, device: str
) -> dict[str, Any]:
    """Return the mask, if the module takes one, and there is padding or it cannot do without."""
    import torch

    name = next(iter(masks(module)), None)
    if name is None or type(module).__name__ in _NO_MASK:
        return {}
    parameter = _parameters(type(module))[name]
    needs = _required(parameter) or (type(module).__name__ in _ALWAYS_MASK and device != "meta")
    if mask is None:
        mask = torch.ones(values.shape[:2], dtype=torch.bool) if needs else None
    elif not needs and (device == "meta" or (window is None and bool(mask.all()))):
        mask = None  # on torch's meta device only shapes count
    if mask is None:
        return {name: None} if parameter.default is parameter.empty else {}
    if type(module).__name__ == "Qwen2AudioEncoder":
        return {name: _added_mask(module, mask)}
    return {name: ~mask.bool() if name == _PADDING else mask}


def _added_mask(module: Any, mask: torch.Tensor) -> torch.Tensor:
    """Return what Qwen2-Audio adds to the attention of its encoder: the least number where a key is padding."""
    import torch

    dtype = next(module.parameters()).dtype
    frames = (mask.shape[1] - 2) // 2 + 1
    valid = torch.arange(frames) < ((mask.sum(-1) - 1) // 2 + 1)[:, None]
    return torch.zeros(valid.shape, dtype=dtype).masked_fill(~valid, torch.finfo(dtype).min)[:, None, None]


def _packed(values: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the spectrograms of all sounds one after the other, without padding, and their lengths."""
    import torch

    n_sounds, n_bands, n_frames = values.shape
    within = n_frames if mask is None else int(mask[0].sum())
    return values[:, :, :within].transpose(0, 1).reshape(n_bands, -1), torch.full((n_sounds,), within)


def _padded(module: Any, values: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Pad the frames of a spectrogram to whole steps of a model whose own processor does it, and not its extractor."""
    import torch

    if type(module).__name__ != "Nemotron3_5TranscribeAudioModel":
        return values, mask
    more = -values.shape[1] % module.config.subsampling_factor
    mask = torch.ones(values.shape[:2], dtype=torch.long) if mask is None else mask
    return torch.nn.functional.pad(values, (0, 0, 0, more)), torch.nn.functional.pad(mask, (0, more))
