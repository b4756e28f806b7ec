"""CochCNN9 and CochResNet50: published checkpoints, windows, and every promise about frames."""

from __future__ import annotations

from zipfile import is_zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, DeviceError, FeatureError
from distributed_trf.features.families import cochlear
from distributed_trf.features.families.cochlear import Cochlear
from distributed_trf.features.families.registry import FAMILIES, family
from distributed_trf.features.modules.cochlear import CochlearNetwork, SameAvgPool2d, SameConv2d, SameMaxPool2d
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.table import Layer, NetworkTable, load_table
from tests.features.slow_cochleagram import slow_filters, slow_low_pass
from tests.features.slow_cochlear import slow_cnn9, slow_features, slow_layers, slow_resnet50

TABLES = {name: load_table(name) for name in ("cochcnn9", "cochresnet50")}
SHORT = {"cochcnn9": "cnn9", "cochresnet50": "resnet50"}
SLOW = {"cochcnn9": slow_cnn9, "cochresnet50": slow_resnet50}
SECONDS = (0.7, 2.4)
RESNET = TABLES["cochresnet50"]


def seeded(name):
    """A network that has seen something: no norm is at its start."""
    torch.manual_seed(3)
    model = CochlearNetwork(SHORT[name]).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.weight, 0.5, 1.5), (module.bias, -0.3, 0.3)):
                nn.init.uniform_(values, low, high)
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


class Schedule:
    """What only the training code could unpickle; it must never be made."""

    def __reduce__(self):
        return pytest.fail, ("a checkpoint's code was executed",)


