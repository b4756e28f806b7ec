"""Which modules become layers; sub-layers and heads of blocks against what is computed from weights step by step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import gelu, layer_norm, linear

from distributed_trf.config.extraction import LayerChoice, NetworkSettings
from distributed_trf.errors import ConfigError
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.probe.find import find_network
from distributed_trf.features.probe.modules import Passes, frame_modules
from distributed_trf.features.probe.stack import pick
from tests.small_audio_models import code_embeddings, loaded, save, sound_of, stated_states

PRECISION = 1e-6
INNER = LayerChoice(parts=["attention", "mlp"], heads=True)


@pytest.fixture
def published(made_once):
    """Return the folder of a small model, written once."""
    return lambda model_type: made_once(f"published-{model_type}", lambda folder: save(model_type, folder))


def features(folder, found, sound):
    """Features of every layer for a sound, by what the layer is."""
    network = build_network(found.table, NetworkSettings(name="net"), "trained", device="cpu")
    extracted = extract(network, found.table, "trained", [sound], found.table.layers)
    return {found.what[layer.id]: extracted[layer.id][0] for layer in found.table.layers}


def names(found, *whats):
    return [layer.name for layer in found.table.layers if found.what[layer.id].startswith(whats)]


def equal(found, expected):
    expected = expected.detach().numpy() if torch.is_tensor(expected) else expected
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= PRECISION * np.abs(expected).max()


def projected(module, x):
    return linear(x, module.weight, module.bias)


def normalised(module, x):
    return layer_norm(x, x.shape[-1:], module.weight, module.bias, module.eps)


def heads_of(query, key, value, x, n_heads):
    """What each head gives of x (token, feature): softmax(q k' / sqrt(d)) v."""
    size, found = query.out_features // n_heads, []
    for h in range(n_heads):
        of_head = slice(h * size, (h + 1) * size)
        q, k, v = (projected(module, x)[:, of_head] for module in (query, key, value))
        weights = torch.softmax(q @ k.T / size**0.5, dim=1)
        found.append(weights @ v)
    return found


def from_heads(projection, heads):
    """The sum over heads of their part of the output projection."""
    size = heads[0].shape[1]
    parts = [head @ projection.weight[:, h * size : (h + 1) * size].T for h, head in enumerate(heads)]
    return sum(parts) + projection.bias


def test_hubert__sub_layers_and_heads_are_those_computed_from_its_weights(published):
    folder, sound = published("hubert"), sound_of("hubert", 1.3)
    found = find_network(str(folder), "net", choice=INNER)
    assert names(found, "front end") == [f"feature_extractor.conv_layers.{k}" for k in range(7)]
    assert names(found, "block") == ["encoder.layers.0", "encoder.layers.1"]
    assert not found.notes
    given = features(folder, found, sound)
    _, tower = loaded("hubert", folder)
    inputs = stated_states("hubert", folder, sound)
    for k, block in enumerate(tower.encoder.layers):
        x, attention, mlp = torch.from_numpy(inputs[k][0]), block.attention, block.feed_forward
        heads = heads_of(attention.q_proj, attention.k_proj, attention.v_proj, x, 2)
        for h, head in enumerate(heads):
            equal(given[f"head {h} of block {k}"], head)
        attended = from_heads(attention.out_proj, heads)
        equal(given[f"attention of block {k}"], attended)
        x = normalised(block.layer_norm, x + attended)
        feeding = projected(mlp.output_dense, gelu(projected(mlp.intermediate_dense, x)))
        equal(given[f"mlp of block {k}"], feeding)
        equal(given[f"block {k}"], normalised(block.final_layer_norm, x + feeding))


def test_whisper__sub_layers_and_heads_are_those_computed_from_its_weights(published):
    folder, sound = published("whisper"), sound_of("whisper", 1.3)
    found = find_network(str(folder), "net", choice=INNER)
    assert names(found, "front end", "block", "final norm") == [
        *("encoder.conv1", "encoder.conv2", "encoder.layers.0", "encoder.layers.1", "encoder.layer_norm")
    ]
    given = features(folder, found, sound)
    _, tower = loaded("whisper", folder)
    inputs, n = stated_states("whisper", folder, sound), len(given["block 0"])
    assert n == 65  # of 1500
    for k, block in enumerate(tower.layers):
        x, attention = torch.from_numpy(inputs[k][0]), block.self_attn
        normed = normalised(block.self_attn_layer_norm, x)
        heads = heads_of(attention.q_proj, attention.k_proj, attention.v_proj, normed, 2)
        for h, head in enumerate(heads):
            equal(given[f"head {h} of block {k}"], head[:n])
        attended = from_heads(attention.out_proj, heads)
        equal(given[f"attention of block {k}"], attended[:n])
        normed = normalised(block.final_layer_norm, x + attended)
        equal(given[f"mlp of block {k}"], projected(block.fc2, gelu(projected(block.fc1, normed)))[:n])
    equal(given["final norm"], inputs[-1][0, :n])


@pytest.mark.parametrize("keep", ["flatten", "mean"])
def test_ast__heads_are_those_of_each_patch(published, keep):
    model_type = "audio-spectrogram-transformer"
    folder, sound = published(model_type), sound_of(model_type, 1.3)
    found = find_network(str(folder), "net", choice=LayerChoice(parts=["attention"], heads=True, grid=keep))
    given = features(folder, found, sound)
    _, tower = loaded(model_type, folder)
    inputs, n, bands, columns = stated_states(model_type, folder, sound), len(given["block 0"]), 12, 101
    assert n == 12  # patches of 0.16 s every 0.1 s
    for k, block in enumerate(tower.layers):
        attention = block.attention
        x = normalised(block.layernorm_before, torch.from_numpy(inputs[k][0]))
        heads = heads_of(attention.q_proj, attention.k_proj, attention.v_proj, x, 2)
        laid = {f"head {h} of block {k}": head for h, head in enumerate(heads)}
        laid[f"attention of block {k}"] = from_heads(attention.o_proj, heads)
        for what, tokens in laid.items():
            expected = np.empty((n, bands, tokens.shape[1]), np.float32)
            for band in range(bands):
                for column in range(n):
                    expected[column, band] = tokens[2 + band * columns + column].detach().numpy()
            equal(given[what], expected.reshape(n, -1) if keep == "flatten" else expected.mean(1))


VALUES = {
    "wav2vec2-bert": "linear_v",
    "wav2vec2-conformer": "linear_v",
    "sew-d": "value_proj",
    "moonshine": "v_proj",
    "parakeet_ctc": "v_proj",
    "seamless_m4t_v2": "linear_v",
    "mimi": "v_proj",
    "qwen2_5_omni": "v_proj",
}


@pytest.mark.parametrize("model_type", VALUES)
def test_heads__move_with_their_own_values_alone(published, model_type):
    folder = published(model_type)
    found = find_network(str(folder), "net", choice=LayerChoice(heads=True))
    network = build_network(found.table, NetworkSettings(name="net"), "trained", device="cpu")
    layers = [layer for layer in found.table.layers if found.what[layer.id].endswith("of block 0")]
    assert len(layers) == 2
    sound = [sound_of(model_type, 0.8)]
    before = extract(network, found.table, "trained", sound, layers)
    attention = layers[0].name.rpartition(".")[0].removesuffix(".output")
    inner = network.model.get_submodule(attention).named_modules()
    (value,) = [module for name, module in inner if name.endswith(VALUES[model_type])]
    with torch.no_grad():
        value.weight[value.out_features // 2 :] += 1.0
    after = extract(network, found.table, "trained", sound, layers)
    np.testing.assert_array_equal(after[layers[0].id][0], before[layers[0].id][0])
    moved = np.abs(after[layers[1].id][0] - before[layers[1].id][0]).max(0)
    assert moved.shape == (layers[1].width,)
    assert moved.min() > 0


def test_attention_without_a_projection_that_runs__has_no_heads(published):
    folder = str(published("wavlm"))
    with pytest.raises(ConfigError, match="heads: the blocks of this network have no attention whose heads"):
        find_network(folder, "net", choice=LayerChoice(heads=True))
    assert len(names(find_network(folder, "net", choice=LayerChoice(parts=["attention"])), "attention of")) == 2


def test_attention_that_adds_its_input__is_taken_before_that(published):
    found = find_network(str(published("sew-d")), "net", choice=LayerChoice(parts=["attention"]))
    assert names(found, "attention of") == [f"encoder.encoder.layer.{k}.attention.output.dense" for k in range(2)]


def test_conformer__gives_blocks_and_both_parts(published):
    found = find_network(str(published("wav2vec2-conformer")), "net", choice=LayerChoice(parts=["attention", "mlp"]))
    assert names(found, "block", "final norm") == ["encoder.layers.0", "encoder.layers.1", "encoder.layer_norm"]
    assert names(found, "attention of") == ["encoder.layers.0.self_attn", "encoder.layers.1.self_attn"]
    assert names(found, "mlp of") == ["encoder.layers.0.ffn2", "encoder.layers.1.ffn2"]


def test_stages__give_their_blocks_and_say_which_have_no_such_part(published):
    found = find_network(str(published("clap")), "net", choice=LayerChoice(parts=["attention", "mlp"]))
    blocks = [f"audio_encoder.layers.{i}.blocks.{j}" for i, n in enumerate((2, 2, 1, 1)) for j in range(n)]
    assert names(found, "block") == blocks
    assert names(found, "front end", "final norm") == ["audio_encoder.patch_embed.proj", "audio_encoder.norm"]
    assert names(found, "mlp of") == [f"{block}.output.dense" for block in blocks]
    assert names(found, "attention of") == ["audio_encoder.layers.3.blocks.0.attention"]  # of one window
    assert found.notes == ("Blocks 0, 1, 2, 3, 4 have no attention that gives frames",)


@pytest.mark.parametrize("model_type", ["encodec", "mimi"])
def test_codec__gives_its_encoder_and_the_embeddings_that_are_decoded(published, model_type):
    folder, sound = published(model_type), sound_of(model_type, 0.71)
    found = find_network(str(folder), "net")
    last = found.table.layers[-1]
    assert (last.name, last.type, last.input, last.time_last) == ("decoder", "codec", True, True)
    assert {layer.name.partition(".")[0] for layer in found.table.layers[:-1]} <= {"encoder", "quantizer"}
    network = build_network(found.table, NetworkSettings(name="net"), "trained", device="cpu")
    given = extract(network, found.table, "trained", [sound], [last])[last.id][0]
    equal(given, code_embeddings(model_type, folder, sound)[0].T)


class Frames(nn.Module):
    """Frames of ten samples, through some modules."""

    def __init__(self, **modules):
        super().__init__()
        self.front = nn.Conv1d(1, 4, 10, 10)
        for name, module in modules.items():
            setattr(self, name, module)
        self.order = list(modules)

    def forward(self, sounds):
        x = self.front(sounds[:, None]).transpose(1, 2)
        for name in self.order:
            module = getattr(self, name)
            for one in module if isinstance(module, nn.ModuleList) else [module]:
                x = one(x)
                x = x[0] if isinstance(x, tuple) else x
        return x


def picked(model, **choice):
    passes = Passes(model, lambda n_sounds, n_samples: model(torch.ones(n_sounds, n_samples)))
    found, notes = pick(model, frame_modules(passes, 1000.0, None), LayerChoice(**choice))
    return [(one.module.name, one.kind, one.what, dict(one.options)) for one in found], notes


def test_recurrent_stack__is_of_its_layers():
    model = Frames(layers=nn.ModuleList(nn.LSTM(4, 4, batch_first=True) for _ in range(2)), norm=nn.LayerNorm(4))
    found, notes = picked(model)
    assert found == [
        ("front", "conv", "front end", {}),
        ("layers.0", "rnn", "block 0", {}),
        ("layers.1", "rnn", "block 1", {}),
        ("norm", "rnn", "final norm", {}),
    ]
    assert notes == []


def test_network_without_lists__gives_every_module():
    found, _ = picked(Frames(body=nn.LSTM(4, 6, batch_first=True), back=nn.Linear(6, 2)))
    assert [one[:3] for one in found] == [
        ("front", "conv", "module"), ("body", "rnn", "module"), ("back", "rnn", "module")
    ]  # fmt: skip


def test_module_that_runs_twice__is_a_layer_for_each_call():
    shared = nn.Linear(4, 4)
    model = Frames(first=shared, again=shared)
    assert picked(model, modules="first")[0] == [
        ("first", "conv", "as requested, call 1", {"call": 1}),
        ("first", "conv", "as requested, call 2", {"call": 2}),
    ]
    calls = [one[3].get("call") for one in picked(model)[0]]
    assert calls == [None, 1, 2]
    blocks = Frames(layers=nn.ModuleList([nn.Sequential(shared), nn.Sequential(shared)]))
    assert [one[0] for one in picked(blocks, modules="all")[0]] == [
        *("front", "layers.0.0", "layers.0.0", "layers.0", "layers.1")
    ]


def test_choice__that_matches_nothing_names_what_there_is():
    model = Frames(layers=nn.ModuleList([nn.Linear(4, 4)]))
    with pytest.raises(ConfigError, match=r"layers: no module of Frames .* matches 'encoder.*'; they are front, "):
        picked(model, modules="encoder.*")
    for part in ("attention", "mlp"):
        with pytest.raises(ConfigError, match="the blocks of this network have no "):
            picked(model, parts=[part])
