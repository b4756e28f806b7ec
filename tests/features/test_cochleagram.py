"""The two cochleagrams against every filter over every frequency."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.signal import resample

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.modules.cochleagram import Cochleagram, dense_filters, low_pass_taps
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.spectrograms.cochleagram import (
    cochleagram,
    cochleagram_frames,
    cochlear_filters,
    resampled_cochleagram,
)
from distributed_trf.features.table import load_table
from tests.features.slow_cochleagram import slow_cochleagram_1, slow_envelopes, slow_filters, slow_low_pass

SETS = [(16_000, 8000, 50, 8000), (16_000, 8001, 50, 8000), (20_000, 12_000, 50, 10_000), (16_000, 331, 50, 8000)]


def dense(n_samples, sfreq, low, high):
    gains = np.zeros((211, n_samples // 2 + 1))
    for row, (first, of_one) in zip(gains, cochlear_filters(n_samples, sfreq, low, high), strict=True):
        row[first : first + len(of_one)] = of_one
    return gains


@pytest.mark.parametrize(("sfreq", "n", "low", "high"), SETS)
def test_filters__are_the_published_ones(sfreq, n, low, high):
    found = dense(n, sfreq, low, high)
    np.testing.assert_allclose(found, slow_filters(n, sfreq, low, high), atol=1e-12)
    np.testing.assert_allclose((found**2).sum(axis=0), 1, atol=1e-12)


def test_filters__rise_from_low_to_high_frequency():
    peaks = [first + gains.argmax() for first, gains in cochlear_filters(40_000, 20_000, 50, 10_000)]
    assert peaks[4] * 0.5 == pytest.approx(54.97, abs=0.5)
    assert peaks[-5] * 0.5 == pytest.approx(9820.96, abs=0.5)
    assert peaks[4:-4] == sorted(peaks[4:-4])


@pytest.mark.parametrize("n", [8000, 8001, 4999, 301, 2, 1])
def test_cochleagram__is_the_published_one_at_any_length(n):
    sound = 0.1 * np.random.default_rng(n).normal(size=n) + 0.01
    found = cochleagram(sound)
    assert found.shape == (cochleagram_frames(n), 211) == (n, 211)
    assert found.dtype == np.float64
    envelopes = slow_envelopes(sound)
    np.testing.assert_allclose(found ** (1 / 0.3), envelopes, atol=1e-14)
    np.testing.assert_allclose(found, envelopes**0.3, atol=3e-5)  # which are the 1e-15 of rounding to the power 0.3


@pytest.mark.parametrize(
    ("n", "n_frames"), [(8000, 51), (8000, 50), (8009, 51), (4999, 33), (301, 5), (301, 300), (20, 3)]
)
def test_cochleagram__at_fewer_frames_is_all_of_it_resampled(n, n_frames):
    sound = 0.1 * np.random.default_rng(n).normal(size=n) + 0.01
    found = resampled_cochleagram(sound, n_frames)
    assert found.shape == (n_frames, 211)
    expected = resample(slow_envelopes(sound) ** 0.3, n_frames, axis=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_cochleagram__of_a_tone_peaks_in_its_band_at_its_amplitude():
    sound = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 16_000)
    energy = (cochleagram(sound) ** (1 / 0.3)).mean(axis=0)
    centres = [(first + gains.argmax()) * 2 for first, gains in cochlear_filters(8000, 16_000, 50, 8000)]
    assert abs(centres[energy.argmax()] - 1000) < 20
    assert energy.max() == pytest.approx(0.5 / 2, rel=0.02)  # each of four filters has half the gain


def test_cochleagram__of_silence_is_zero():
    assert not cochleagram(np.zeros(500)).any()


def test_cochleagram__of_nothing_is_refused():
    with pytest.raises(FeatureError, match="an empty sound has no cochleagram"):
        cochleagram(np.zeros(0))


def test_cochleagram__as_a_network_of_80_bands():
    table = load_table("cochleagram")
    rng = np.random.default_rng(0)
    sounds = [prepare_sound(0.1 * rng.normal(size=n), 48_000, table, 0.05) for n in (6001, 9000)]
    network = build_network(table, NetworkSettings(name="cochleagram"), "fixed", device="cpu")
    found = extract(network, table, "fixed", sounds, table.layers)[0]
    for sound, frames in zip(sounds, found, strict=True):
        n = family(table, "fixed").n_frames(table, table.layers[0], sound.shape[0])
        assert frames.shape == (n, 80) == (sound.shape[0], 80)
        bands = slow_envelopes(sound) ** 0.3
        spectrum = np.fft.rfft(bands, axis=1)[:, :41]
        spectrum[:, 40] = 2 * spectrum[:, 40].real  # the highest frequency folds onto itself
        np.testing.assert_allclose(frames, np.fft.irfft(spectrum, 80, axis=1) * 80 / 211, atol=1e-6)
    fewer = extract(network, table, "fixed", sounds, table.layers, stored=lambda layer, k: (15, 21)[k])[0]
    for n, frames, kept in zip((15, 21), found, fewer, strict=True):
        np.testing.assert_allclose(kept, resample(frames.astype(float), n, axis=0), atol=1e-6)


@pytest.mark.parametrize(("stored", "more"), [(lambda layer, k: 251, 0), (None, 24)])
def test_cochleagram__needs_the_memory_that_is_planned(stored, more):
    """Where all frames are kept, items plan 24 bytes more for each number: 16 in passing and two copies in float32."""
    table, n = load_table("cochleagram"), 40_000
    network = build_network(table, NetworkSettings(name="cochleagram"), "fixed", device="cpu")
    sound = np.random.default_rng(0).normal(size=n)
    tracemalloc.start()
    try:
        extract(network, table, "fixed", [sound], table.layers, stored=stored)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    planned = family(table, "fixed").work(table, [n]).activations + more * n * table.layers[0].width
    assert peak <= planned <= 1.5 * peak


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(1)
    noise = 0.1 * rng.normal(size=40_000)
    short = np.concatenate([np.zeros(7000), 0.03 * rng.normal(size=13_000), np.zeros(20_000)])
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(40_000) / 20_000)
    return np.stack([noise, short, tone, np.zeros(40_000)]).astype(np.float32)


def test_networks_cochleagram__is_the_published_one(windows):
    with torch.inference_mode():
        found = Cochleagram()(torch.from_numpy(windows)[:, None])
    assert found.shape == (4, 1, 211, 390)
    assert found.dtype == torch.float32
    for window, given in zip(windows, found.numpy()[:, 0], strict=True):
        low, compressed = slow_cochleagram_1(window.astype(np.float64))
        # Just above zero the power 0.3 is steep, so there only what is compressed can be compared.
        before = given.astype(np.float64) ** (1 / 0.3) - 1e-8
        np.testing.assert_allclose(before, np.maximum(low, 0), atol=1e-6 * low.max(), rtol=1e-6)
        np.testing.assert_allclose(given, compressed, atol=1e-5)

    np.testing.assert_allclose(found[-1], 0.0049020, atol=1e-6)  # silence


def test_networks_cochleagram__of_a_window_is_the_same_alone_and_in_half_precision(windows):
    both = torch.from_numpy(windows[:2])[:, None]
    with torch.inference_mode():
        together = Cochleagram()(both)
        alone = Cochleagram().to(torch.bfloat16)(both[1:])
    torch.testing.assert_close(together[1:], alone, rtol=1.3e-6, atol=1.3e-6)


def test_networks_filters__are_those_that_checkpoints_hold():
    np.testing.assert_allclose(dense_filters(), slow_filters(40_000, 20_000, 50, 10_000), atol=1e-7)
    np.testing.assert_allclose(low_pass_taps(), slow_low_pass(), atol=1e-15)
    assert low_pass_taps().sum() == pytest.approx(1.00094, abs=1e-5)
