"""Deep Speech 2 against loops written from its description, and the published checkpoint's format, sizes and rates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.spectrograms.mel_of_networks import mel_deepspeech2
from distributed_trf.features.table import NetworkTable, load_table
from tests.features.checkpoints import randomised, save_lightning

PUBLISHED = load_table("deepspeech2")
RULE = family(PUBLISHED, "trained")
C, H = 2, 3
LAYERS = [
    {"id": 0, "name": "conv.seq_module.2", "type": "conv", "width": C * 81, "rate": 50, "time_last": True},
    {"id": 1, "name": "conv.seq_module.5", "type": "conv", "width": C * 41, "rate": 50, "time_last": True},
    *({"id": 2 + k, "name": f"rnns.{k}.rnn", "type": "rnn", "width": 2 * H, "rate": 50} for k in range(3)),
]
SMALL = NetworkTable.model_validate(
    PUBLISHED.model_dump() | {"config": {"channels": C, "hidden": H, "layers": 3, "letters": 4}, "layers": LAYERS}
)


def noise(n, seed=0):
    return 0.1 * np.random.default_rng(seed).normal(size=n)


@pytest.fixture(scope="module")
def weights():
    """Weights under which the clamp acts at both ends of either convolution."""
    model = randomised(RULE.new(SMALL), seed=2)
    with torch.no_grad():
        for k, size in ((1, 12), (4, 1)):  # the second hears what is as loud as the clamp
            norm = model.get_submodule(f"conv.seq_module.{k}")
            norm.weight.copy_(size * torch.tensor([1, -0.7]))
            norm.bias.copy_(torch.tensor([6.0, 9.0]))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def source(weights, tmp_path_factory):
    return str(save_lightning(weights, tmp_path_factory.mktemp("deepspeech2") / "net.ckpt"))


@pytest.fixture(scope="module")
def network(source):
    return build_network(SMALL, NetworkSettings(name="d", source=source), "trained", device="cpu", dtype="float64")


def convolved(x, weight, bias, stride, padding):
    """Every position of a two-dimensional convolution by itself; x is (channel, band, frame)."""
    x = np.pad(x, [(0, 0), (padding[0],) * 2, (padding[1],) * 2])
    high, wide = weight.shape[2:]
    rows, columns = (x.shape[1] - high) // stride[0] + 1, (x.shape[2] - wide) // stride[1] + 1
    y = np.zeros((weight.shape[0], rows, columns))
    for i in range(rows):
        for j in range(columns):
            seen = x[:, stride[0] * i : stride[0] * i + high, stride[1] * j : stride[1] * j + wide]
            for channel in range(y.shape[0]):
                y[channel, i, j] = (weight[channel] * seen).sum() + bias[channel]
    return y


def normed(x, w, name):
    """Batch normalisation by what was learnt; x has the features first."""
    mean, var, scale, shift = (
        w[f"{name}.{part}"].reshape(-1, *[1] * (x.ndim - 1))
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return scale * (x - mean) / np.sqrt(var + 1e-5) + shift


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, w, name, suffix):
    """One direction, step by step; x is (frame, feature), gates in the order input, forget, cell, output."""
    h, c, outputs = np.zeros(H), np.zeros(H), []
    for frame in x:
        gates = w[f"{name}.weight_ih_l0{suffix}"] @ frame + w[f"{name}.bias_ih_l0{suffix}"]
        gates = gates + w[f"{name}.weight_hh_l0{suffix}"] @ h + w[f"{name}.bias_hh_l0{suffix}"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def slow(weights, sound):
    """Every layer's output for one sound, shape (frames, width), and the scores."""
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    x, outputs = mel_deepspeech2(sound).T[None], []
    for k, stride, padding in ((0, (2, 2), (20, 5)), (3, (2, 1), (10, 5))):
        x = convolved(x, w[f"conv.seq_module.{k}.weight"], w[f"conv.seq_module.{k}.bias"], stride, padding)
        x = np.clip(normed(x, w, f"conv.seq_module.{k + 1}"), 0, 20)
        outputs.append(np.array([[x[c, f, t] for c in range(C) for f in range(x.shape[1])] for t in range(x.shape[2])]))
    x = outputs[-1]
    for k in range(3):
        if k:
            x = normed(x.T, w, f"rnns.{k}.batch_norm.module").T
        ahead, back = lstm(x, w, f"rnns.{k}.rnn", ""), lstm(x[::-1], w, f"rnns.{k}.rnn", "_reverse")[::-1]
        outputs.append(np.hstack([ahead, back]))
        x = ahead + back
    return outputs, normed(x.T, w, "fc.0.module.0").T @ w["fc.0.module.1.weight"].T


