"""``extraction.batch: auto`` stores equally many stimuli at a time everywhere; a CPU takes fewer in a forward pass."""

from __future__ import annotations

import numpy as np
import yaml

from distributed_trf import Study, open_features
from distributed_trf.config import extraction
from distributed_trf.config.extraction import ExtractionSettings
from distributed_trf.features import network
from distributed_trf.features.families import registry
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.work import cost
from tests.conv_network import CONV_NETWORK, ConvFamily

NETWORKS = [{"name": "conv_network", "weights": ["reset"]}]
KEY = ("timit", "conv_network", "reset")


def test_auto__is_64_stimuli_on_every_device_and_16_at_once_on_the_cpu():
    auto, number = ExtractionSettings(batch="auto"), ExtractionSettings()
    assert (auto.sounds_per_item, auto.largest_pass("cuda"), auto.largest_pass("cpu")) == (64, 64, 16)
    assert (number.sounds_per_item, number.largest_pass("cuda"), number.largest_pass("cpu")) == (16, 16, 16)


def test_auto__stores_what_a_number_does_and_is_planned_by_the_sounds_of_a_pass(workplace, write_study, monkeypatch):
    monkeypatch.setattr(extraction, "AUTO_ITEM", 8)
    monkeypatch.setattr(extraction, "AUTO_PASS", 3)
    (workplace / "configs/networks/conv_network.yaml").write_text(yaml.safe_dump(CONV_NETWORK))
    found, peaks = {}, {}
    for batch in (8, "auto"):
        rule = ConvFamily()
        monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
        write_study(networks=NETWORKS, extraction={"batch": batch}, output=f"study-{batch}")
        network._BUILT._kept.clear()
        study = Study.load("study.yaml")
        context = open_context(study.settings)
        items = [p.item for p in study.status() if p.item.stage == "extract"]
        peaks[batch] = [cost(context, item, "cuda").device for item in items]
        assert study.run(recipe=None).ok
        found[batch] = open_features(f"study-{batch}")[KEY]
        assert max(rule.heard) == (3 if batch == "auto" else 8)
        assert sum(rule.heard) == len(found[batch].layout.stimuli)
    assert peaks[8] == peaks["auto"]  # a GPU takes as many as it holds in either case
    assert found["auto"].layout == found[8].layout
    for layer in (0, 1):
        for (_, a), (_, b) in zip(found["auto"].iterate(layer), found[8].iterate(layer), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_cpu__is_planned_by_the_sounds_of_a_pass(workplace, write_study, monkeypatch):
    (workplace / "configs/networks/conv_network.yaml").write_text(
        yaml.safe_dump({**CONV_NETWORK, "layers": [{**CONV_NETWORK["layers"][0], "width": 4000}]})
    )
    monkeypatch.setitem(registry.FAMILIES, "conv_network", ConvFamily())
    monkeypatch.setattr(extraction, "AUTO_ITEM", 8)
    peaks = []
    for at_once in (8, 2):
        monkeypatch.setattr(extraction, "AUTO_PASS", at_once)
        write_study(networks=NETWORKS, extraction={"batch": "auto"})
        study = Study.load("study.yaml")
        context = open_context(study.settings)
        item = next(p.item for p in study.status() if p.item.stage == "extract")
        peaks.append((cost(context, item).host, cost(context, item).written, cost(context, item).operations))
    assert peaks[1][0] < 0.7 * peaks[0][0]
    assert peaks[1][1:] == peaks[0][1:]
