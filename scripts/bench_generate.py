"""Features of an encoder as the published analysis took them: hooks while the network generates text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    Speech2TextConfig,
    Speech2TextFeatureExtractor,
    Speech2TextForConditionalGeneration,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from distributed_trf.features.table import Layer, NetworkTable

LIMITS = {"whisper_tiny": 400, "whisper_base": 400, "speech2text": 200}
"""Tokens that each network may generate at most, as published."""
BEAMS = 5
"""With which Speech2Text generates, by its published configuration."""


def generating(table: NetworkTable, seed: int = 0) -> Any:
    """Make a network of a table with random weights, decoder and all, that can generate."""
    torch.manual_seed(seed)
    if table.family == "speech2text":
        return Speech2TextForConditionalGeneration(Speech2TextConfig(**table.config)).eval()
    model = WhisperForConditionalGeneration(WhisperConfig(**table.config)).eval()
    # What the published files say of special tokens: generation first guesses the language, then transcribes.
    model.generation_config.update(
        is_multilingual=True,
        lang_to_id={"<|en|>": 50259, "<|zh|>": 50260},
        task_to_id={"transcribe": 50359, "translate": 50358},
        no_timestamps_token_id=50363,
        decoder_start_token_id=50258,
        eos_token_id=50257,
        pad_token_id=50257,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    return model


def published_features(
    model: Any, table: NetworkTable, sound: np.ndarray, layers: Sequence[Layer], tokens: int, device: str
) -> dict[int, np.ndarray]:
    """Hear one sound by generating exactly that many tokens, and keep what the encoder's modules gave."""
    kept: dict[int, torch.Tensor] = {}
    handles = [
        model.model.get_submodule(layer.name).register_forward_hook(
            lambda _m, _i, out, layer=layer: kept.update({layer.id: out[0].T if layer.time_last else out[0]})
        )
        for layer in layers
    ]
    hear = Speech2TextFeatureExtractor() if table.family == "speech2text" else WhisperFeatureExtractor()
    inputs = hear(sound, sampling_rate=16_000, return_tensors="pt").input_features.to(device)
    beams = BEAMS if table.family == "speech2text" else 1
    with torch.no_grad():
        model.generate(inputs, num_beams=beams, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
    for handle in handles:
        handle.remove()
    return {layer: frames.cpu().numpy() for layer, frames in kept.items()}
