"""A network of which the encoder runs alone, Moonshine, from files of an earlier version of transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import MoonshineConfig, MoonshineForConditionalGeneration, MoonshineModel

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.probe.find import find_network

SMALL = {
    **{"hidden_size": 32, "intermediate_size": 48, "vocab_size": 60, "encoder_num_attention_heads": 2},
    **{"encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Settings of rotary positions stand for themselves, as files had them before transformers 5."""
    path = tmp_path_factory.mktemp("moonshine")
    torch.manual_seed(0)
    MoonshineForConditionalGeneration(MoonshineConfig(**SMALL)).save_pretrained(path)
    file = path / "config.json"
    content = json.loads(file.read_text())
    del content["rope_parameters"]
    file.write_text(json.dumps(content | {"partial_rotary_factor": 0.5, "rope_theta": 50.0, "rope_scaling": None}))
    return path


@pytest.fixture(scope="module")
def table(folder):
    return find_network(str(folder), "net").table


def test_layers__are_front_end_blocks_and_final_norm(table):
    names = [layer.name for layer in table.layers]
    assert names == [f"encoder.{name}" for name in ("conv1", "conv2", "conv3", "layers.0", "layers.1", "layer_norm")]


def test_receptive_fields__are_those_of_the_convolutions_alone(table):
    samples = [127, 127 + 6 * 64, 127 + 6 * 64 + 2 * 192]
    expected = [pytest.approx(n / 16, rel=1e-3) for n in samples]
    assert [layer.receptive_field for layer in table.layers] == [*expected, None, None, None]


@pytest.mark.parametrize("weights", ["trained", "reset"])
def test_rotary_positions__are_those_of_the_file(folder, table, weights):
    network = build_network(table, NetworkSettings(name="net"), weights, device="cpu")
    rotary = network.model.encoder.config.rope_parameters
    assert (rotary["partial_rotary_factor"], rotary["rope_theta"]) == (0.5, 50.0)


def test_features__are_those_of_transformers(folder, table):
    sound = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    network = build_network(table, NetworkSettings(name="net"), "trained", device="cpu")
    found = extract(network, table, "trained", [sound], table.layers[-1:])[table.layers[-1].id][0]
    encoder = MoonshineModel.from_pretrained(folder).encoder.eval()
    with torch.no_grad():
        expected = encoder(torch.from_numpy(sound[None]).float()).last_hidden_state[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
