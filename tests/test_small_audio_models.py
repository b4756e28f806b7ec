"""The small audio models: all of transformers' audio types, the same each time, and heard as the models say."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open

from tests.small_audio_models import (
    REASONS,
    TYPES,
    code_embeddings,
    hidden_states,
    loaded,
    prepared,
    save,
    sound_of,
    stated_states,
)


def test_every_audio_model_type__is_small_or_left_out_for_a_reason():
    from transformers import FEATURE_EXTRACTOR_MAPPING

    registered = {config.model_type for config in FEATURE_EXTRACTOR_MAPPING}
    assert registered <= set(TYPES) | set(REASONS)
    assert not set(TYPES) & set(REASONS)


@pytest.mark.parametrize(
    "model_type", ["hubert", "parakeet_ctc", "audio-spectrogram-transformer", "qwen3_omni_moe", "mimi"]
)
def test_hidden_states__are_those_that_the_model_itself_returns(model_type, tmp_path):
    folder, sound = save(model_type, tmp_path), sound_of(model_type, 0.7)
    stated = stated_states(model_type, folder, sound)
    heard = hidden_states(model_type, folder, sound)
    assert tuple(heard) == TYPES[model_type].blocks
    for state, found in zip(stated[1:], heard.values(), strict=True):
        np.testing.assert_array_equal(found, state)
        tokens = found.reshape(-1, found.shape[-1])
        assert tokens.std(0).mean() > 0.1 * np.abs(tokens).mean()  # what is heard, not biases alone


def test_code_embeddings__are_what_the_decoder_begins_with(tmp_path):
    import torch

    folder, sound = save("encodec", tmp_path), sound_of("encodec", 0.7)
    model, _ = loaded("encodec", folder)
    given = []
    model.decoder.register_forward_pre_hook(lambda _module, values: given.append(values[0].numpy().copy()))
    with torch.no_grad():
        model(**prepared("encodec", folder, sound))
    embeddings = code_embeddings("encodec", folder, sound)
    np.testing.assert_array_equal(embeddings, given[0])
    assert len(np.unique(embeddings[0].T, axis=0)) > 10


def test_part_of_a_whole__is_written_under_the_names_it_has_in_the_whole(tmp_path):
    save("gemma3n", tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["Gemma3nForConditionalGeneration"]
    _, tower = loaded("gemma3n", tmp_path)
    named = {f"model.audio_tower.{name}" for name in tower.state_dict()}
    with safe_open(tmp_path / "model.safetensors", "np") as stored:
        assert set(stored.keys()) == named


def test_save__is_the_same_for_a_seed_and_another_for_another(tmp_path):
    first, again, other = (
        (save("hubert", tmp_path / name, seed) / "model.safetensors").read_bytes()
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert first == again
    assert first != other
