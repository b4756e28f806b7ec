"""Random projections of a network's own spectrogram, against the obvious stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from distributed_trf import Study, open_results
from distributed_trf.config.extraction import PROJECTIONS, NetworkSettings
from distributed_trf.errors import ConfigError, DeviceError, FeatureError
from distributed_trf.features.families.registry import (
    FAMILIES,
    check_weights,
    expected_frames,
    expected_work,
    family,
    frame_rate,
)
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.family import Sound
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.spectrograms.mel_of_networks import mel_whisper
from distributed_trf.features.table import NetworkTable, load_table
from tests.conftest import SMALL_WHISPER

WIDTHS = (5, 7, 6, 9)
TABLE = NetworkTable.model_validate(
    {
        **SMALL_WHISPER,
        "layers": [
            {**layer, "width": width, "id": 10 - 2 * layer["id"]}  # the order is the table's, not that of ids
            for layer, width in zip(SMALL_WHISPER["layers"], WIDTHS, strict=True)
        ],
    }
)
SETTINGS = NetworkSettings(name="w")
SPECTROGRAMS = [
    (name, spectrogram)
    for name, f in FAMILIES.items()
    if isinstance(f, TorchFamily) and (spectrogram := f.spectrogram(TABLE)) is not None
]


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    return [prepare_sound(0.1 * rng.normal(size=int(16_000 * s)), 16_000, TABLE, 0.35) for s in (0.8, 1.21, 0.3)]


def build(weights, table=TABLE, dtype="float32"):
    return build_network(table, SETTINGS, weights, device="cpu", dtype=dtype)


def hear(weights, sounds, layers=TABLE.layers):
    return extract(build(weights), TABLE, weights, sounds, layers)


def obvious_stack(kind, seed, sound):
    """Every layer's features of one sound, by nested calls of torch's functions on freshly made layers."""
    torch.manual_seed(seed)
    widths = (80, *WIDTHS)
    linear = [
        nn.Linear(a, b) if "linear" in kind else nn.Conv1d(a, b, 3) for a, b in zip(widths, widths[1:], strict=False)
    ]
    x, found = torch.from_numpy(mel_whisper(sound)), []
    for k, layer in enumerate(linear):
        if "linear" in kind:
            x = x @ layer.weight.T + layer.bias
        else:
            step = 2 if k == 1 else 1
            padded = torch.cat([torch.zeros(1, x.shape[1]), x, torch.zeros(1, x.shape[1])])
            rows = [
                sum(layer.weight[:, :, tap] @ padded[t + tap] for tap in range(3)) + layer.bias
                for t in range(0, x.shape[0], step)
            ]
            x = torch.stack(rows)
        if kind.endswith("gelu"):
            x = 0.5 * x * (1 + torch.erf(x / 2**0.5))
        found.append(x.detach().numpy())
    return found


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_every_layer__is_that_of_the_obvious_stack(kind, sounds):
    found = hear(f"{kind}-6", sounds)
    for k, sound in enumerate(sounds):
        for layer, expected in zip(TABLE.layers, obvious_stack(kind, 6, sound), strict=True):
            assert found[layer.id][k].dtype == np.float32
            np.testing.assert_allclose(found[layer.id][k], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_fewer_layers_or_sounds__give_the_same_numbers_bit_by_bit(kind, sounds):
    whole = hear(kind, sounds)
    few = hear(kind, sounds[1:], TABLE.layers[2:3])
    assert list(few) == [6]
    for k in (0, 1):
        np.testing.assert_array_equal(few[6][k], whole[6][k + 1], strict=True)


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_planning__knows_frames_rates_and_work(kind, sounds):
    found = hear(kind, sounds)
    lengths = [sound.shape[0] for sound in sounds]
    for layer in TABLE.layers:
        assert [expected_frames(TABLE, kind, layer, n) for n in lengths] == [f.shape[0] for f in found[layer.id]]
        assert frame_rate(TABLE, kind, layer) == (50 if "conv" in kind and layer.id != 10 else 100)
    with FlopCounterMode(display=False) as every:
        build(kind)([Sound(sound) for sound in sounds], TABLE.layers, lambda *_: None)
    with FlopCounterMode(display=False) as spectrograms:
        [mel_whisper(sound) for sound in sounds]
    work = expected_work(TABLE, kind, lengths)
    assert work.flops == every.get_total_flops() - spectrograms.get_total_flops()
    assert work.weights == build(kind).n_bytes
    assert work.activations > 4 * max(f.size for of_layer in found.values() for f in of_layer)


@given(n=st.integers(1, 480_000))
def test_frames__of_the_second_convolution_are_half_rounded_up(n):
    counts = [family(TABLE, "projection_conv").n_frames(TABLE, layer, n) for layer in TABLE.layers]
    assert counts == [n // 160, *[(n // 160 + 1) // 2] * 3]
    linear = [family(TABLE, "projection_linear").n_frames(TABLE, layer, n) for layer in TABLE.layers]
    assert linear == [n // 160] * 4


def test_seeds__draw_other_weights_and_leave_torch_alone(sounds):
    torch.manual_seed(5)
    one = hear("projection_linear-1", sounds[:1])
    state = torch.rand(1)
    two = hear("projection_linear-2", sounds[:1])
    again = hear("projection_linear-1", sounds[:1])
    for layer in TABLE.layers:
        np.testing.assert_array_equal(one[layer.id][0], again[layer.id][0])
        assert not np.allclose(one[layer.id][0], two[layer.id][0], atol=0.01)
    torch.manual_seed(5)
    hear("projection_linear-3", sounds[:1])
    assert torch.equal(torch.rand(1), state)


def test_network__tells_its_size_and_that_all_was_drawn():
    network = build("projection_conv_gelu")
    widths = (80, *WIDTHS)
    n = sum(3 * a * b + b for a, b in zip(widths, widths[1:], strict=False))
    assert (network.changed, network.n_bytes) == (n, 4 * n)
    assert build("projection_conv_gelu", dtype="bfloat16").n_bytes == 2 * n


@pytest.mark.parametrize("kind", PROJECTIONS)
def test_half_precision__is_near(kind, sounds):
    exact = hear(kind, sounds[:1])
    half = extract(build(kind, dtype="bfloat16"), TABLE, kind, sounds[:1], TABLE.layers)
    for layer in TABLE.layers:
        scale = np.abs(exact[layer.id][0]).max()
        assert 0 < np.abs(exact[layer.id][0] - half[layer.id][0]).max() < 0.05 * scale


@pytest.mark.parametrize(("name", "spectrogram"), SPECTROGRAMS, ids=[name for name, _ in SPECTROGRAMS])
def test_spectrogram_of_a_family__is_what_it_says(name, spectrogram, sounds):
    for n in (5600, 16_000, 16_159):
        sound = 0.1 * np.random.default_rng(n).normal(size=n)
        frames = spectrogram.compute(sound)
        assert frames.shape == (spectrogram.count(n), spectrogram.bands)
        assert frames.shape[0] == pytest.approx(n / 16_000 * spectrogram.rate, abs=3)


def test_projection__takes_as_many_bands_as_the_network(sounds):
    table = load_table("whisper_large_v3")
    table = table.model_copy(update={"layers": table.layers[:1]})
    network = build("projection_linear-0", table)
    found = extract(network, table, "projection_linear-0", sounds[:1], table.layers)[0][0]
    torch.manual_seed(0)
    linear = nn.Linear(128, 1280)
    with torch.no_grad():
        expected = linear(torch.from_numpy(mel_whisper(sounds[0], 128))).numpy()
    np.testing.assert_allclose(found, expected[: found.shape[0]], atol=1e-5)


def test_families_that_hear_spectrograms__include_whisper():
    assert "whisper" in dict(SPECTROGRAMS)


class Waveform(TorchFamily):
    """A family that hears waveforms."""

    n_frames = new = load = run = None


@pytest.mark.parametrize("name", ["deaf", "mel_whisper"])
def test_network_without_a_spectrogram__is_refused_with_those_that_have_one(name, monkeypatch):
    monkeypatch.setitem(FAMILIES, "deaf", Waveform())
    table = TABLE.model_copy(update={"name": "net", "family": name})
    with pytest.raises(ConfigError, match=rf"networks: net: weights 'projection_conv-2' .* '{name}' .* of .*whisper"):
        check_weights(table, SETTINGS, "projection_conv-2")
    check_weights(table, SETTINGS, "reset")


def test_study__refuses_it_before_anything_is_done(write_study, workplace, monkeypatch):
    monkeypatch.setitem(FAMILIES, "deaf", Waveform())
    table = workplace / "configs/networks/small_whisper.yaml"
    write_study(networks=[{"name": "small_whisper", "weights": ["reset", "projection_linear"]}])
    assert Study.load("study.yaml").plan()
    table.write_text(table.read_text().replace("family: whisper", "family: deaf"))
    for ask in (Study.load("study.yaml").plan, Study.load("study.yaml").status, Study.load("study.yaml").run):
        with pytest.raises(ConfigError, match="'projection_linear' project the spectrogram that is a network.s input"):
            ask()
    assert not (workplace / "study").exists()


def test_study__extracts_and_fits_projections(write_study):
    write_study(networks=[{"name": "small_whisper", "weights": ["projection_linear", "projection_conv-1"]}])
    study = Study.load("study.yaml")
    assert study.run(recipe=None).ok
    r = open_results(study.output).r
    assert r.weights.values.tolist() == ["projection_linear", "projection_conv-1"]
    assert np.isfinite(r.sel(network="small_whisper")).all()


def test_sound_that_the_network_cannot_hear__is_refused():
    code = family(TABLE, "projection_linear")
    with pytest.raises(FeatureError, match=r"a sound of 31\.00 s"):
        code.n_frames(TABLE, TABLE.layers[0], 31 * 16_000)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_missing_gpu__is_an_error_and_never_the_cpu():
    with pytest.raises(DeviceError, match="device 'cuda' is requested"):
        build_network(TABLE, SETTINGS, "projection_linear", device="cuda")


def test_whisper_base__is_projected_to_its_widths():
    table = load_table("whisper_base")
    sound = prepare_sound(0.1 * np.random.default_rng(0).normal(size=16_000), 16_000, table, 0.35)
    found = extract(build("projection_conv", table), table, "projection_conv", [sound], table.layers)
    assert {k: f[0].shape for k, f in found.items()} == {0: (135, 512), **dict.fromkeys(range(1, 8), (68, 512))}
