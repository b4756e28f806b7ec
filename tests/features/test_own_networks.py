"""Networks of a user's own, from a YAML file to features."""

from __future__ import annotations

import inspect
import sys
import textwrap

import numpy as np
import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    HubertConfig,
    HubertForCTC,
    HubertModel,
    Speech2TextConfig,
    Speech2TextModel,
    Wav2Vec2FeatureExtractor,
)

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, FeatureError, MissingExtraError
from distributed_trf.features.families.registry import family, versions
from distributed_trf.features.families.untrained_shapes import untrained_shapes
from distributed_trf.features.families.user_module import UserModule
from distributed_trf.features.families.user_transformer import UserTransformer
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.spectrograms.mel_of_networks import mel_speech2text
from distributed_trf.features.table import NetworkTable, load_table
from tests.small_transformers import SPEECH2TEXT, frames, hooked, noise

HUBERT = {
    "conv_dim": [16] * 7,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
SOUNDS = noise(np.random.default_rng(0), 8_000, 3_001, 8_000, 12_345)


def example(kind):
    """The table in the docstring of a family."""
    text = inspect.getdoc(kind).partition(".. code-block:: yaml\n")[2]
    return yaml.safe_load(textwrap.dedent(text))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A working directory that Python imports from, with room for tables."""
    (tmp_path / "configs/networks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("mypackage")]:
        del sys.modules[name]


def written(workplace, content):
    """Write a table as a user does and read it by its name."""
    (workplace / f"configs/networks/{content['name']}.yaml").write_text(yaml.safe_dump(content))
    return load_table(content["name"])


def built(table, weights="trained", **settings):
    return build_network(table, NetworkSettings(name=table.name, **settings), weights, device="cpu")


def heard(table, weights="trained", sounds=SOUNDS, **settings):
    return extract(built(table, weights, **settings), table, weights, sounds, table.layers)


# A model of transformers


@pytest.fixture
def hubert(workplace):
    content = example(UserTransformer)
    content["config"]["architecture"] = HUBERT
    content["layers"][0]["width"], content["layers"][1]["width"] = 16, 32
    return written(workplace, {**content, "source": str(workplace / "weights")})


def seeded_hubert(folder=None):
    torch.manual_seed(3)
    model = HubertForCTC(HubertConfig(**HUBERT)).eval()
    if folder is not None:
        model.save_pretrained(folder)
    return model.hubert


def test_transformer__hears_every_sound_as_the_model_alone_does(hubert, workplace):
    model = seeded_hubert(workplace / "weights")
    found = heard(hubert)
    for k, sound in enumerate(SOUNDS):
        values = Wav2Vec2FeatureExtractor()(sound, sampling_rate=16_000, return_tensors="pt").input_values
        expected = hooked(model, hubert, lambda m, x=values: m(x))
        for layer in hubert.layers:
            (out,) = expected[layer.id]
            assert found[layer.id][k].shape == out.shape == (frames(hubert, sound.shape[0])[layer.id], layer.width)
            assert np.abs(found[layer.id][k] - out.numpy()).max() < 2e-6 * out.abs().max()


def test_transformer__untrained_weights_need_no_files(hubert):
    assert type(family(hubert, "reset").new(hubert)) is HubertModel
    hears = UserTransformer().new(hubert)
    assert hears.config.hidden_size == 32
    assert sum(p.numel() for p in hears.parameters()) == sum(p.numel() for p in seeded_hubert().parameters())


def test_transformer__weights_of_another_architecture_are_named(hubert, workplace):
    HubertForCTC(HubertConfig(**{**HUBERT, "hidden_size": 48, "num_attention_heads": 3})).save_pretrained("weights")
    with pytest.raises(FeatureError, match="network table hubert: hidden_size is 48 instead of 32"):
        heard(hubert)


def test_transformer__strides_that_the_table_does_not_tell_are_those_of_the_folder(hubert, workplace):
    HubertForCTC(HubertConfig(**HUBERT, conv_stride=[5, 2, 2, 2, 2, 1, 2])).save_pretrained("weights")
    for weights in ("trained", "reset"):
        with pytest.raises(FeatureError, match=r"layer 0 .* gives 168 frames for .* at its rate of 100 Hz about 85"):
            heard(hubert, weights)


@pytest.fixture
def encoder(workplace):
    """An encoder alone, of a model whose own extractor makes a spectrogram."""
    layers = [
        {"id": 0, "name": "encoder.conv.conv_layers.0", "type": "conv", "width": 32, "rate": 50, "time_last": True},
        {"id": 1, "name": "encoder.layers.0.final_layer_norm", "type": "transformer", "width": 32, "rate": 25},
    ]
    config = {"class": "Speech2TextModel", "run": "encoder", "extractor": "Speech2TextFeatureExtractor"}
    config["architecture"] = {**SPEECH2TEXT, "encoder_layers": 1}
    content = {"name": "mine", "family": "transformers", "sfreq": 16_000, "config": config, "layers": layers}
    return written(workplace, content)


def test_transformer__may_run_one_of_its_modules(encoder, workplace):
    torch.manual_seed(4)
    model = Speech2TextModel(Speech2TextConfig(**encoder.config["architecture"])).eval()
    model.save_pretrained("weights")
    found = heard(encoder, source="weights")
    for k, sound in enumerate(SOUNDS):
        mel = torch.from_numpy(mel_speech2text(sound))[None]
        expected = hooked(model, encoder, lambda m, x=mel: m.encoder(x))
        for layer in encoder.layers:
            assert np.abs(found[layer.id][k] - expected[layer.id][0].numpy()).max() < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class": "HubertModle"}, "has no class 'HubertModle'"),
        ({"extractor": "HubertExtractor"}, "has no class 'HubertExtractor'"),
        ({"run": "encodre"}, "network hubert: HubertModel has no module 'encodre' to run"),
        (
            {"archtecture": {}},
            r"network hubert, config: archtecture = \{\}: unknown field; did you mean 'architecture'",
        ),
        ({"architecture": {"hidden_size": "wide"}}, "network hubert: HubertModel cannot be made from its config"),
    ],
)
def test_transformer__config_that_cannot_be_used_is_named(hubert, change, message):
    table = hubert.model_copy(update={"config": {**hubert.config, **change}})
    with pytest.raises(ConfigError, match=message):
        family(table, "trained").n_frames(table, table.layers[0], 16_000)


# A module of torch

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, inplace=False, branch=False, shape=None):
        super().__init__()
        self.shape = shape
        self.convolution = nn.Conv1d(1, width, 400, stride=160, padding=200)
        self.activation = nn.ReLU(inplace=inplace)
        self.norm = nn.LayerNorm(width)
        self.branch = branch

    def forward(self, sounds):
        x = self.activation(self.convolution(sounds[:, None]))
        if self.branch and x.mean() > 1e9:  # cannot be told of shapes alone
            return x
        x = x.transpose(1, 2)
        if self.shape == "time first":
            x = x.transpose(0, 1)
        elif self.shape == "no time":
            x = x.mean(1)
        return self.norm(x)


def make():
    return Net(4)
"""


@pytest.fixture
def package(workplace):
    (workplace / "mypackage").mkdir()
    (workplace / "mypackage/__init__.py").touch()
    (workplace / "mypackage/nets.py").write_text(NET)
    return workplace


def mynet(workplace, kwargs=None, **config):
    content = example(UserModule)
    content["config"]["kwargs"] = {"width": 4, **(kwargs or {})}
    content["config"].update(config)
    for layer in content["layers"]:
        layer["width"] = 4
    return written(workplace, content)


def seeded_net(table, file=None):
    torch.manual_seed(5)
    net = UserModule().new(table).eval()
    if file is not None:
        file.parent.mkdir(exist_ok=True)
        state = {f"module.{key}": value for key, value in net.state_dict().items()}
        torch.save({"state_dict": {**state, "loss.weight": torch.zeros(2)}, "epoch": 3}, file)
    return net


@pytest.mark.parametrize("kwargs", [{}, {"inplace": True}, {"branch": True}])
def test_module__hears_every_sound_as_it_does_alone(package, kwargs):
    plain = mynet(package)
    net = seeded_net(plain, package / "checkpoints/mynet.pt")
    table = mynet(package, kwargs)  # working in place must not change what is recorded
    found = heard(table)
    for k, sound in enumerate(SOUNDS):
        expected = hooked(net, plain, lambda m, s=sound: m(torch.from_numpy(s).float()[None]))
        for layer in table.layers:
            # A norm over four features that are nearly alike magnifies rounding, in which processors differ.
            assert np.abs(found[layer.id][k] - expected[layer.id][0].numpy()).max() < 2e-5
        assert frames(table, sound.shape[0]) == {0: sound.shape[0] // 160 + 1, 1: sound.shape[0] // 160 + 1}


def test_module__untrained_weights_follow_their_seed(package):
    table = mynet(package)
    one, again, two = (heard(table, weights, SOUNDS[:1])[0][0] for weights in ("reset", "reset", "reset-1"))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, two)


def test_module__sounds_of_one_length_share_a_pass(package):
    table = mynet(package)
    network, passes = built(table, "reset"), []
    network.model.register_forward_pre_hook(lambda _m, args: passes.append(tuple(args[0].shape)))
    extract(network, table, "reset", SOUNDS, table.layers)
    assert passes == [(2, 13_600), (1, 8_601), (1, 17_945)]


def test_module__work_is_what_the_pass_takes(package):
    table = mynet(package)
    net = UserModule().new(table)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 8_000))
        net(torch.zeros(1, 16_000))
    work = family(table, "reset").work(table, [8_000, 16_000])
    assert work.flops == counter.get_total_flops() == 2 * 4 * 400 * (51 + 101)
    assert work.weights == 4 * (4 * 400 + 4 + 8)
    assert work.activations == 3 * 4 * 101 * 4  # sounds of one length are heard together: here each by itself


