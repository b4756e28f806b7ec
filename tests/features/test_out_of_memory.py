"""A batch that does not fit the memory of the device passes through the network in parts, and gives the same frames."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from distributed_trf import Study, open_features
from distributed_trf.cli.app import app
from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import DeviceError
from distributed_trf.features import network
from distributed_trf.features.families import registry, torch_family
from distributed_trf.features.network import extract
from tests.conv_network import CONV_NETWORK, CONV_TABLE, ConvFamily


def cpu_error():
    """What torch raises where the CPU has no memory: a real one, for more than any machine has."""
    try:
        torch.empty(2**50)
    except RuntimeError as error:
        return error


ERRORS = {
    "GPU": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "CPU": cpu_error,
    "numpy": MemoryError,
}


@pytest.fixture
def sounds():
    rng = np.random.default_rng(0)
    return [0.1 * rng.normal(size=n) for n in (4000, 8123, 1600, 16_000, 12_345, 5000, 7000)]


def hear(monkeypatch, sounds, **kwargs):
    rule = ConvFamily(**kwargs)
    monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
    built = rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="float32")
    return extract(built, CONV_TABLE, "reset", sounds, CONV_TABLE.layers), rule.heard, built


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("limit", "heard"), [(7, [7]), (4, [3, 4]), (3, [3, 2, 2]), (1, [1] * 7)])
def test_batch__is_heard_in_parts_that_fit_and_gives_the_same(monkeypatch, caplog, sounds, error, limit, heard):
    whole, _, _ = hear(monkeypatch, sounds)
    with caplog.at_level(logging.WARNING):
        found, parts, built = hear(monkeypatch, sounds, limit=limit, error=ERRORS[error]())
    assert parts == heard
    assert built.parts == len(heard)
    assert len(caplog.records) == len(heard) - 1
    if len(heard) > 1:
        assert caplog.messages[0].startswith("conv_network: 7 sounds do not fit the memory of cpu; passing them in")
    for layer in CONV_TABLE.layers:
        for k, sound in enumerate(sounds):
            assert found[layer.id][k].shape == (sound.shape[0] // 80 // (1 + layer.id), layer.width)
            np.testing.assert_allclose(found[layer.id][k], whole[layer.id][k], rtol=1e-6, atol=1e-7)


def test_next_batch__is_counted_anew(monkeypatch, sounds):
    _, _, built = hear(monkeypatch, sounds, limit=3, error=MemoryError())
    assert built.parts == 3
    extract(built, CONV_TABLE, "reset", sounds[:2], CONV_TABLE.layers)
    assert built.parts == 1


@pytest.mark.parametrize("error", ERRORS)
def test_one_sound_that_does_not_fit__is_an_error_that_says_how_long_it_is(monkeypatch, sounds, error):
    with pytest.raises(DeviceError) as caught:
        hear(monkeypatch, sounds, limit=0, error=ERRORS[error]())
    assert re.match(
        r"conv_network: one sound of 0\.25 s does not fit the memory of cpu: it takes about 0\.00 GiB, and \d+\.\d\d "
        r"GiB are free; compute in bfloat16 \(`extraction\.dtype`\), which takes half; cut the stimulus, or choose",
        str(caught.value),
    )


def test_memory_that_cupy_gives_back__is_tried_before_halves(monkeypatch, sounds):
    asked = []
    monkeypatch.setattr(torch_family, "free_cupy_blocks", lambda device: asked.append(device) or 7)
    with pytest.raises(DeviceError):
        hear(monkeypatch, sounds[:1], limit=0, error=MemoryError())
    assert len(asked) == 1  # once for a pass, or what fills cupy's memory again meanwhile would be tried for ever
    rule = ConvFamily(limit=3, error=MemoryError())
    monkeypatch.setattr(torch_family, "free_cupy_blocks", lambda device: setattr(rule, "limit", 7) or 1)
    monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
    built = rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="float32")
    extract(built, CONV_TABLE, "reset", sounds, CONV_TABLE.layers)
    assert (rule.heard, built.parts) == ([7], 1)


@pytest.mark.parametrize(
    ("fit", "passes"),
    [(7, [7]), (6, [6, 1]), (3, [3, 3, 1]), (1, [1] * 7), (0.5, [1] * 7)],
)
def test_free_memory_of_a_gpu__says_how_many_sounds_are_heard_in_one_pass(monkeypatch, fit, passes):
    rule = ConvFamily()
    built = rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="bfloat16")
    of_one = 2 * rule.step_values(CONV_TABLE, [8000])
    monkeypatch.setattr(torch_family, "free_bytes", lambda device: fit * of_one / torch_family.PASS_SHARE + 1)
    built.device = "cuda"
    found = list(built._passes([8000] * 7))
    assert [len(positions) for positions in found] == passes
    assert sum(found, []) == list(range(7))
    built.device = "cpu"
    assert list(built._passes([8000] * 7)) == [list(range(7))]


def test_other_errors__are_not_taken_for_it(monkeypatch, sounds):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        hear(monkeypatch, sounds, limit=2, error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_study__tells_of_batches_heard_in_parts(write_study, workplace, monkeypatch):
    (workplace / "configs/networks/conv_network.yaml").write_text(yaml.safe_dump(CONV_NETWORK))
    networks = [{"name": "conv_network", "weights": ["reset"]}]
    frames = {}
    for output, rule in (("whole", ConvFamily()), ("parts", ConvFamily(limit=3, error=MemoryError()))):
        monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
        network._BUILT._kept.clear()
        write_study(networks=networks, output=output)
        report = Study.load("study.yaml").run(recipe=None)
        assert report.ok
        assert report.heard_in_parts == (3 if output == "parts" else 0)
        frames[output] = open_features(output)["timit", "conv_network", "reset"]
    for (_, whole), (_, parts) in zip(*(frames[name].iterate(0) for name in ("whole", "parts")), strict=True):
        np.testing.assert_allclose(parts, whole, rtol=1e-6, atol=1e-7)
    planned = Study.load("study.yaml").status()
    assert {p.reason for p in planned if p.item.stage == "extract"} == {"forward pass in 4 parts"}
    assert {p.state for p in planned} == {"done"}
    told = CliRunner().invoke(app, ["status", "study.yaml"]).output
    assert "3 batches did not fit the memory of the device and were computed in parts" in told
