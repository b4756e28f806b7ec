"""Speech2Text's log-mel spectrogram against Kaldi's filter bank written out, and against transformers."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import Speech2TextFeatureExtractor

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.spectrograms.mel_of_networks import mel_speech2text, mel_speech2text_frames
from distributed_trf.features.table import load_table

TABLE = load_table("mel_speech2text")


def mel(hertz):
    return 1127 * np.log(1 + hertz / 700)


def kaldi_filters():
    edges = np.linspace(mel(20), mel(8000), 82)
    filters = np.zeros((80, 257))
    for m in range(80):
        low, centre, high = edges[m : m + 3]
        for j in range(257):
            at = mel(j * 16_000 / 512)
            filters[m, j] = max(min((at - low) / (centre - low), (high - at) / (high - centre)), 0)
    return filters


def slow(sound):
    """Kaldi's filter bank of a sound, each band normalised over it."""
    filters, scaled = kaldi_filters(), sound * 32_768
    povey = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    bands = []
    for k in range(1 + (len(sound) - 400) // 160):
        frame = scaled[160 * k : 160 * k + 400]
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = abs(np.fft.rfft(frame * povey, 512)) ** 2
        bands.append(np.log(np.maximum(filters @ power, 1.1920929e-07)))
    bands = np.array(bands)
    return (bands - bands.mean(axis=0)) / bands.std(axis=0)


@pytest.fixture
def sound():
    return prepare_sound(0.1 * np.random.default_rng(0).normal(size=12_003), 16_000, TABLE, 0.35)


def test_mel__is_kaldis_filter_bank_written_out(sound):
    found = mel_speech2text(sound)
    assert found.dtype == np.float32
    assert found.shape == (mel_speech2text_frames(len(sound)), 80)
    np.testing.assert_allclose(found, slow(sound), atol=1e-4)


def test_mel__is_that_of_transformers(sound):
    extractor = Speech2TextFeatureExtractor()
    expected = extractor(sound, sampling_rate=16_000, return_tensors="np").input_features[0]
    np.testing.assert_array_equal(mel_speech2text(sound), expected)


def test_mel__as_a_network_of_80_bands(sound):
    network = build_network(TABLE, NetworkSettings(name="mel_speech2text"), "fixed", device="cpu")
    (frames,) = extract(network, TABLE, "fixed", [sound], TABLE.layers)[0]
    n = family(TABLE, "fixed").n_frames(TABLE, TABLE.layers[0], len(sound))
    assert frames.shape == (n, 80)
    np.testing.assert_array_equal(frames, mel_speech2text(sound))


@pytest.mark.parametrize(("n", "frames"), [(560, 2), (719, 2), (720, 3), (16_000, 98)])
def test_frames__are_those_within_the_sound(n, frames):
    assert mel_speech2text_frames(n) == frames
    assert mel_speech2text(0.1 * np.random.default_rng(n).normal(size=n)).shape == (frames, 80)


@pytest.mark.parametrize("n", [0, 399, 400, 559])
def test_sound_of_fewer_than_two_frames__is_refused(n):
    told = f"a sound of {n} samples .* fewer than the two frames .* at least 560 samples"
    with pytest.raises(FeatureError, match=told):
        mel_speech2text_frames(n)
    with pytest.raises(FeatureError, match=told):
        mel_speech2text(np.ones(n))


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_silent_or_constant_sound__is_refused(value):
    with pytest.raises(FeatureError, match=r"80 of 80 mel bands of a sound of 1\.00 s .* do not change"):
        mel_speech2text(np.full(16_000, value))
