"""librosa's log-mel spectrogram frame by frame and bin by bin, and against librosa."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.spectrograms.mel_librosa import mel_librosa, mel_librosa_frames, slaney_filters
from distributed_trf.features.table import load_table

TABLE = load_table("mel_librosa")


def hertz(mel):
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def slow_filters():
    top = 15 + 27 * np.log(8) / np.log(6.4)
    assert hertz(top) == pytest.approx(8000)
    edges = [hertz(top * k / 129) for k in range(130)]
    filters = np.zeros((128, 1025))
    for m, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        for j in range(1025):
            f = j * 16_000 / 2048
            height = (f - low) / (centre - low) if f < centre else (high - f) / (high - centre)
            filters[m, j] = max(height, 0) * 2 / (high - low)
    return filters


def slow(sound):
    filters = slow_filters()
    window = np.zeros(2048)
    window[824:1224] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.concatenate([np.zeros(1024), sound, np.zeros(1024)])
    frames = [padded[160 * k : 160 * k + 2048] * window for k in range(1 + len(sound) // 160)]
    return np.log10(np.stack([filters @ abs(np.fft.rfft(frame)) ** 2 for frame in frames]) + 1e-10)


def test_filters__are_slaneys():
    np.testing.assert_allclose(slaney_filters(128, 2048), slow_filters(), atol=1e-15)


@pytest.mark.parametrize("n", [3200, 3199, 160, 1])
def test_mel__is_the_transform_written_out(n):
    sound = 0.1 * np.random.default_rng(n).normal(size=n)
    found = mel_librosa(sound)
    assert found.shape == (mel_librosa_frames(n), 128) == (1 + n // 160, 128)
    np.testing.assert_allclose(found, slow(sound), atol=1e-9)


def test_mel__of_a_tone_peaks_in_its_band():
    sound = np.sin(2 * np.pi * 440 * np.arange(8000) / 16_000)
    peaks = mel_librosa(sound)[2:-2].argmax(axis=1)
    centres = [hertz((15 + 27 * np.log(8) / np.log(6.4)) * k / 129) for k in range(1, 129)]
    assert {int(p) for p in peaks} == {int(np.argmin(np.abs(np.array(centres) - 440)))}


def test_mel__of_silence_is_the_floor_and_of_nothing_is_refused():
    np.testing.assert_allclose(mel_librosa(np.zeros(800)), -10)
    with pytest.raises(FeatureError, match="an empty sound has no spectrogram"):
        mel_librosa(np.zeros(0))


def test_mel__is_that_of_16_khz_whatever_the_recordings_rate():
    network = build_network(TABLE, NetworkSettings(name="mel_librosa"), "fixed", device="cpu")
    times = np.arange(24_000) / 48_000
    tone = np.sin(2 * np.pi * 1000 * times)
    sounds = [prepare_sound(tone[::step], 48_000 / step, TABLE, 0.35) for step in (1, 3)]
    at_48, at_16 = extract(network, TABLE, "fixed", sounds, TABLE.layers)[0]
    n = family(TABLE, "fixed").n_frames(TABLE, TABLE.layers[0], len(sounds[0]))
    assert at_48.shape == at_16.shape == (n, 80) == (86, 80)
    assert at_48[50].argmax() == at_16[50].argmax()
    np.testing.assert_allclose(at_48[40:80], at_16[40:80], atol=0.2)


@pytest.mark.parametrize("n", [32_000, 31_999, 2048])
def test_mel__is_librosas(librosa, n):
    sound = 0.1 * np.random.default_rng(n).normal(size=n)
    sound[:1000] = 0
    power = librosa.feature.melspectrogram(y=sound, sr=16_000, n_fft=2048, win_length=400, hop_length=160)
    np.testing.assert_allclose(mel_librosa(sound), np.log10(power + 1e-10).T, atol=1e-6)  # its filters are float32
