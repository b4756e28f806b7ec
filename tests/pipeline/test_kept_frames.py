"""What a study keeps of features: of fast layers fewer frames that give the same bins, of numbers 32 or 16 bits."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from distributed_trf import Study, open_features, open_results
from distributed_trf.errors import ConfigError
from distributed_trf.features import network
from distributed_trf.features.families import registry
from tests.conv_network import CONV_NETWORK, ConvFamily

NETWORKS = [{"name": "conv_network", "weights": ["reset"]}]
KEY = ("timit", "conv_network", "reset")


@pytest.fixture
def conv_network(workplace, monkeypatch):
    (workplace / "configs/networks/conv_network.yaml").write_text(yaml.safe_dump(CONV_NETWORK))
    monkeypatch.setitem(registry.FAMILIES, "conv_network", ConvFamily())


@pytest.mark.usefixtures("conv_network")
def test_kept_frames__give_the_numbers_of_native_ones(write_study):
    widths = [10, 50, 1000]
    for keep in ("100Hz", "native"):
        write_study(networks=NETWORKS, bin_widths=widths, extraction={"batch": 8, "keep": keep}, output=keep)
        assert Study.load("study.yaml").run(recipe=None).ok
    kept, native = (open_results(keep).load() for keep in ("100Hz", "native"))
    np.testing.assert_array_equal(kept.alpha, native.alpha)
    np.testing.assert_allclose(kept.r, native.r, rtol=0, atol=1e-5)
    np.testing.assert_allclose(kept.cv_score, native.cv_score, rtol=0, atol=1e-5)
    assert kept.r.notnull().all()


@pytest.mark.usefixtures("conv_network")
def test_stored_frames__are_half_of_a_layer_at_200_hz_and_all_of_one_at_100(write_study):
    write_study(networks=NETWORKS)
    study = Study.load("study.yaml")
    planned = sum(cost.written for p, cost in study.plan() if p.item.stage == "extract")
    assert study.run(recipe=None).ok
    stored = open_features("study")[KEY]
    fast, slow = stored.layers
    assert slow.frames == slow.native
    for k, seconds in enumerate(stored.layout.durations):
        assert fast.native[k] == pytest.approx(200 * (seconds + 0.35), abs=2)
        assert fast.frames[k] % 2 == 1
        assert 1 <= fast.frames[k] - 100 * (seconds + 0.35) < 3.01
    assert planned == pytest.approx(stored.layout.bytes, rel=0.02)
    found = stored.sel(layer=0, stimulus=stored.layout.stimuli[3])
    assert found.time.values[0] == -0.35
    assert found.time.values[-1] + 1 / found.rate == pytest.approx(fast.native[3] / 200 - 0.35)


@pytest.mark.usefixtures("conv_network")
def test_changed_keep__extracts_again_and_fits_only_what_came_out_otherwise(write_study):
    write_study(networks=NETWORKS)
    Study.load("study.yaml").run(recipe=None)
    write_study(networks=NETWORKS, extraction={"batch": 8, "keep": "native"})
    reasons = {p.reason for p in Study.load("study.yaml").status() if p.item.stage == "extract"}
    assert reasons == {"changed: keep"}
    assert Study.load("study.yaml").run(recipe=None).done == {"read": 0, "assess": 0, "extract": 3, "fit": 1}


@pytest.mark.usefixtures("conv_network")
def test_float16__halves_the_store_and_changes_correlations_in_the_fourth_digit(write_study):
    found = {}
    for number in ("float32", "float16"):
        write_study(networks=NETWORKS, extraction={"batch": 8, "store": number})
        study = Study.load("study.yaml")
        planned = sum(cost.written for p, cost in study.plan() if p.item.stage == "extract")
        report = study.run(recipe=None)
        assert (report.done["extract"], report.done["fit"]) == (3, 2)
        assert not report.features
        layout = open_features("study")[KEY].layout
        assert planned == pytest.approx(layout.bytes, rel=0.02)
        found[number] = open_results("study").load(), layout.bytes
    (exact, whole), (rounded, half) = found.values()
    assert half == whole / 2
    assert 0 < np.abs(exact.r - rounded.r).max() < 1e-3
    assert Study.load("study.yaml").run(recipe=None).folder is None


class Louder(ConvFamily):
    """Adds a number to every output of the slow layer."""

    def __init__(self, more):
        super().__init__()
        self.more = more

    def new(self, table):
        made = super().new(table)
        made.slow.register_forward_hook(lambda module, given, found: found + self.more)
        return made


def build_by(monkeypatch, family):
    """Have the network built anew, by another family."""
    monkeypatch.setitem(registry.FAMILIES, "conv_network", family)
    monkeypatch.setattr(network, "_BUILT", network.NetworkCache())


@pytest.mark.usefixtures("conv_network")
def test_feature_beyond_float16__fails_by_name_and_what_it_takes_of_others_is_reported(write_study, monkeypatch):
    write_study(networks=NETWORKS, extraction={"batch": 8, "store": "float16"})
    build_by(monkeypatch, Louder(1e6))
    report = Study.load("study.yaml").run(recipe=None)
    assert "layer 1 of conv_network has a feature of 1e+06" in report.failed["extract timit-conv_network-reset-0000"]
    build_by(monkeypatch, Louder(100))
    report = Study.load("study.yaml").run(recipe=None)
    assert report.ok
    (notes,) = report.features.values()
    assert len(notes) == 3
    assert all("features of layer 1 of conv_network" in note for note in notes)


@pytest.mark.usefixtures("conv_network")
def test_bins_finer_than_what_is_kept__are_refused_by_name_and_allowed_with_native(write_study, workplace):
    write_study(networks=NETWORKS, bin_widths=[50, 5])
    message = (
        r"bin_widths: 5 ms .* conv_network layer 0 \(fast\), which gives 200; write `extraction: \{keep: native\}`"
    )
    with pytest.raises(ConfigError, match=message):
        Study.load("study.yaml").run(recipe=None)
    assert not (workplace / "study").exists()
    write_study(networks=[{**NETWORKS[0], "layers": [1]}], bin_widths=[50, 5])
    Study.load("study.yaml").status()
    write_study(networks=NETWORKS, bin_widths=[5], extraction={"keep": "native"})
    Study.load("study.yaml").status()
