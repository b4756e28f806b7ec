"""Whisper's log-mel spectrogram against its definition written out, and against transformers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import FeatureError
from distributed_trf.features.spectrograms.mel_of_networks import mel_whisper, mel_whisper_frames


def slaney(mel):
    """Hertz of a mel: linear below 1 kHz, logarithmic above (Slaney 1998)."""
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def slow(sound, bands):
    """Frame by frame and band by band."""
    edges = [slaney(mel) for mel in np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), bands + 2)]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.concatenate([sound[200:0:-1], sound, sound[-2:-202:-1]])
    log = np.empty((len(sound) // 160, bands))
    for k in range(log.shape[0]):
        power = abs(np.fft.fft(padded[160 * k : 160 * k + 400] * hann)[:201]) ** 2
        for m in range(bands):
            low, centre, high = edges[m : m + 3]
            rises = [
                max(min((40 * j - low) / (centre - low), (high - 40 * j) / (high - centre)), 0) for j in range(201)
            ]
            log[k, m] = np.log10(max(np.dot(rises, power) * 2 / (high - low), 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


@given(st.integers(201, 3000), st.sampled_from([80, 128]), st.integers(0, 2**32 - 1))
def test_mel__is_its_definition_written_out(n, bands, seed):
    sound = np.random.default_rng(seed).normal(size=n) * np.linspace(0, 1, n) ** 4
    found = mel_whisper(sound, bands)
    assert found.dtype == np.float32
    assert found.shape == (mel_whisper_frames(n), bands)
    np.testing.assert_allclose(found, slow(sound, bands), rtol=2e-7, atol=2e-7)


def test_mel__is_that_of_transformers_which_takes_float32():
    from transformers import WhisperFeatureExtractor

    t = np.arange(12_003) / 16_000
    sound = np.concatenate(
        [np.zeros(5600), np.sin(2 * np.pi * 440 * t) + 0.1 * np.random.default_rng(0).normal(size=12_003)]
    )
    for bands in (80, 128):
        extractor = WhisperFeatureExtractor(feature_size=bands)
        expected = extractor(sound, sampling_rate=16_000, padding="longest", return_tensors="np").input_features[0].T
        np.testing.assert_allclose(mel_whisper(sound, bands), expected, atol=5e-5)


def test_mel__loads_neither_torch_nor_transformers():
    code = (
        "import sys; import numpy as np;"
        "from distributed_trf.features.spectrograms.mel_of_networks import mel_whisper; mel_whisper(np.ones(500));"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("n", [0, 1, 200])
def test_sound_that_cannot_be_reflected__is_refused(n):
    with pytest.raises(FeatureError, match=f"a sound of {n} samples .* too short .* at least 201 samples"):
        mel_whisper(np.ones(n))
