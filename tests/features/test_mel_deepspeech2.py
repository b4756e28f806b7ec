"""Deep Speech 2's spectrogram against the same computed frame by frame from its description."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.spectrograms.mel_of_networks import mel_deepspeech2, mel_deepspeech2_frames
from distributed_trf.features.table import load_table

TABLE = load_table("mel_deepspeech2")


def slow(sound):
    """The discrete Fourier transform of every frame, written out, shape (1 + n // 160, 161)."""
    n = np.arange(320)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * n / 320)
    transform = np.exp(-2j * np.pi * np.outer(np.arange(161), n) / 320)
    log = np.zeros((1 + sound.shape[0] // 160, 161))
    for k in range(log.shape[0]):
        frame = np.zeros(320)
        for i in range(320):
            at = 160 * k - 160 + i
            if 0 <= at < sound.shape[0]:
                frame[i] = sound[at]
        log[k] = np.log(1 + np.abs(transform @ (window * frame)))
    mean = log.sum() / log.size
    return (log - mean) / np.sqrt(((log - mean) ** 2).sum() / (log.size - 1))


def noise(n, seed=0):
    return 0.1 * np.random.default_rng(seed).normal(size=n)


@given(n=st.integers(320, 2000), quiet=st.integers(0, 800), loudness=st.sampled_from([1e-4, 0.1, 3000.0]))
def test_mel_deepspeech2__equals_its_description(n, quiet, loudness):
    sound = loudness * np.concatenate([np.zeros(quiet), noise(n, n)])
    found, expected = mel_deepspeech2(sound), slow(sound)
    assert found.shape == (mel_deepspeech2_frames(sound.shape[0]), 161)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_mel_deepspeech2__a_tone_stands_in_its_own_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 16_000)
    found = mel_deepspeech2(tone)
    assert set(found[1:-1].argmax(axis=1)) == {20}  # bands are 50 Hz apart
    # 320 samples of amplitude 1 under a window whose mean is 0.54
    log = found * np.log1p(0.54 * 160) / found[25, 20]
    assert log[25, 20] == pytest.approx(np.log1p(86.4))


@pytest.mark.parametrize("n", [320, 479, 480, 8000, 16_137])
def test_mel_deepspeech2__equals_librosa(librosa, n):
    sound = noise(n)
    settings = {"n_fft": 320, "hop_length": 160, "window": "hamming", "pad_mode": "constant", "dtype": np.complex128}
    log = np.log1p(np.abs(librosa.stft(sound, **settings))).T
    np.testing.assert_allclose(mel_deepspeech2(sound), (log - log.mean()) / log.std(ddof=1), rtol=0, atol=1e-12)


def test_mel_deepspeech2__silence_is_refused():
    for sound in (np.zeros(4000), -np.zeros(321)):
        with pytest.raises(
            FeatureError, match=rf"a sound of {sound.shape[0] / 16_000:.2f} s is silent.*leave the stim"
        ):
            mel_deepspeech2(sound)
    assert np.isfinite(mel_deepspeech2(np.full(4000, 0.5))).all()


def test_mel_deepspeech2__too_short_a_sound_is_refused():
    assert mel_deepspeech2(noise(320)).shape == (3, 161)
    message = r"a sound of 319 samples is too short for Deep Speech 2's spectrogram, whose window takes 320; leave"
    for refuse in (lambda: mel_deepspeech2(noise(319)), lambda: mel_deepspeech2_frames(319)):
        with pytest.raises(FeatureError, match=message):
            refuse()


def test_mel_network__has_the_bands_resampled_to_80():
    network = build_network(TABLE, NetworkSettings(name="mel_deepspeech2"), "fixed", device="cpu")
    sounds = [noise(5000), noise(1601)]
    found = extract(network, TABLE, "fixed", sounds, TABLE.layers)
    assert list(found) == [0]
    for sound, frames in zip(sounds, found[0], strict=True):
        assert frames.shape == (family(TABLE, "fixed").n_frames(TABLE, TABLE.layers[0], sound.shape[0]), 80)
        np.testing.assert_allclose(frames, resample(slow(sound), 80, axis=1), rtol=0, atol=1e-5)
        assert abs(frames.shape[0] / TABLE.layers[0].rate - sound.shape[0] / 16_000) <= 0.01
