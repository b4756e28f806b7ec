"""The auditory spectrogram against its recursion written out, and against naplib."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy
from scipy.io import savemat
from scipy.signal import butter

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError, MissingExtraError
from distributed_trf.features.families.registry import family, versions
from distributed_trf.features.network import build_network, extract, prepare_sound
from distributed_trf.features.spectrograms import wavelet as module
from distributed_trf.features.spectrograms.wavelet import wavelet, wavelet_frames
from distributed_trf.features.table import load_table

TABLE = load_table("wavelet")


@pytest.fixture(autouse=True)
def _read_filters_anew():
    module._filters.cache_clear()
    yield
    module._filters.cache_clear()


@pytest.fixture
def columns(tmp_path, monkeypatch):
    """Filters of different orders in a file like naplib's, in a package that must not be imported."""
    columns = np.zeros((26, 129), dtype=complex)
    for c in range(129):
        order = 1 + c % 3
        edges = 300 * 1.02 ** np.array([c, c + 9])
        numerator, denominator = butter(order, edges, "bandpass", fs=16_000)
        columns[0, c] = 2 * order + 1j * c
        columns[1 : 2 * order + 2, c] = numerator + 1j * denominator
    package = tmp_path / "naplib"
    (package / "features").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('naplib does not import here')\n")
    savemat(package / "features/cochba.mat", {"COCHBA": columns})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "naplib", raising=False)
    return columns


def recursion(numerator, denominator, x):
    """Filter sample by sample."""
    y = np.zeros(len(x))
    for n in range(len(x)):
        past = min(n, len(numerator) - 1)
        y[n] = sum(numerator[k] * x[n - k] for k in range(past + 1))
        y[n] -= sum(denominator[k] * y[n - k] for k in range(1, past + 1))
    return y / denominator[0]


def slow(sound, columns):
    sound = np.concatenate([sound, np.zeros(-len(sound) % 160)])
    orders = columns[0].real.round().astype(int)
    passed = [recursion(c[1 : p + 2].real, c[1 : p + 2].imag, sound) for p, c in zip(orders, columns.T, strict=True)]
    frames = np.empty((len(sound) // 160, 128))
    for c in range(128):
        held = 0.0
        for n, value in enumerate(np.maximum(passed[c] - passed[c + 1], 0)):
            held = value + np.exp(-1 / (16 * 4)) * held
            if n % 160 == 159:
                frames[n // 160, c] = held
    return frames


@pytest.mark.parametrize("n", [320, 161, 1])
def test_wavelet__is_the_recursion_written_out(columns, n):
    sound = 0.1 * np.random.default_rng(n).normal(size=n)
    found = wavelet(sound)
    assert found.shape == (wavelet_frames(n), 128)
    np.testing.assert_allclose(found, slow(sound, columns), atol=1e-10)


@pytest.mark.parametrize(("n", "frames"), [(1, 1), (160, 1), (161, 2), (16_000, 100)])
def test_frames__are_one_per_10_ms_begun(n, frames):
    assert wavelet_frames(n) == frames


def test_wavelet__as_a_network_of_80_bands(columns):
    network = build_network(TABLE, NetworkSettings(name="wavelet"), "fixed", device="cpu")
    sound = prepare_sound(0.1 * np.random.default_rng(0).normal(size=9001), 48_000, TABLE, 0.05)
    (frames,) = extract(network, TABLE, "fixed", [sound], TABLE.layers)[0]
    assert frames.shape == (family(TABLE, "fixed").n_frames(TABLE, TABLE.layers[0], len(sound)), 80) == (24, 80)
    assert np.isfinite(frames).all()
    # What is kept of the bands' spectrum is all but the finest of it.
    bands = np.fft.rfft(wavelet(sound), axis=1)[:, :40] * 80 / 128
    np.testing.assert_allclose(np.fft.rfft(frames.astype(float), axis=1)[:, :40], bands, atol=1e-5)


def test_wavelet__of_silence_is_zero_and_of_nothing_is_refused(columns):
    assert not wavelet(np.zeros(400)).any()
    with pytest.raises(FeatureError, match="an empty sound has no spectrogram"):
        wavelet(np.zeros(0))


def test_naplib_without_its_filters__is_named(columns, tmp_path):
    (tmp_path / "naplib/features/cochba.mat").unlink()
    with pytest.raises(FeatureError, match=r"cochba\.mat: naplib's filters are not here; install it anew"):
        wavelet(np.zeros(400))


def test_without_naplib__the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"naplib is not installed; .*distributed_trf\[wavelet\]"):
        wavelet(np.zeros(400))


def test_versions__without_naplib_name_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.metadata.Distribution.discover", lambda **_: iter(()))
    code = family(TABLE, "fixed")
    assert code.libraries == ("scipy", "naplib")
    with pytest.raises(MissingExtraError, match=r"distributed_trf\[wavelet\]"):
        versions(TABLE, "fixed")


@pytest.mark.parametrize("n", [32_000, 31_999, 161])
def test_wavelet__is_naplibs(n):
    pytest.importorskip("naplib", minversion="1.4")
    from naplib.features import auditory_spectrogram

    sound = 0.1 * np.random.default_rng(n).normal(size=n)
    expected = auditory_spectrogram(sound, 16_000, frame_len=10)
    np.testing.assert_array_equal(wavelet(sound).astype(np.float32), expected)


def test_wavelet__passes_the_sound_once_through_each_filter(columns, monkeypatch):
    """The leaky integration, in turn, takes one step for each frame."""
    steps, lfilter = [], scipy.signal.lfilter
    monkeypatch.setattr(
        scipy.signal, "lfilter", lambda b, a, x, axis=-1: steps.append(x.shape[axis]) or lfilter(b, a, x, axis)
    )
    wavelet(np.random.default_rng(0).normal(size=4000))
    assert sorted(steps) == [25] + 129 * [4000]
