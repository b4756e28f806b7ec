"""How the classes of transformers that prepare sounds are called, for sounds of one length."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.model_inputs import main_tensor, masks

if TYPE_CHECKING:
    import torch

_TOO_SHORT = ("Kernel size can't be greater", "Padding size should be less", "Output size is too small", "is too small")
"""What torch says where fewer frames are left than a convolution or a pooling takes."""

CALLS: Mapping[str, Callable[[Any], dict[str, Any]]] = MappingProxyType(
    {
        "Qwen2_5OmniAudioEncoder": lambda config: {"padding": "max_length"},
        "Qwen3ASREncoder": lambda config: {"n_window": config.n_window},
        "MoonshineStreamingEncoder": lambda config: {
            "pad_to_multiple_of": round(config.frame_ms * config.sample_rate / 1000)
        },
    }
)
"""Arguments with which the processor of a model calls its extractor, by the class that hears sound."""


def prepared_tensors(
    module: Any, extractor: Any, sounds: Sequence[np.ndarray], sfreq: float, window: float | None, network: str
) -> dict[str, torch.Tensor]:
    """Return the tensors that an extractor makes of sounds of one length.

    Parameters
    ----------
    module
        What runs.
    extractor
        None for a model that takes samples.
    sounds
        Each of shape (n_samples,) at ``sfreq``.
    sfreq
        In hertz.
    window
        Seconds that the extractor pads sounds to; None for sounds of any length, which are padded no further than the
        model needs.
    network
        Its name, for errors.

    Raises
    ------
    FeatureError
        If the extractor cannot take the sounds, or cuts them into pieces.
    """
    import torch

    if extractor is None:
        return {"input_values": torch.from_numpy(np.stack(sounds))}
    accepted = inspect.signature(type(extractor).__call__).parameters
    wanted: dict[str, Any] = {"sampling_rate": int(sfreq), "return_tensors": "pt", "return_attention_mask": True}
    if window is None:
        wanted["padding"] = True
    if "truncation" in accepted and accepted["truncation"].default is True:
        wanted["truncation"] = False
    if not masks(module):
        del wanted["return_attention_mask"]
    made_for = CALLS.get(type(module).__name__)
    wanted |= made_for(module.config) if made_for is not None else {}
    given = [np.stack([sound] * 2) for sound in sounds] if _channels(extractor) == 2 else list(sounds)
    try:
        found = extractor(given, **{key: value for key, value in wanted.items() if key in accepted})
    except Exception as error:  # each has its own way to say that a sound is too short
        raise cannot_take(network, sounds[0].shape[0], sfreq, f"{type(extractor).__name__}: {error}") from error
    tensors = {key: torch.as_tensor(value) for key, value in found.items() if hasattr(value, "shape")}
    values = tensors[main_tensor(extractor, tensors)]
    if values.shape[0] != len(sounds):
        pieces = values.shape[0] / len(sounds)
        raise cannot_take(
            network, sounds[0].shape[0], sfreq, f"{type(extractor).__name__} cuts it into {pieces:g} pieces"
        )
    return tensors


def as_whole(module: Any, extractor: Any) -> None:
    """Have a codec that cuts sounds into pieces hear them whole, as its other kinds do."""
    for holder in (*(inner.config for inner in module.modules() if hasattr(inner, "config")), extractor):
        if getattr(holder, "chunk_length_s", None) is not None:
            holder.chunk_length_s = None


@contextmanager
def clear_if_too_short(network: str, n_samples: int, sfreq: float) -> Iterator[None]:
    """Say of a forward pass in the block that the sound is too short, if that is why it fails.

    Raises
    ------
    FeatureError
        In that case.
    """
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error) for words in _TOO_SHORT):
            raise cannot_take(network, n_samples, sfreq, f"it is too short for a layer: {error}") from error
        raise


def cannot_take(network: str, n_samples: int, sfreq: float, why: str) -> FeatureError:
    """Return the error that a network cannot take a sound."""
    return FeatureError(
        f"{network} cannot take a sound of {n_samples} samples ({n_samples / sfreq:.3g} s, leading silence included): "
        f"{why.rstrip('. ')}. Leave the stimulus or the network out of the study"
    )


def _channels(extractor: Any) -> int:
    """Return how many channels of samples an extractor takes; only EnCodec's takes two."""
    return int(extractor.feature_size) if hasattr(extractor, "chunk_length_s") else 1
