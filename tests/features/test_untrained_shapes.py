"""Frames and operations of networks of a user's own, from few passes of one build."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.families.untrained_shapes import UntrainedShapes
from distributed_trf.features.table import NetworkTable
from tests.small_transformers import frames

LENGTHS = [int(n) for n in np.random.default_rng(0).integers(8_000, 64_000, 40)]


class Net(nn.Module):
    """Two convolutions and attention; notes where it is built and what it hears."""

    built: list[str] = []
    heard: list[int] = []

    def __init__(self, *, branch: bool = False, longest: int = 10**9, stretch: float | None = None) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 4, 25, stride=20)
        self.second = nn.Conv1d(4, 8, 9, stride=8, padding=3)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.branch, self.longest, self.stretch = branch, longest, stretch
        self.built.append(self.first.weight.device.type)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        self.heard.append(sounds.shape[1])
        if sounds.shape[1] > self.longest:
            raise ValueError("no position is left")
        x = self.first(sounds[:, None])
        if self.stretch is not None:
            x = nn.functional.interpolate(x, scale_factor=self.stretch)
        if self.branch and x.mean() > 1e9:  # cannot be told of shapes alone
            return x
        x = self.second(x).transpose(1, 2)
        return self.attention(x, x, x)[0]


@pytest.fixture(autouse=True)
def nothing_noted():
    Net.built.clear()
    Net.heard.clear()


def table(name, **kwargs):
    layers = [
        {"id": 3, "name": "first", "type": "conv", "width": 4, "rate": 800, "time_last": True},
        {"id": 4, "name": "second", "type": "conv", "width": 8, "rate": 100, "time_last": True},
        {"id": 5, "name": "attention", "type": "transformer", "width": 8, "rate": 100, "output": 0},
    ]
    config = {"module": "tests.features.test_untrained_shapes:Net", "kwargs": kwargs}
    content = {"name": name, "family": "module", "sfreq": 16_000, "config": config, "layers": layers}
    return NetworkTable.model_validate(content)


def planned(of, lengths=LENGTHS):
    return [frames(of, n) for n in lengths]


def expected(n):
    first = (n - 25) // 20 + 1
    second = (first + 6 - 9) // 8 + 1
    return {3: first, 4: second, 5: second}


@pytest.mark.parametrize(("branch", "devices"), [(False, ["meta"]), (True, ["meta", "cpu"])])
def test_planning__builds_a_network_once_and_passes_few_sounds(branch, devices):
    of = table(f"once_{branch}", branch=branch)
    assert planned(of) == [expected(n) for n in LENGTHS]
    work = [family(of, "reset").work(of, [n]) for n in LENGTHS]
    assert Net.built == devices
    assert len(Net.heard) - branch == len(set(Net.heard)) < 36
    assert min(w.weights for w in work) == 4 * sum(p.numel() for p in Net().parameters())


def test_operations__are_nearly_those_of_a_pass():
    of = table("operations")
    planned(of)
    for n in LENGTHS[::4]:
        with FlopCounterMode(display=False) as counter:  # without gradients attention is one step, which none counts
            Net().eval()(torch.zeros(1, n))
        assert family(of, "reset").work(of, [n]).flops == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_layers_without_a_rule__take_a_pass_of_every_length_but_one_build():
    of = table("stretched", stretch=0.83)
    found = planned(of)
    for n, by_layer in zip(LENGTHS, found, strict=True):
        assert by_layer == expected(n) | {4: (second := (int(expected(n)[3] * 0.83) + 6 - 9) // 8 + 1), 5: second}
    assert Net.built == ["meta"]
    assert set(LENGTHS) <= set(Net.heard)


def test_lengths_that_a_network_cannot_take__are_refused_and_others_are_not():
    of = table("positions", longest=50_000)
    for n in (45_000, 50_000, 30_000, 160):
        assert frames(of, n) == expected(n)
    for n in (50_001, 64_000):
        with pytest.raises(FeatureError, match=rf"positions cannot take a sound of {n} samples.*no position is left"):
            frames(of, n)
    with pytest.raises(FeatureError, match="positions cannot take a sound of 24 samples"):
        frames(of, 24)
    assert Net.built[:1] == ["meta"]


def test_threads__share_one_build():
    of = table("threads", branch=True)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: frames(of, n), LENGTHS)) == [expected(n) for n in LENGTHS]
    assert Net.built == ["meta", "cpu"]


def test_rule_that_fails_further_away__gives_way_to_passes():
    class Changing(UntrainedShapes):
        def _passed_on(self, device, n_samples):
            found = super()._passed_on(device, n_samples)
            return type(found)({k: n + (n_samples > 40_000) for k, n in found.frames.items()}, found.flops)

    of = table("changing")
    shapes = Changing(family(of, "reset"), of)
    assert shapes.frames(20_000) == expected(20_000)
    for n in (45_000, 50_000):
        assert shapes.frames(n) == {k: count + 1 for k, count in expected(n).items()}
    assert shapes.frames(20_000) == expected(20_000)