def test_module__weights_that_do_not_fit_are_named(package):
    seeded_net(mynet(package, {"width": 3}), package / "checkpoints/mynet.pt")
    with pytest.raises(FeatureError, match=r"not the weights of Net: .*convolution\.weight \(3, 1, 400\) instead of"):
        heard(mynet(package))
    with pytest.raises(FeatureError, match="not the weights of Net: 4 missing"):
        heard(mynet(package, prefix="model."))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"module": "mypackage.net:Net"}, r"network mynet: module mypackage\.net.* cannot be imported"),
        ({"module": "mypackage.nets:Nett"}, r"module mypackage\.nets:Nett cannot be imported: .*has no attribute"),
        ({"module": "mypackage.nets"}, r"cannot be imported: .*; write it as package\.module:Class"),
        ({"module": "mypackage.nets:make"}, r"mypackage\.nets:make is no class of torch\.nn\.Module"),
        ({"kwargs": {"depth": 4}}, r"mypackage\.nets:Net does not take these kwargs: .*depth"),
        ({"modul": 1}, "network mynet, config: modul = 1: unknown field; did you mean 'module'"),
    ],
)
def test_module__config_that_cannot_be_used_is_named(package, config, message):
    table = mynet(package, **config)
    with pytest.raises(ConfigError, match=message):
        family(table, "reset").n_frames(table, table.layers[0], 16_000)