def published(model, prefix="module."):
    """All that a published checkpoint holds, the network twice."""
    filters = torch.zeros(211, 20_001, 2)
    filters[..., 0] = torch.from_numpy(slow_filters(40_000, 20_000, 50, 10_000))
    taps = torch.from_numpy(slow_low_pass()).float()[None, None]
    inner = {
        "0.full_rep.rep.downsampling_op.downsample_filter": taps,
        "0.full_rep.rep.Cochleagram.downsampling.downsample_filter": taps,
        "0.full_rep.rep.Cochleagram.compute_subbands.coch_filters": filters,
        **model.model.state_dict(),
    }
    scale = {"new_mean": torch.zeros(1, 1, 1, dtype=torch.int64), "new_std": torch.ones(1, 1, 1, dtype=torch.int64)}
    state = {
        **{f"preproc.{name}": value for name, value in scale.items()},
        **{f"model.{name}": value for name, value in inner.items()},
        **{f"attacker.preproc.{name}": value for name, value in scale.items()},
        **{f"attacker.model.{name}": value for name, value in inner.items()},
    }
    return {
        "model": {prefix + name: value for name, value in state.items()},
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
        "schedule": Schedule(),
        "epoch": 5,
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Checkpoints of seeded networks: a zip file, and one in the format of torch 1.5."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in TABLES:
        legacy = {"_use_new_zipfile_serialization": name == "cochcnn9"}
        torch.save(published(seeded(name)), folder / f"{name}.pt", **legacy)
    return {name: folder / f"{name}.pt" for name in TABLES}


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    return [prepare_sound(0.3 * rng.normal(size=int(s * 16_000)), 16_000, RESNET, 0.35) for s in SECONDS]


def trained(name, source, dtype="float32"):
    settings = NetworkSettings(name=name, source=str(source))
    return build_network(TABLES[name], settings, "trained", device="cpu", dtype=dtype)


@pytest.fixture(scope="module")
def resnet(files):
    return trained("cochresnet50", files["cochresnet50"])


@pytest.fixture(scope="module")
def heard(resnet, sounds):
    """Every layer of both sounds, which have one window and two."""
    return extract(resnet, RESNET, "trained", sounds, RESNET.layers)


def test_parameters__are_as_many_as_published():
    for name, table in TABLES.items():
        with torch.device("meta"):
            model = CochlearNetwork(SHORT[name])
        assert sum(p.numel() for p in model.parameters()) == table.parameters
        assert len(published(model)["model"]) == {"cochcnn9": 66, "cochresnet50": 658}[name]
        assert {layer.name for layer in table.layers} <= dict(model.named_modules()).keys()
        assert all(layer.time_last for layer in table.layers)


@pytest.mark.parametrize("name", TABLES)
def test_published_checkpoint__gives_every_layer_with_its_width_and_rate(name, files, sounds):
    table = TABLES[name]
    assert is_zipfile(files[name]) == (name == "cochcnn9")
    found = extract(trained(name, files[name]), table, "trained", sounds, table.layers)
    weights = {key: value.double() for key, value in seeded(name).model[1].state_dict().items()}
    rates = {layer.name: layer.rate for layer in table.layers}
    for k, sound in enumerate(sounds):
        expected = slow_features(sound[7000:], lambda x: slow_layers(x, lambda c: SLOW[name](c, weights)), rates)
        for layer in table.layers:
            frames = found[layer.id][k]
            assert frames.dtype == np.float32
            assert frames.shape == expected[layer.name].shape
            assert frames.shape[1] == layer.width
            assert frames.shape[0] == pytest.approx(sound.shape[0] / 20_000 * layer.rate, abs=4)
            assert frames.std() > 1e-3
            scale = abs(expected[layer.name]).max()
            np.testing.assert_allclose(
                frames, expected[layer.name], atol=1e-4 * scale
            )  # the cochleagram is steep at zero


def test_sound__gives_the_same_frames_alone_and_in_a_batch(resnet, sounds, heard):
    alone = extract(resnet, RESNET, "trained", sounds[:1], RESNET.layers)
    for layer in RESNET.layers:
        scale = abs(alone[layer.id][0]).max()
        np.testing.assert_allclose(heard[layer.id][0], alone[layer.id][0], atol=1.3e-6 * scale)


def test_many_windows__are_heard_some_at_a_time(resnet, sounds, heard, monkeypatch):
    passes = []
    run = Cochlear.run
    monkeypatch.setattr(cochlear, "WINDOWS", 2)
    monkeypatch.setattr(Cochlear, "run", lambda self, *rest: passes.append(len(rest[1])) or run(self, *rest))
    found = extract(resnet, RESNET, "trained", sounds, RESNET.layers)
    assert passes == [2, 1]
    for layer in RESNET.layers:
        for one, other in zip(found[layer.id], heard[layer.id], strict=True):
            np.testing.assert_allclose(one, other, atol=1.3e-6 * abs(other).max())


class Cramped(Cochlear):
    """Has memory for so many windows."""

    fit = 2

    def run(self, model, sounds, device, dtype):
        if len(sounds) > self.fit:
            raise MemoryError(f"{self.fit} windows fit")
        super().run(model, sounds, device, dtype)


def test_windows_that_do_not_fit__are_heard_in_halves(files, sounds, heard):
    settings = NetworkSettings(name="r", source=str(files["cochresnet50"]))
    code = Cramped()
    cramped = code.build(RESNET, settings, "trained", device="cpu", dtype="float32")
    found = extract(cramped, RESNET, "trained", sounds, RESNET.layers[:2])
    for layer in RESNET.layers[:2]:
        for one, other in zip(found[layer.id], heard[layer.id], strict=True):
            np.testing.assert_allclose(one, other, atol=1.3e-6 * abs(other).max())
    code.fit = 0
    with pytest.raises(DeviceError, match=r"cochresnet50: one sound of 2\.00 s does not fit the memory of cpu"):
        extract(cramped, RESNET, "trained", sounds, RESNET.layers[:2])


def test_loud_sound__is_clipped(resnet):
    rng = np.random.default_rng(2)
    loud = np.concatenate([np.zeros(7000), 2 * rng.normal(size=20_000)])
    layers = RESNET.layers[:2]
    assert abs(loud).max() > 2
    found = extract(resnet, RESNET, "trained", [loud, np.clip(loud, -1, 1)], layers)
    for layer in layers:
        np.testing.assert_allclose(*found[layer.id], rtol=1e-5, atol=1e-6)


def test_wider_table__keeps_more_features_up_to_all(resnet, sounds, heard):
    def kept(width):
        layer = RESNET.layers[3].model_copy(update={"width": width})
        return extract(resnet, RESNET, "trained", sounds[:1], [layer])[3][0]

    np.testing.assert_allclose(heard[3][0], kept(13_568)[:, :2000], atol=1e-5)
    with pytest.raises(
        FeatureError, match=r"layer 3 \(model\.1\.layer1\) gave shape \(\d+, 13568\) .*says \(\d+, 13569\)"
    ):
        kept(13_569)


@pytest.mark.parametrize("change", [{"rate": 50.0}, {"time_last": False}, {"name": "model.1.layer2"}])
def test_layer_of_another_rate_than_its_windows_have__is_refused(resnet, sounds, change):
    layer = RESNET.layers[3].model_copy(update=change)
    with pytest.raises(
        FeatureError, match=r"cochresnet50 layer 3 \(model\.1\.layer\d\) gave .* for a window, expected \d+"
    ):
        extract(resnet, RESNET, "trained", sounds[:1], [layer])


def test_half_precision__gives_nearly_the_same_and_an_untouched_cochleagram(files, sounds, heard):
    layers = RESNET.layers[:3]
    half = extract(trained("cochresnet50", files["cochresnet50"], "bfloat16"), RESNET, "trained", sounds[:1], layers)
    np.testing.assert_allclose(half[0][0], heard[0][0], atol=1e-5)
    difference = abs(half[2][0] - heard[2][0]).max() / abs(heard[2][0]).max()
    assert 1e-4 < difference < 3e-2


def test_reset__starts_as_torch_does():
    network = build_network(RESNET, NetworkSettings(name="r"), "reset-2", device="cpu")
    assert network.changed == RESNET.parameters
    torch.manual_seed(2)
    expected = nn.Conv2d(1, 64, 7, bias=False)  # the first module that has weights
    assert torch.equal(network.network.model.model[1].conv1.weight, expected.weight)


def refused(tmp_path, change, prefix="module."):
    content = published(seeded("cochresnet50"), prefix)
    change(content["model"])
    torch.save(content, tmp_path / "damaged.pt")
    with pytest.raises(FeatureError) as caught:
        trained("cochresnet50", tmp_path / "damaged.pt")
    assert "damaged.pt" in str(caught.value)
    assert "as `source` in the study" in str(caught.value)
    return str(caught.value)


FILTERS = "module.model.0.full_rep.rep.Cochleagram.compute_subbands.coch_filters"
DAMAGE = {
    "lacks a weight": (
        lambda s: s.pop("module.model.1.layer3.2.bn2.running_var"),
        r"1 missing: model.1.layer3.2.bn2.running_var",
    ),
    "has one too many": (
        lambda s: s.update({"module.model.1.layer5.0.conv1.weight": torch.ones(1)}),
        "1 not of this network: model.1.layer5.0.conv1.weight",
    ),
    "has something else": (
        lambda s: s.update({"module.normalizer.new_mean": torch.ones(1)}),
        "1 not of this network: normalizer.new_mean",
    ),
    "has another shape": (
        lambda s: s.update({"module.model.1.conv1.weight": torch.ones(64, 3, 7, 7)}),
        "model.1.conv1.weight (64, 3, 7, 7) instead of (64, 1, 7, 7)",
    ),
    "heard other filters": (
        lambda s: s.update({FILTERS: s[FILTERS].roll(1, 0)}),
        "coch_filters has other values than in the published checkpoints",
    ),
    "heard fewer filters": (
        lambda s: s.update({FILTERS: s[FILTERS][:40]}),
        "coch_filters has other values than in the published checkpoints",
    ),
    "scaled its input": (
        lambda s: s.update({"module.preproc.new_std": torch.full((1, 1, 1), 2)}),
        "preproc.new_std has other values",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_checkpoint_of_another_network__is_refused(kind, tmp_path):
    change, told = DAMAGE[kind]
    assert told in refused(tmp_path, change)


def test_checkpoint_without_prefix_copies_and_constants__is_the_same_network(resnet, sounds, tmp_path):
    state = published(seeded("cochresnet50"), prefix="")["model"]
    torch.save({key: value for key, value in state.items() if key.startswith("model.1.")}, tmp_path / "bare.pt")
    bare = trained("cochresnet50", tmp_path / "bare.pt")
    for one, other in zip(bare.network.model.parameters(), resnet.network.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_unknown_network__is_named_with_the_known_ones():
    table = RESNET.model_copy(update={"config": {"network": "resnet18"}})
    with pytest.raises(
        ConfigError, match="cochresnet50: config has network 'resnet18', expected one of cnn9, resnet50"
    ):
        build_network(table, NetworkSettings(name="r"), "reset", device="cpu")


def test_another_sampling_rate__is_refused():
    table = RESNET.model_copy(update={"sfreq": 16_000})
    with pytest.raises(ConfigError, match="cochresnet50: sfreq is 16000, expected 20000"):
        build_network(table, NetworkSettings(name="r"), "reset", device="cpu")


@given(n=st.integers(1, 250_000))
def test_n_frames__follow_the_published_cutting(n):
    """A sound of n samples, after a lead-in of 7000."""
    for table in TABLES.values():
        whole = {layer.name: np.zeros((round(2 * layer.rate), 1)) for layer in table.layers}
        rates = {layer.name: layer.rate for layer in table.layers}
        expected = slow_features(np.zeros(n), lambda _, whole=whole: whole, rates)
        found = [family(table, "trained").n_frames(table, layer, 7000 + n) for layer in table.layers]
        assert found == [expected[layer.name].shape[0] for layer in table.layers]


@pytest.mark.parametrize("n", [1, 40_000, 40_001])
def test_n_frames__are_what_the_network_gives(resnet, n):
    sound = 0.1 * np.random.default_rng(n).normal(size=n)
    layers = [RESNET.layers[0], RESNET.layers[1]]
    found = extract(resnet, RESNET, "trained", [sound], layers)  # which refuses fewer
    assert [found[layer.id][0].shape[0] for layer in layers] == [Cochlear().n_frames(RESNET, x, n) for x in layers]


@given(n=st.integers(1, 300_000))
def test_n_frames__are_never_none(n):
    for table in TABLES.values():
        assert min(Cochlear().n_frames(table, layer, n) for layer in table.layers) >= 1


def test_empty_sound__is_refused(resnet):
    with pytest.raises(FeatureError, match="an empty sound has no frames"):
        Cochlear().n_frames(RESNET, RESNET.layers[0], 0)
    with pytest.raises(FeatureError, match="an empty sound has no frames"):
        extract(resnet, RESNET, "trained", [np.zeros(0)], RESNET.layers[:1])


def test_work__is_that_of_whole_windows():
    table = NetworkTable.model_validate({**RESNET.model_dump(), "layers": [RESNET.layers[1].model_dump()]})
    code = FAMILIES["cochlear"]
    one, same, two = (code.work(table, n) for n in ([20_000], [40_000], [40_001]))
    assert one.flops == same.flops == two.flops / 2 == pytest.approx(14.82e9, rel=0.01)
    assert one.activations == same.activations == two.activations / 2
    many, more = (code.work(table, [20_000] * n) for n in (16, 160))  # some windows are heard at a time
    assert more.activations == many.activations
    assert more.flops == 10 * many.flops


def by_definition(x, k, s, value):
    """Every patch that TensorFlow's SAME puts an output on: shape (window, channel, outputs..., kernel...)."""
    n_out = [-(-size // step) for size, step in zip(x.shape[2:], s, strict=True)]
    first = [max((n - 1) * b + a - size, 0) // 2 for n, a, b, size in zip(n_out, k, s, x.shape[2:], strict=True)]
    patches = np.full((*x.shape[:2], *n_out, *k), value)
    for i, j, a, b in np.ndindex(*n_out, *k):
        row, column = i * s[0] + a - first[0], j * s[1] + b - first[1]
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            patches[:, :, i, j, a, b] = x[:, :, row, column]
    return patches


@pytest.mark.parametrize(("k", "s"), [((7, 14), (3, 3)), ((2, 5), (2, 2)), ((4, 8), (2, 2)), ((2, 5), (1, 1))])
@pytest.mark.parametrize("size", [(11, 20), (8, 15)])
def test_same_padding__puts_outputs_where_tensorflow_does(k, s, size):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, *size)) - 5)
    convolution = SameConv2d(3, 4, k, stride=s, bias=False, dtype=torch.float64)
    patches = by_definition(x.numpy(), k, s, 0.0)
    expected = np.einsum("ncijab,dcab->ndij", patches, convolution.weight.detach().numpy())
    np.testing.assert_allclose(convolution(x).detach(), expected, atol=1e-12)
    np.testing.assert_allclose(SameAvgPool2d(k, stride=s)(x), patches.mean(axis=(-1, -2)), atol=1e-12)
    np.testing.assert_array_equal(
        SameMaxPool2d(k, stride=s)(x), by_definition(x.numpy(), k, s, -np.inf).max(axis=(-1, -2))
    )


def test_layer_without_time__is_refused(resnet, sounds):
    layer = Layer(id=9, name="model.1.fc", type="conv", width=3, rate=1, time_last=True)
    with pytest.raises(FeatureError, match=r"module model\.1\.fc did not run"):
        extract(resnet, RESNET, "trained", sounds[:1], [layer])
