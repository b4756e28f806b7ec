"""A pass ends where the last layer that is asked for is heard, once it is known that no module fires twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.families import registry
from distributed_trf.features.network import extract
from tests.conv_network import CONV_TABLE, ConvFamily, ConvNetwork

SOUND = 0.1 * np.random.default_rng(0).normal(size=8000)


def built(monkeypatch, rule):
    monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
    return rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="float32")


def test_second_pass__ends_with_the_last_layer_and_gives_the_same(monkeypatch):
    network, ran = built(monkeypatch, ConvFamily()), []
    network.model.slow.register_forward_hook(lambda *_: ran.append(1))
    first, again = (extract(network, CONV_TABLE, "reset", [SOUND], CONV_TABLE.layers[:1]) for _ in range(2))
    assert len(ran) == 1
    np.testing.assert_array_equal(first[0][0], again[0][0])
    both = extract(network, CONV_TABLE, "reset", [SOUND], CONV_TABLE.layers)
    assert len(ran) == 2
    np.testing.assert_array_equal(both[0][0], first[0][0])


class Twice(ConvNetwork):
    """Uses its last layer again, behind the layer that is asked for."""

    def forward(self, x):
        return super().forward(x) + self.slow(torch.relu(self.fast.weight.sum() * torch.ones(1, 4, 2)))


class TwiceFamily(ConvFamily):
    def new(self, table):
        return Twice()


def test_last_layer_that_fires_twice__is_found_in_the_first_pass_and_every_later_one(monkeypatch):
    network = built(monkeypatch, TwiceFamily())
    for _ in range(2):
        with pytest.raises(FeatureError, match="module slow ran twice in one forward pass"):
            extract(network, CONV_TABLE, "reset", [SOUND], CONV_TABLE.layers)
