"""What layers give comes to the host in one copy for each layer and pass, and is checked at its end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.device import Gathered
from distributed_trf.features.families import registry
from distributed_trf.features.family import Origin
from distributed_trf.features.network import extract
from tests.conv_network import CONV_TABLE, ConvFamily, ConvNetwork

SOUNDS = [0.1 * np.random.default_rng(0).normal(size=n) for n in (4000, 8123, 1600)]


@pytest.mark.parametrize("of", [np.asarray, torch.from_numpy, lambda x: torch.from_numpy(x).bfloat16()])
def test_pieces__are_copied_at_once_as_float32(of):
    pieces = [of(np.arange(6.0).reshape(3, 2).T), of(np.ones((1, 3)))]  # one of them strided
    gathered = Gathered()
    first, second = gathered.take(pieces)
    pieces[0][:] = 7
    assert first.dtype == second.dtype == np.float32
    np.testing.assert_array_equal(first, [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(second, [[1, 1, 1]])
    assert gathered.seem_finite()


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf]])
def test_what_is_not_finite__is_never_overlooked(bad):
    gathered, block = Gathered(), np.ones((5, 4), dtype=np.float32)
    block.flat[3 : 3 + len(bad)] = bad
    gathered.take([np.ones((2, 4)), block])
    gathered.take([np.ones((2, 4))])
    assert not gathered.seem_finite()


class Blunt(ConvNetwork):
    """Gives some value for loud sounds in its second layer, as a broken weight would."""

    def __init__(self, value):
        super().__init__()
        self.value = value
        self.slow.register_forward_hook(lambda _m, x, y: torch.where(x[0].amax((1, 2), keepdim=True) > 5, value, y))


def hear(monkeypatch, value, sounds, **names):
    rule = ConvFamily()
    monkeypatch.setattr(rule, "new", lambda table: Blunt(value))
    monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
    built = rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="float32")
    return extract(built, CONV_TABLE, "reset", sounds, CONV_TABLE.layers, **names)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_layer_and_sound_that_are_not_finite__are_named(monkeypatch, value):
    sounds = [SOUNDS[0], 1000 * SOUNDS[1], SOUNDS[2]]
    with pytest.raises(
        FeatureError, match=r"layer 1 \(slow\) gave NaN or Inf for sound 1 of the batch; check the sound"
    ):
        hear(monkeypatch, value, sounds)
    with pytest.raises(FeatureError, match="gave NaN or Inf for stimulus 'b' of words; "):
        hear(monkeypatch, value, sounds, origins=[Origin("words", name, 0.0) for name in "abc"])


def test_sum_that_overflows__is_no_fault_of_the_frames(monkeypatch):
    found = hear(monkeypatch, 3e38, [1000 * sound for sound in SOUNDS])
    assert {float(frames.max()) for frames in found[1]} == {np.float32(3e38)}


@pytest.mark.parametrize("more", [1, -1])
def test_number_of_frames_that_was_not_planned__is_named_with_the_sound(monkeypatch, more):
    counts = {k: [f.shape[0] for f in frames] for k, frames in hear(monkeypatch, 0.0, SOUNDS).items()}
    hear(monkeypatch, 0.0, SOUNDS, planned=lambda layer, k: counts[layer.id][k])
    counts[1][2] += more
    message = rf"layer 1 \(slow\) gave shape .* for sound 2 of the batch; its table says \({counts[1][2]}, "
    with pytest.raises(FeatureError, match=message):
        hear(monkeypatch, 0.0, SOUNDS, planned=lambda layer, k: counts[layer.id][k])


class InPlace(ConvNetwork):
    """Writes over what its first layer gave."""

    def forward(self, x):
        return self.slow(self.fast(x).zero_())


def test_module_that_works_in_place__does_not_reach_what_was_taken(monkeypatch):
    plain = hear(monkeypatch, 0.0, SOUNDS)
    rule = ConvFamily()
    monkeypatch.setattr(rule, "new", lambda table: InPlace())
    monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
    built = rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="float32")
    found = extract(built, CONV_TABLE, "reset", SOUNDS, CONV_TABLE.layers)
    for k in range(3):
        np.testing.assert_array_equal(found[0][k], plain[0][k])
        assert np.unique(found[1][k], axis=0).shape[0] == 1  # its bias alone
