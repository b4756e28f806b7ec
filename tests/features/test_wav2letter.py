"""Wav2Letter against loops written from its description, and the published checkpoint's format, sizes and rates."""

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
from distributed_trf.features.table import NetworkTable, load_table
from tests.features.checkpoints import randomised, save_lightning

PUBLISHED = load_table("wav2letter")
RULE = family(PUBLISHED, "trained")
WIDTHS = [3] * 12 + [5] * 2
SMALL = NetworkTable.model_validate(
    PUBLISHED.model_dump()
    | {
        "config": {"width": 3, "top_width": 5, "letters": 4},
        "layers": [layer.model_dump() | {"width": w} for layer, w in zip(PUBLISHED.layers, WIDTHS, strict=True)],
    }
)
# kernel, stride and padding of every block
BLOCKS = [(31, 20, 15)] + [(3, 2, 1)] * 4 + [(3, 1, 1)] * 3 + [(7, 1, 3)] * 4 + [(31, 1, 15)] + [(1, 1, 0)] * 2


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(size=n)


@pytest.fixture(scope="module")
def weights():
    """Weights under which the clamp acts at both ends, in every block."""
    model = randomised(RULE.new(SMALL), seed=1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("batch_norm.weight"):
                tensor.mul_(15 if name.startswith("conv1.") else 2)
            if name.endswith("batch_norm.bias"):
                tensor.mul_(5).add_(5)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def source(weights, tmp_path_factory):
    return str(save_lightning(weights, tmp_path_factory.mktemp("wav2letter") / "net.ckpt"))


@pytest.fixture(scope="module")
def network(source):
    return build_network(SMALL, NetworkSettings(name="w", source=source), "trained", device="cpu", dtype="float64")


def slow(weights, sound):
    """Every block's output for one sound, shape (frames, width), number by number."""
    x, outputs = sound[None, :], []
    for k, (kernel, stride, padding) in enumerate(BLOCKS, start=1):
        w = {name.removeprefix(f"conv{k}."): t.double().numpy() for name, t in weights.items() if f"conv{k}." in name}
        padded = np.pad(x, [(0, 0), (padding, padding)])
        y = np.zeros((w["conv.weight"].shape[0], (x.shape[1] + 2 * padding - kernel) // stride + 1))
        for channel in range(y.shape[0]):
            for t in range(y.shape[1]):
                seen = padded[:, stride * t : stride * t + kernel]
                value = w["conv.bias"][channel] + (w["conv.weight"][channel] * seen).sum()
                value = (value - w["batch_norm.running_mean"][channel]) / np.sqrt(
                    w["batch_norm.running_var"][channel] + 1e-5
                )
                value = w["batch_norm.weight"][channel] * value + w["batch_norm.bias"][channel]
                y[channel, t] = min(max(value, 0), 20)
        x = y
        outputs.append(y.T)
    return outputs


def test_every_layer__equals_the_loops(network, weights):
    sound = noise(3013)
    expected = slow(weights, sound)
    found = extract(network, SMALL, "trained", [sound], SMALL.layers)
    for layer in SMALL.layers:
        np.testing.assert_allclose(found[layer.id][0], expected[layer.id], rtol=0, atol=1e-5)
    assert sum(block.min() == 0 for block in expected) > 10
    assert sum(block.max() == 20 for block in expected) > 5
    assert all(((block > 0) & (block < 20)).any() for block in expected)


def test_scores__equal_the_loops_and_end_with_each_sound(network, weights):
    sounds = [noise(1300, 1), noise(3013, 2)]
    lengths = torch.tensor([1300, 3013])
    batch = torch.zeros(2, 3013, dtype=torch.float64)
    for row, sound in zip(batch, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    with torch.inference_mode():
        scores, frames = network.model(batch, lengths)
    assert scores.shape == (2, 10, 4)
    assert frames.tolist() == [5, 10]
    assert (scores[0, 5:] == 0).all()
    for k, sound in enumerate(sounds):
        np.testing.assert_allclose(scores[k, : frames[k]], slow(weights, sound)[-1], rtol=0, atol=1e-9)


@settings(max_examples=12)
@given(data=st.data())
def test_batch__gives_what_each_sound_gives_alone_in_any_order(network, data):
    n_samples = data.draw(st.lists(st.integers(31, 4000), min_size=1, max_size=4))
    sounds = [noise(n, k) for k, n in enumerate(n_samples)]
    order = data.draw(st.permutations(range(len(sounds))))
    together = extract(network, SMALL, "trained", [sounds[k] for k in order], SMALL.layers)
    for place, k in enumerate(order):
        alone = extract(network, SMALL, "trained", [sounds[k]], SMALL.layers)
        for layer in SMALL.layers:
            assert alone[layer.id][0].shape == (RULE.n_frames(SMALL, layer, n_samples[k]), layer.width)
            np.testing.assert_allclose(together[layer.id][place], alone[layer.id][0], rtol=0, atol=1e-5)


def test_batch__that_a_longer_one_is_put_into_would_show_at_the_end(network):
    """What the mask is for: without it, the bias and norm make something of the silence after a sound."""
    sounds = [noise(640 * 20), noise(640 * 40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distributed_trf.features.modules.padded_convolutions.without_padding", lambda x, _lengths: x)
        naive = extract(network, SMALL, "trained", sounds, SMALL.layers)
    found = extract(network, SMALL, "trained", sounds, SMALL.layers)
    wrong = [int((abs(naive[i][0] - found[i][0]).max(axis=1) > 1e-3).sum()) for i in found]
    assert wrong[0] == 0
    assert wrong[-1] > 5
    np.testing.assert_allclose(naive[13][1], found[13][1], rtol=0, atol=1e-5)


@given(n=st.integers(31, 100_000))
def test_n_frames__follow_the_lengths_of_the_convolutions(n):
    length = n
    for layer, (kernel, stride, padding) in zip(PUBLISHED.layers, BLOCKS, strict=False):
        length = (length + 2 * padding - kernel) // stride + 1
        assert RULE.n_frames(PUBLISHED, layer, n) == length
        assert 0 <= length / layer.rate - n / 16_000 < 1 / layer.rate


def test_sound__shorter_than_the_first_kernel_is_refused(network):
    message = "a sound of 30 samples is too short for wav2letter, whose first convolution takes 31; leave the stimulus"
    with pytest.raises(FeatureError, match=message):
        RULE.n_frames(SMALL, SMALL.layers[0], 30)
    with pytest.raises(FeatureError, match=message):
        extract(network, SMALL, "trained", [noise(500), noise(30)], SMALL.layers)
    with pytest.raises(FeatureError, match="a sound of 0 samples is too short"):
        extract(network, SMALL, "trained", [noise(0)], SMALL.layers)
    assert extract(network, SMALL, "trained", [noise(31)], SMALL.layers)[13][0].shape == (1, 5)


@pytest.mark.parametrize("name", ["conv0", "conv16", "conv1d", "fc", "conv"])
def test_layer__that_is_none_of_its_blocks_is_named(name):
    layer = SMALL.layers[0].model_copy(update={"name": name})
    with pytest.raises(ConfigError, match=rf"network wav2letter: layer 0 is called '{name}'; wav2letter has conv1 to"):
        RULE.n_frames(SMALL, layer, 16_000)


def test_layer__within_a_block_has_its_frames(network, weights):
    layers = [SMALL.layers[1].model_copy(update={"name": "conv2.conv"})]
    (frames,) = extract(network, SMALL, "trained", [noise(1000)], layers)[1]
    assert frames.shape == (25, 3)
    assert frames.min() < 0


def test_config__unknown_field_is_named():
    table = SMALL.model_copy(update={"config": {"widht": 3}})
    with pytest.raises(
        ConfigError, match=r"network wav2letter: config: widht = 3: unknown field; did you mean 'width'"
    ):
        build_network(table, NetworkSettings(name="w"), "reset", device="cpu")


def test_weights__of_another_network_are_refused(tmp_path, weights):
    other = {name.replace("conv1.", "layer1."): t for name, t in weights.items()}
    path = save_lightning(other, tmp_path / "net.ckpt")
    with pytest.raises(FeatureError, match=r"not the weights of Wav2LetterNetwork: 6 missing: conv1\.conv\.weight, "):
        build_network(SMALL, NetworkSettings(name="w", source=str(path)), "trained", device="cpu")


def test_weights__that_are_known_nowhere_are_asked_for():
    with pytest.raises(
        FeatureError, match="wav2letter: the table names no trained weights; give their folder or file as"
    ):
        build_network(PUBLISHED, NetworkSettings(name="wav2letter"), "trained", device="cpu")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision__is_close(source, network, dtype):
    sounds = [noise(1300), noise(3013)]
    half = build_network(SMALL, NetworkSettings(name="w", source=source), "trained", device="cpu", dtype=dtype)
    found = extract(half, SMALL, "trained", sounds, SMALL.layers)
    exact = extract(network, SMALL, "trained", sounds, SMALL.layers)
    for k in range(2):
        assert 0 < abs(found[0][k] - exact[0][k]).max() < 1
        assert np.corrcoef(found[13][k].ravel(), exact[13][k].ravel())[0, 1] > 0.9


def test_published_size__every_layer_has_its_width_and_rate(tmp_path):
    torch.manual_seed(0)
    model = randomised(RULE.new(PUBLISHED), seed=3)
    state = model.state_dict()
    assert len(state) == 105
    assert sum(p.numel() for p in model.parameters()) == 22_649_337 == PUBLISHED.parameters
    path = save_lightning(state, tmp_path / "Wav2letter-epoch=024-val_loss=0.37.ckpt")
    chosen = NetworkSettings(name="wav2letter", source=str(path))
    network = build_network(PUBLISHED, chosen, "trained", device="cpu")
    assert network.changed is None
    sounds = [prepare_sound(noise(16_000), 16_000, PUBLISHED, 0.35), prepare_sound(noise(8000), 16_000, PUBLISHED, 0)]
    found = extract(network, PUBLISHED, "trained", sounds, PUBLISHED.layers)
    seconds = 1.35
    assert {i: frames[0].shape for i, frames in found.items()} == {
        layer.id: (np.ceil(seconds * layer.rate), layer.width) for layer in PUBLISHED.layers
    }
    kept = {}
    for layer in PUBLISHED.layers:
        module = model.get_submodule(layer.name)
        module.register_forward_hook(lambda _m, _i, out, i=layer.id: kept.update({i: out[0].T.clone()}))
    with torch.inference_mode():
        scores, _ = model(torch.from_numpy(sounds[0]).float()[None], torch.tensor([21_600]))
    assert scores.shape == (1, 68, 29)
    for i, out in kept.items():
        assert out.std() > 0.1
        np.testing.assert_allclose(found[i][0], out, rtol=0, atol=1e-3)


def test_reset_weights__change_every_parameter():
    network = build_network(SMALL, NetworkSettings(name="w"), "reset-1", device="cpu")
    assert network.changed == sum(p.numel() for p in network.model.parameters())
