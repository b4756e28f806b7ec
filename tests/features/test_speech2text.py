"""Speech2Text: published checkpoints, every layer of the encoder, batches of any lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import (
    Speech2TextConfig,
    Speech2TextFeatureExtractor,
    Speech2TextForConditionalGeneration,
    Speech2TextModel,
)

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import FAMILIES, family
from distributed_trf.features.network import extract
from distributed_trf.features.spectrograms.mel_of_networks import mel_speech2text, mel_speech2text_frames
from distributed_trf.features.table import load_table
from tests.small_transformers import SPEECH2TEXT, differences, features, frames, hooked, noise, small, trained

TABLE = small("speech2text", **SPEECH2TEXT)
LENGTHS = (9_000, 24_123, 3_333)


def seeded():
    torch.manual_seed(2)
    model = Speech2TextForConditionalGeneration(Speech2TextConfig(**TABLE.config)).eval()
    with torch.no_grad():  # as trained ones are not: then padding leaks most
        for convolution in model.model.encoder.conv.conv_layers:
            convolution.bias.normal_()
    return model


@pytest.fixture(scope="module")
def sounds():
    return noise(np.random.default_rng(0), *LENGTHS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translator")
    seeded().save_pretrained(folder)
    return folder


def published_input(sound):
    return Speech2TextFeatureExtractor()(sound, sampling_rate=16_000, return_tensors="pt").input_features


def test_architecture__has_the_published_number_of_parameters():
    table = load_table("speech2text")
    with torch.device("meta"):
        model = FAMILIES["speech2text"].new(table)
    assert sum(p.numel() for p in model.parameters()) == 267_834_368


def test_published_checkpoint__every_layer_is_what_generating_text_gives(folder, sounds):
    network, model = trained(TABLE, folder), seeded()
    for sound in sounds:
        found = extract(network, TABLE, "trained", [sound], TABLE.layers)
        generated = hooked(
            model, TABLE, lambda m, s=sound: m.generate(published_input(s), max_new_tokens=4, num_beams=2), "model."
        )
        assert sorted(found) == sorted(generated) == [0, 1, 2, 3]
        for layer, (out,) in generated.items():
            np.testing.assert_array_equal(found[layer][0], out.numpy(), strict=True)


def test_old_checkpoint__with_position_tables_and_a_tied_head_is_read(folder, tmp_path, sounds):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    state = load_file(folder / "model.safetensors")
    state["lm_head.weight"] = state["model.decoder.embed_tokens.weight"]
    for part, rows in (("encoder", 6002), ("decoder", 1026)):
        state[f"model.{part}.embed_positions.weights"] = torch.zeros(rows, 32)
    torch.save(state, tmp_path / "pytorch_model.bin")
    found, expected = features(TABLE, tmp_path, sounds[:1]), features(TABLE, folder, sounds[:1])
    for layer in TABLE.layers:
        np.testing.assert_array_equal(found[layer.id][0], expected[layer.id][0])


@settings(max_examples=15)
@given(lengths=st.lists(st.integers(560, 30_000), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_batch__gives_what_each_sound_gives_alone(folder, lengths, seed):
    network = trained(TABLE, folder)
    sounds = noise(np.random.default_rng(seed), *lengths, lead_in=0)
    together = extract(network, TABLE, "trained", sounds, TABLE.layers)
    for k, sound in enumerate(sounds):
        alone = extract(network, TABLE, "trained", [sound], TABLE.layers)
        assert max(differences(TABLE, together, alone, k).values()) < 5e-6


@pytest.mark.parametrize(
    ("lengths", "masked"), [((8_000, 8_000), False), ((8_000, 8_001), False), ((9_000, 999), True)]
)
def test_batch__is_masked_only_where_frames_differ(folder, lengths, masked):
    network, given_masks = trained(TABLE, folder), []
    handle = network.model.encoder.register_forward_pre_hook(
        lambda _m, _args, kwargs: given_masks.append("attention_mask" in kwargs), with_kwargs=True
    )
    extract(network, TABLE, "trained", noise(np.random.default_rng(5), *lengths), TABLE.layers)
    handle.remove()
    assert given_masks == [masked]
    modules = network.model.modules()
    assert [h for m in modules for h in (*m._forward_hooks, *m._forward_pre_hooks)] == []


def test_bfloat16__is_near_float32(folder, sounds):
    for batch in (sounds, sounds[:1]):
        exact, rough = (features(TABLE, folder, batch, dtype) for dtype in ("float32", "bfloat16"))
        for layer in TABLE.layers:
            for one, other in zip(exact[layer.id], rough[layer.id], strict=True):
                assert np.abs(one - other).max() < 0.1 * np.abs(one).max()
                assert np.abs(one - other).mean() < 0.02 * np.abs(one).std()


@settings(max_examples=30)
@given(n=st.integers(560, 60_000))
def test_n_frames__are_those_of_the_modules(n):
    with torch.device("meta"):
        model = Speech2TextModel(Speech2TextConfig(**TABLE.config)).eval()
    mels = torch.empty(1, mel_speech2text_frames(n), 80, device="meta")
    shapes = hooked(model, TABLE, lambda m: m.encoder(mels))
    assert frames(TABLE, n) == {layer: out.shape[0] for layer, (out,) in shapes.items()}


@settings(max_examples=20)
@given(n=st.integers(560, 40_000), seed=st.integers(0, 9))
def test_input__is_that_of_the_library(n, seed):
    (sound,) = noise(np.random.default_rng(seed), n, lead_in=0)
    found, expected = mel_speech2text(sound), published_input(sound)[0].numpy()
    np.testing.assert_array_equal(found, expected, strict=True)
    assert found.shape[0] == mel_speech2text_frames(n)


def test_sound_that_has_no_spread__is_refused(folder):
    network, rule = trained(TABLE, folder), family(TABLE, "trained")
    with pytest.raises(
        FeatureError, match=r"a sound of 559 samples .* fewer than the two frames .* at least 560 samples"
    ):
        rule.n_frames(TABLE, TABLE.layers[0], 559)
    assert frames(TABLE, 560) == {0: 1, 1: 1, 2: 1, 3: 1}
    extract(network, TABLE, "trained", noise(np.random.default_rng(0), 560, lead_in=0), TABLE.layers)
    with pytest.raises(FeatureError, match=r"80 of 80 mel bands of a sound of 1\.00 s .* cannot be normalised"):
        extract(network, TABLE, "trained", [np.zeros(16_000)], TABLE.layers)
    assert rule.n_frames(load_table("speech2text"), TABLE.layers[0], 32_000) == 99
    assert rule.n_frames(load_table("speech2text"), TABLE.layers[2], 32_000) == 50