def test_every_layer__equals_the_loops(network, weights):
    sound = noise(2345)
    expected, _ = slow(weights, sound)
    found = extract(network, SMALL, "trained", [sound], SMALL.layers)
    for layer in SMALL.layers:
        np.testing.assert_allclose(found[layer.id][0], expected[layer.id], rtol=0, atol=1e-5)
    for block in expected[:2]:
        assert block.min() == 0
        assert block.max() == 20
        assert ((block > 0) & (block < 20)).mean() > 0.2
    for block in expected[2:]:
        assert block.std() > 0.05


def test_scores__equal_the_loops(network, weights):
    sounds = [noise(1300, 2), noise(700, 1)]
    spectrograms = [torch.from_numpy(mel_deepspeech2(sound).T) for sound in sounds]
    batch = torch.zeros(2, 1, 161, 9, dtype=torch.float64)
    for row, spectrogram in zip(batch, spectrograms, strict=True):
        row[0, :, : spectrogram.shape[1]] = spectrogram
    with torch.inference_mode():
        scores, frames = network.model(batch, torch.tensor([9, 5]))
        given, of_given = network.family.run(network.model, sounds[::-1], "cpu", torch.float64)
    assert scores.shape == (2, 5, 4)
    assert frames.tolist() == [5, 3] == of_given.tolist()[::-1]
    torch.testing.assert_close(given.flip(0)[0], scores[0], rtol=0, atol=1e-12)
    for k, sound in enumerate(sounds):
        np.testing.assert_allclose(scores[k, : frames[k]], slow(weights, sound)[1], rtol=0, atol=1e-9)


@settings(max_examples=15)
@given(data=st.data())
def test_batch__gives_what_each_sound_gives_alone_in_any_order(network, data):
    n_samples = data.draw(st.lists(st.integers(320, 6000), min_size=1, max_size=4))
    sounds = [noise(n, k) for k, n in enumerate(n_samples)]
    order = data.draw(st.permutations(range(len(sounds))))
    together = extract(network, SMALL, "trained", [sounds[k] for k in order], SMALL.layers)
    for place, k in enumerate(order):
        alone = extract(network, SMALL, "trained", [sounds[k]], SMALL.layers)
        for layer in SMALL.layers:
            assert alone[layer.id][0].shape == (RULE.n_frames(SMALL, layer, n_samples[k]), layer.width)
            np.testing.assert_allclose(together[layer.id][place], alone[layer.id][0], rtol=0, atol=1e-5)