def test_module__its_code_counts_as_a_version(package):
    table = mynet(package)
    before = versions(table, "trained")
    assert set(before) == {"torch", "scipy", "mypackage.nets"}
    (package / "mypackage/nets.py").write_text(NET + "# changed\n")
    assert versions(table, "trained")["mypackage.nets"] != before["mypackage.nets"]
    with pytest.raises(ConfigError, match=r"module mypackage\.none cannot be imported"):
        versions(mynet(package, module="mypackage.none:Net"), "trained")


# What tables of both may have wrong


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            {"width": 5},
            r"layer 0 \(convolution\) gives shape \(1, 4, 101\) for one sound; expected \(1, 5 in all, frames\)",
        ),
        (
            {"time_last": False},
            r"gives shape \(1, 4, 101\) for one sound; expected \(1, frames, 4\).*`time_last: true`",
        ),
        ({"rate": 300}, r"gives 101 frames for 1 s, but at its rate of 300 Hz about 300; correct `rate`"),
        ({"rate": 20}, r"gives 101 frames for 1 s, but at its rate of 20 Hz about 20; .* does not pad"),
        ({"name": "convolutoin"}, "Net has no module convolutoin; the nearest name is convolution"),
    ],
)
def test_layer_that_the_network_does_not_have__is_named_before_anything_is_heard(package, layer, message):
    content = mynet(package).model_dump()
    content["layers"][0].update(layer)
    table = NetworkTable.model_validate(content)
    with pytest.raises(FeatureError, match=message):
        family(table, "reset").n_frames(table, table.layers[0], 16_000)


@pytest.mark.parametrize(("order", "shape"), [("time first", r"\(101, 1, 4\)"), ("no time", r"\(1, 4\)")])
def test_layer_of_another_order__is_named(package, order, shape):
    table = mynet(package, {"shape": order})
    with pytest.raises(FeatureError, match=rf"layer 1 \(norm\) gives shape {shape} for one sound; expected"):
        family(table, "reset").n_frames(table, table.layers[0], 16_000)


def test_sound_too_short__is_refused(hubert):
    with pytest.raises(FeatureError, match=r"hubert cannot take a sound of 200 samples \(0\.0125 s"):
        family(hubert, "reset").n_frames(hubert, hubert.layers[0], 200)


def test_torch_that_is_missing__is_named_with_its_extra(package, monkeypatch):
    table = mynet(package)
    monkeypatch.setitem(sys.modules, "torch", None)
    untrained_shapes.cache_clear()
    with pytest.raises(MissingExtraError, match=r"torch is not installed.*\[models\]"):
        family(table, "reset").n_frames(table, table.layers[0], 16_000)
