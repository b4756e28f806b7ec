"""Sounds and spectrograms, against the same computed from its description."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import DataError, FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.resample import resample_sound, to_bins
from distributed_trf.features.spectrograms.mel_of_networks import mel_whisper
from distributed_trf.features.table import load_table
from tests.conftest import SMALL_WHISPER

MEL = load_table("mel_whisper")


def slaney_filters():
    """80 triangles of unit area on Slaney's scale, linear below 1 kHz and logarithmic above, shape (201, 80)."""
    top = 15 + 27 * np.log(8000 / 1000) / np.log(6.4)
    mels = np.linspace(0, top, 82)
    hertz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bins = np.linspace(0, 8000, 201)[:, None]
    rising = (bins - hertz[:-2]) / np.diff(hertz)[:-1]
    falling = (hertz[2:] - bins) / np.diff(hertz)[1:]
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (hertz[2:] - hertz[:-2])


def log_mel(sound):
    """Whisper's log-mel spectrogram, shape (n // 160, 80)."""
    padded = np.pad(sound, 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[160 * k : 160 * k + 400] * window for k in range(sound.shape[0] // 160)])
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    log = np.log10(np.maximum(power @ slaney_filters(), 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(1)
    time = np.arange(20_000) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (200 * time + 1500 * time**2)) + 0.01 * rng.normal(size=time.shape)
    return [chirp, 0.01 * rng.normal(size=16_137), np.concatenate([np.zeros(5600), rng.normal(size=8_000)])]


def test_mel_whisper__equals_its_description(sounds):
    for sound in sounds:
        found = mel_whisper(sound)
        expected = log_mel(sound)
        assert found.dtype == np.float32
        assert found.shape == expected.shape == (sound.shape[0] // 160, 80)
        # The transform's FFT is in float32: a quiet band beside a loud one carries the loud one's rounding,
        # which differs between processors.
        np.testing.assert_allclose(found[:-2], expected[:-2], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found[-2:], expected[-2:], rtol=0, atol=1e-3)


def test_mel_whisper__silence_is_finite():
    found = mel_whisper(np.zeros(1600))
    np.testing.assert_allclose(found, (-10 + 4) / 4, atol=1e-6)


def test_mel_whisper__too_long_a_sound_is_refused():
    assert mel_whisper(np.zeros(480_000)).shape == (3000, 80)
    with pytest.raises(FeatureError, match=r"30\.50 s .* does not fit"):
        mel_whisper(np.zeros(488_000))


def test_mel_network__has_one_layer_of_100_frames_per_second(sounds):
    network = build_network(MEL, NetworkSettings(name="mel_whisper"), "fixed", device="cpu")
    found = extract(network, MEL, "fixed", sounds, MEL.layers)
    assert list(found) == [0]
    for sound, frames in zip(sounds, found[0], strict=True):
        np.testing.assert_array_equal(frames, mel_whisper(sound))
        assert frames.shape[0] == family(MEL, "fixed").n_frames(MEL, MEL.layers[0], sound.shape[0])
        assert abs(frames.shape[0] / MEL.layers[0].rate - sound.shape[0] / 16_000) < 0.01


@given(n=st.integers(2, 400), rates=st.sampled_from([(16_000, 20_000), (20_000, 16_000), (24_414.0625, 16_000)]))
def test_resample_sound__keeps_the_whole_samples_that_fit(n, rates):
    sound = np.random.default_rng(n).normal(size=n)
    found = resample_sound(sound, *rates)
    assert found.shape == (int(n * rates[1] / rates[0]),)
    np.testing.assert_array_equal(found, resample(sound, found.shape[0]))


def test_resample_sound__same_rate_changes_nothing():
    sound = np.random.default_rng(0).normal(size=31)
    np.testing.assert_array_equal(resample_sound(sound, 16_000, 16_000.0), sound)


def test_resample_sound__keeps_a_tone():
    found = resample_sound(np.sin(2 * np.pi * 440 * np.arange(20_000) / 20_000), 20_000, 16_000)
    np.testing.assert_allclose(found, np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000), atol=1e-9)


@given(n=st.integers(1, 200), n_bins=st.integers(1, 60))
def test_to_bins__is_the_fourier_method_in_double_precision(n, n_bins):
    frames = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    found = to_bins(frames, n_bins)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, resample(frames.astype(np.float64), n_bins, axis=0), rtol=0, atol=1e-13)


def test_to_bins__keeps_the_mean():
    frames = np.random.default_rng(0).normal(size=(120, 2)) + 3
    np.testing.assert_allclose(to_bins(frames, 24).mean(axis=0), frames.mean(axis=0), rtol=1e-12)


def test_to_bins__no_bins_is_an_error():
    with pytest.raises(DataError, match="cannot resample to 0 bins"):
        to_bins(np.ones((4, 2)), 0)


@pytest.mark.parametrize(
    ("sfreq", "target", "lead_in", "n"),
    [
        (16_000, 16_000, 0.35, 5600),
        (20_000, 16_000, 0.35, 5600),
        (16_000, 20_000, 0.35, 7000),
        (16_000, 16_000, 0.0, 0),
    ],
)
def test_prepare_sound__puts_silence_first_after_resampling(sfreq, target, lead_in, n):
    sound = np.random.default_rng(0).normal(size=4_001).astype(np.float32)
    table = MEL.model_copy(update={"sfreq": float(target)})
    found = prepare_sound(sound, sfreq, table, lead_in)
    assert n == int(lead_in * target)
    assert not found[:n].any()
    np.testing.assert_array_equal(found[n:], resample_sound(sound.astype(float), sfreq, target), strict=True)
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.array([0.0, np.nan, 1.0, np.inf]), "2 of its 4 samples are NaN or Inf"),
        (np.zeros((100, 2)), r"shape \(100, 2\) and type float64; expected samples of one channel"),
        (np.zeros(0), r"shape \(0,\)"),
        (np.zeros(9, dtype=complex), "type complex128"),
        (np.zeros(1), "1 samples at 20000 Hz are less than one sample at the 16000 Hz of mel_whisper"),
    ],
)
def test_prepare_sound__refuses_what_is_no_sound_and_names_it(sound, message):
    with pytest.raises(DataError, match=f"^stimulus '7': .*{message}"):
        prepare_sound(sound, 20_000, MEL, 0.35, "stimulus '7'")


def test_small_whisper__is_the_architecture_of_the_shipped_one():
    """What the other tests build differs from whisper_tiny in width and depth only."""
    tiny = load_table("whisper_tiny")
    assert set(tiny.config) == set(SMALL_WHISPER["config"])
    small = [(x["name"], x["type"], x["rate"]) for x in SMALL_WHISPER["layers"]]
    assert small == [(x.name, x.type, x.rate) for x in tiny.layers][: len(small)]
