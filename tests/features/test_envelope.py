"""Envelope and onsets against the sums that define them, against scipy, and of sounds whose envelope is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.spectrograms.envelope import envelope, envelope_frames, onsets
from distributed_trf.features.table import load_table


def slow_envelope(sound):
    """The analytic signal by sums over all frequencies and samples."""
    n = len(sound)
    samples = np.arange(n)
    analytic = np.zeros(n, dtype=complex)
    for k in range(n // 2 + 1):
        coefficient = sum(x * np.exp(-2j * np.pi * k * t / n) for t, x in enumerate(sound)) / n
        both = 1 if k == 0 or 2 * k == n else 2
        analytic += both * coefficient * np.exp(2j * np.pi * k * samples / n)
    return [np.mean(np.abs(analytic[start : start + 160])) for start in range(0, n, 160)]


@pytest.mark.parametrize("n", [1, 159, 160, 401])
def test_envelope__is_the_magnitude_of_the_analytic_signal_in_each_10_ms(n):
    sound = np.random.default_rng(n).normal(size=n)
    found = envelope(sound)
    assert found.shape == (envelope_frames(n), 1)
    np.testing.assert_allclose(found[:, 0], slow_envelope(sound), atol=1e-9)
    slow = [0.0, *slow_envelope(sound)]
    rises = [100 * max(0.0, after - before) for before, after in zip(slow, slow[1:], strict=False)]
    np.testing.assert_allclose(onsets(sound)[:, 0], rises, atol=1e-7)


def test_envelope__is_scipys():
    sound = np.random.default_rng(0).normal(size=16_000)
    magnitude = np.abs(scipy.signal.hilbert(sound))
    np.testing.assert_allclose(envelope(sound)[:, 0], magnitude.reshape(100, 160).mean(axis=1), atol=1e-12)


def test_envelope__of_a_modulated_tone_is_its_modulation_and_rises_with_it():
    times = np.arange(16_000) / 16_000
    slow = 1 + 0.5 * np.sin(2 * np.pi * 4 * times)
    sound = slow * np.sin(2 * np.pi * 1000 * times)
    np.testing.assert_allclose(envelope(sound)[:, 0], slow.reshape(100, 160).mean(axis=1), atol=1e-9)
    frames = np.arange(1, 100) / 100
    rising = np.cos(2 * np.pi * 4 * frames) > 0.1
    falling = np.cos(2 * np.pi * 4 * frames) < -0.1
    found = onsets(sound)[1:, 0]
    assert (found[rising] > 0).all()
    assert not found[falling].any()


def test_empty_sound__has_no_envelope():
    with pytest.raises(FeatureError, match="an empty sound has no envelope"):
        envelope(np.zeros(0))


@pytest.mark.parametrize("name", ["envelope", "onsets"])
def test_network__gives_it_after_the_silence(name):
    table = load_table(name)
    network = build_network(table, NetworkSettings(name=name), "fixed", device="cpu")
    sound = np.concatenate([np.sin(np.arange(8000)), np.zeros(8000)])
    prepared = prepare_sound(sound, 16_000, table, 0.35)
    (frames,) = extract(network, table, "fixed", [prepared], table.layers)[0]
    expected = {"envelope": envelope, "onsets": onsets}[name](np.concatenate([np.zeros(5600), sound]))
    np.testing.assert_allclose(frames, expected, rtol=1e-6)
    assert frames.shape == (135, 1)
    assert frames[:30].max() < 0.1 * frames.max()
