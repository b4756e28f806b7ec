"""wav2vec 2.0: published checkpoints, every layer, batches of any lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2ForPreTraining,
    Wav2Vec2Model,
)

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import FAMILIES, family
from distributed_trf.features.network import extract
from distributed_trf.features.table import load_table
from tests.small_transformers import WAV2VEC2, differences, features, frames, hooked, noise, small, trained

NAMES = ("wav2vec2", "w2v2_audioset")
TABLE = small("wav2vec2", **WAV2VEC2)
LENGTHS = (9_000, 24_123, 3_333)
with torch.device("meta"):
    META = Wav2Vec2Model(Wav2Vec2Config(**TABLE.config)).eval()


def seeded(kind, table=TABLE):
    torch.manual_seed(2)
    options = {} if kind is Wav2Vec2ForCTC else {"codevector_dim": 32, "proj_codevector_dim": 16}
    return kind(Wav2Vec2Config(**table.config, **options)).eval()


def heard_alone(model, sound, prefix="wav2vec2."):
    """Every layer as published: the model with its head, one normalised sound, no mask."""
    values = Wav2Vec2FeatureExtractor()(sound, sampling_rate=16_000, return_tensors="pt").input_values
    kept = hooked(model, TABLE, lambda m: m.get_submodule(prefix.removesuffix("."))(values), prefix)
    return {layer: out.numpy() for layer, (out,) in kept.items()}


@pytest.fixture(scope="module")
def sounds():
    return noise(np.random.default_rng(0), *LENGTHS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recogniser")
    seeded(Wav2Vec2ForCTC).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pretraining_folder(tmp_path_factory):
    """As published for AudioSet: pickled, weight normalisation named as before torch 2.1, quantizer and projections."""
    folder = tmp_path_factory.mktemp("pretraining")
    model = seeded(Wav2Vec2ForPreTraining)
    model.save_pretrained(folder)
    old = {"original0": "weight_g", "original1": "weight_v"}
    state = load_file(folder / "model.safetensors")
    for key in [key for key in state if "parametrizations" in key]:
        stem, _, last = key.rpartition(".parametrizations.weight.")
        state[f"{stem}.{old[last]}"] = state.pop(key)
    assert sum(key.endswith(("weight_g", "weight_v")) for key in state) == 2
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_architecture__has_the_published_number_of_parameters(name):
    table = load_table(name)
    with torch.device("meta"):
        model = FAMILIES[table.family].new(table)
        pretraining = Wav2Vec2ForPreTraining(Wav2Vec2Config(**table.config))
    assert sum(p.numel() for p in model.parameters()) == 94_371_712
    assert sum(p.numel() for p in pretraining.parameters()) == 95_044_608


def test_published_checkpoint_at_full_size__gives_every_layer(tmp_path):
    table = load_table("wav2vec2")
    model = seeded(Wav2Vec2ForCTC, table)
    model.save_pretrained(tmp_path)
    (sound,) = noise(np.random.default_rng(1), 4_000)
    found = features(table, tmp_path, [sound])
    (tmp_path / "model.safetensors").unlink()
    counts = (sound.shape[0] - 10) // 5 + 1
    for layer in table.layers[:7]:
        assert found[layer.id][0].shape == (counts, 512)
        counts = (counts - (3 if layer.id < 4 else 2)) // 2 + 1
    values = Wav2Vec2FeatureExtractor()(sound, sampling_rate=16_000, return_tensors="pt").input_values
    with torch.no_grad():
        hidden = model.wav2vec2(values, output_hidden_states=True).hidden_states
    assert len(hidden) == 13
    assert found[7][0].shape == (29, 768)
    for layer, states in zip(range(8, 21), hidden, strict=True):
        np.testing.assert_array_equal(found[layer][0], states[0].numpy(), strict=True)


def test_recogniser__every_layer_is_what_the_model_itself_gives(folder, sounds):
    network, model = trained(TABLE, folder), seeded(Wav2Vec2ForCTC)
    for sound in sounds:
        found = extract(network, TABLE, "trained", [sound], TABLE.layers)
        expected = heard_alone(model, sound)
        assert sorted(found) == sorted(expected) == list(range(11))
        for layer, out in expected.items():
            np.testing.assert_array_equal(found[layer][0], out, strict=True)


def test_old_pretraining_checkpoint__every_layer_is_what_the_model_itself_gives(pretraining_folder, sounds):
    table = small("w2v2_audioset", **WAV2VEC2)
    found = features(table, pretraining_folder, sounds[:1])
    for layer, out in heard_alone(seeded(Wav2Vec2ForPreTraining), sounds[0]).items():
        np.testing.assert_array_equal(found[layer][0], out, strict=True)


@settings(max_examples=15)
@given(lengths=st.lists(st.integers(400, 20_000), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_batch__gives_what_each_sound_gives_alone(folder, lengths, seed):
    network = trained(TABLE, folder)
    sounds = noise(np.random.default_rng(seed), *lengths, lead_in=0)
    together = extract(network, TABLE, "trained", sounds, TABLE.layers)
    for k, sound in enumerate(sounds):
        alone = extract(network, TABLE, "trained", [sound], TABLE.layers)
        assert max(differences(TABLE, together, alone, k).values()) < 5e-6
        assert {layer: out[k].shape[0] for layer, out in together.items()} == frames(TABLE, sound.shape[0])


@pytest.mark.parametrize(("lengths", "masked"), [((8_000, 8_000), False), ((8_000, 8_001), True)])
def test_batch__is_masked_only_where_lengths_differ(folder, lengths, masked):
    network, given_masks = trained(TABLE, folder), []
    handle = network.model.register_forward_pre_hook(
        lambda _m, _args, kwargs: given_masks.append("attention_mask" in kwargs), with_kwargs=True
    )
    extract(network, TABLE, "trained", noise(np.random.default_rng(5), *lengths), TABLE.layers)
    handle.remove()
    assert given_masks == [masked]


def test_batch__leaves_no_hook_behind(folder, sounds):
    network = trained(TABLE, folder)
    extract(network, TABLE, "trained", sounds, TABLE.layers)
    assert [h for m in network.model.modules() for h in m._forward_hooks] == []


@pytest.mark.parametrize("together", [True, False])
def test_bfloat16__is_near_float32(folder, sounds, together):
    batches = [sounds] if together else [[s] for s in sounds]
    for batch in batches:
        exact, rough = (features(TABLE, folder, batch, dtype) for dtype in ("float32", "bfloat16"))
        for layer in TABLE.layers:
            for one, other in zip(exact[layer.id], rough[layer.id], strict=True):
                assert np.abs(one - other).max() < 0.1 * np.abs(one).max()
                assert np.abs(one - other).mean() < 0.02 * np.abs(one).std()


@settings(max_examples=30)
@given(n=st.integers(400, 60_000))
def test_n_frames__are_those_of_the_modules(n):
    shapes = hooked(META, TABLE, lambda m: m(torch.empty(1, n, device="meta")))
    assert frames(TABLE, n) == {layer: out.shape[0] for layer, (out,) in shapes.items()}


def test_sound_shorter_than_one_frame__is_refused(folder):
    network, rule = trained(TABLE, folder), family(TABLE, "trained")
    assert set(frames(TABLE, 400).values()) == {79, 39, 19, 9, 4, 2, 1}
    extract(network, TABLE, "trained", noise(np.random.default_rng(0), 400, lead_in=0), TABLE.layers)
    with pytest.raises(FeatureError, match=r"wav2vec2 takes no sound below 400 samples \(25 ms.* this one has 399"):
        rule.n_frames(TABLE, TABLE.layers[0], 399)
    assert rule.n_frames(load_table("wav2vec2"), TABLE.layers[10], 32_000) == 99


def test_unknown_layer__is_named_with_the_nearest(folder, sounds):
    layers = [TABLE.layers[0].model_copy(update={"name": "feature_extractor.conv_layers.0.layernorm"})]
    with pytest.raises(
        FeatureError, match=r"no module .*nearest name is feature_extractor\.conv_layers\.0\.layer_norm"
    ):
        extract(trained(TABLE, folder), TABLE, "trained", sounds[:1], layers)


def test_untrained__is_the_architecture_of_the_table():
    model = FAMILIES["wav2vec2"].new(TABLE)
    assert type(model) is Wav2Vec2Model
    assert len(model.encoder.layers) == 2
    assert model.config.conv_dim == [16] * 7
