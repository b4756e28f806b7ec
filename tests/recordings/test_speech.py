from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.errors import ConfigError
from distributed_trf.features.spectrograms.mel_of_networks import mel_whisper
from distributed_trf.recordings.simulation.sounds import speech_like

SFREQ = 16_000


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    return [speech_like(2.0, SFREQ, np.random.default_rng(k)) for k in range(40)]


@pytest.mark.parametrize(("duration", "sfreq"), [(0.5, 16_000), (1.0, 8000), (1.23456, 16_000), (2.6, 44_100)])
def test_speech_like__length_and_level(duration: float, sfreq: float) -> None:
    sound = speech_like(duration, sfreq, np.random.default_rng(0))
    assert sound.shape == (round(duration * sfreq),)
    assert sound.dtype == np.float64
    assert 0.1 <= np.abs(sound).max() <= 0.5


def test_speech_like__same_state_same_sound() -> None:
    first, again, other = (speech_like(1.0, SFREQ, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.2


def test_speech_like__spectra_vary_in_many_ways(sounds: list[np.ndarray]) -> None:
    mel = np.concatenate([mel_whisper(sound) for sound in sounds])
    power = np.linalg.eigvalsh(np.cov(mel.T))[::-1]
    share = np.cumsum(power) / power.sum()
    assert share[0] < 0.8  # not just louder and softer
    assert np.count_nonzero(share < 0.99) > 20
    assert mel.std(axis=0).min() > 0.1


def test_speech_like__loudness_moves_at_the_rate_of_syllables(sounds: list[np.ndarray]) -> None:
    envelopes = np.array([np.abs(sound).reshape(-1, 80).mean(axis=1) for sound in sounds])  # 200 Hz
    envelopes -= envelopes.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(envelopes)) ** 2).mean(axis=0)
    rate = np.fft.rfftfreq(envelopes.shape[1], 1 / 200)
    syllables = power[(rate > 1) & (rate < 8)].mean()
    assert syllables > 10 * power[(rate > 16) & (rate < 40)].mean()


def test_speech_like__voices_differ_and_hisses_occur(sounds: list[np.ndarray]) -> None:
    spectra = [np.abs(np.fft.rfft(sound.reshape(-1, 1600), axis=1)) ** 2 for sound in sounds]
    rate = np.fft.rfftfreq(1600, 1 / SFREQ)
    high = np.concatenate([s[:, rate > 2500].sum(axis=1) / s.sum(axis=1) for s in spectra])
    assert np.mean(high > 0.6) > 0.05
    assert np.mean(high < 0.1) > 0.3


@pytest.mark.parametrize(("duration", "sfreq"), [(0.49, 16_000), (np.nan, 16_000), (1.0, 4000)])
def test_speech_like__too_short_or_too_coarse(duration: float, sfreq: float) -> None:
    with pytest.raises(ConfigError, match=f"duration={duration} s at sfreq={sfreq} Hz; expected"):
        speech_like(duration, sfreq, np.random.default_rng(0))