def test_batch__without_the_mask_would_be_wrong(network):
    sounds = [noise(3200), noise(6400)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distributed_trf.features.modules.padded_convolutions.without_padding", lambda x, _lengths: x)
        naive = extract(network, SMALL, "trained", sounds, SMALL.layers)
    found = extract(network, SMALL, "trained", sounds, SMALL.layers)
    np.testing.assert_allclose(naive[0][0], found[0][0], rtol=0, atol=1e-5)
    assert (abs(naive[1][0] - found[1][0]).max(axis=1) > 1e-3).tolist() == [False] * 6 + [True] * 5


@given(n=st.integers(320, 100_000))
def test_n_frames__follow_the_lengths_of_the_convolutions(n):
    spectrogram = 1 + n // 160
    for layer in PUBLISHED.layers:
        found = RULE.n_frames(PUBLISHED, layer, n)
        assert found == (spectrogram + 10 - 11) // 2 + 1
        assert abs(found / layer.rate - n / 16_000) < 1.001 / layer.rate


def test_sound__shorter_than_the_window_is_refused(network):
    message = "a sound of 319 samples is too short for Deep Speech 2's spectrogram, whose window takes 320; leave"
    with pytest.raises(FeatureError, match=message):
        RULE.n_frames(SMALL, SMALL.layers[0], 319)
    with pytest.raises(FeatureError, match=message):
        extract(network, SMALL, "trained", [noise(500), noise(319)], SMALL.layers)
    assert extract(network, SMALL, "trained", [noise(320)], SMALL.layers)[4][0].shape == (2, 6)


def test_sound__that_is_silent_is_refused(network):
    with pytest.raises(FeatureError, match=r"a sound of 0\.50 s is silent.*leave the stimulus, or deepspeech2 and"):
        extract(network, SMALL, "trained", [noise(500), np.zeros(8000)], SMALL.layers)


@pytest.mark.parametrize("name", ["fc.0", "rnns.0", "rnns.1.batch_norm", "conv", "rnns.0.rnn.x"])
def test_layer__whose_frames_are_not_known_is_named(name):
    layer = SMALL.layers[0].model_copy(update={"name": name})
    with pytest.raises(ConfigError, match=rf"network deepspeech2: layer 0 is called '{name}'; deepspeech2 gives conv"):
        RULE.n_frames(SMALL, layer, 16_000)


def test_layer__that_is_not_there_is_named(network):
    layers = [SMALL.layers[4].model_copy(update={"name": "rnns.3.rnn"})]
    with pytest.raises(FeatureError, match=r"DeepSpeech2Network has no module rnns\.3\.rnn"):
        extract(network, SMALL, "trained", [noise(500)], layers)


@pytest.mark.parametrize("change", [{"hiden": 3}, {"layers": 0}, {"channels": "many"}])
def test_config__wrong_field_is_named(change):
    table = SMALL.model_copy(update={"config": change})
    with pytest.raises(ConfigError, match=rf"network deepspeech2: config: {next(iter(change))} = "):
        build_network(table, NetworkSettings(name="d"), "reset", device="cpu")


def test_weights__of_another_size_are_refused(source):
    table = SMALL.model_copy(update={"config": {**SMALL.config, "hidden": 4}})
    with pytest.raises(FeatureError, match=r"not the weights of DeepSpeech2Network: .* of another shape: rnns\.0\.rnn"):
        build_network(table, NetworkSettings(name="d", source=source), "trained", device="cpu")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision__is_close(source, network, dtype):
    sounds = [noise(1300), noise(3013)]
    half = build_network(SMALL, NetworkSettings(name="d", source=source), "trained", device="cpu", dtype=dtype)
    found = extract(half, SMALL, "trained", sounds, SMALL.layers)
    exact = extract(network, SMALL, "trained", sounds, SMALL.layers)
    for k in range(2):
        for i in found:
            assert 0 < abs(found[i][k] - exact[i][k]).max() < 0.05 * abs(exact[i][k]).max()


def test_published_size__every_layer_has_its_width_and_rate(tmp_path):
    torch.manual_seed(0)
    model = randomised(RULE.new(PUBLISHED), seed=3)
    state = model.state_dict()
    assert len(state) == 80
    assert sum(p.numel() for p in model.parameters()) == 86_618_400 == PUBLISHED.parameters
    path = save_lightning(state, tmp_path / "librispeech_pretrained_v3.ckpt")
    chosen = NetworkSettings(name="deepspeech2", source=str(path))
    network = build_network(PUBLISHED, chosen, "trained", device="cpu")
    assert network.changed is None
    sounds = [prepare_sound(noise(5_000), 16_000, PUBLISHED, 0), prepare_sound(noise(8_000), 16_000, PUBLISHED, 0.35)]
    found = extract(network, PUBLISHED, "trained", sounds, PUBLISHED.layers)
    assert {i: frames[1].shape for i, frames in found.items()} == {
        layer.id: (1 + int(0.85 * layer.rate), layer.width) for layer in PUBLISHED.layers
    }
    kept = {}

    def keep(layer, output):
        first = output[0]
        out = first.data if layer.type == "rnn" else first.flatten(0, 1).T
        kept[layer.id] = out.clone()

    for layer in PUBLISHED.layers:
        module = model.get_submodule(layer.name)
        module.register_forward_hook(lambda _m, _i, out, layer=layer: keep(layer, out))
    spectrogram = torch.from_numpy(mel_deepspeech2(sounds[1])).float()
    with torch.inference_mode():
        scores, _ = model(spectrogram.T[None, None], torch.tensor([spectrogram.shape[0]]))
    assert scores.shape == (1, 43, 29)
    for i, out in kept.items():
        assert out.std() > 0.01
        np.testing.assert_allclose(found[i][1], out, rtol=0, atol=1e-4)


def test_reset_weights__change_every_parameter():
    network = build_network(SMALL, NetworkSettings(name="d"), "reset-1", device="cpu")
    assert network.changed == sum(p.numel() for p in network.model.parameters())
