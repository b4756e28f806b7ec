"""Fewer frames that hold all that the bins of a study can show."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import DataError
from distributed_trf.features import resample as resampling
from distributed_trf.features.families import registry
from distributed_trf.features.fourier_matrices import matrices
from distributed_trf.features.network import extract
from distributed_trf.features.resample import FINEST_BIN, each_to_bins, kept_frames, resample_frames, to_bins
from distributed_trf.recordings.recording_set import rows
from tests.conv_network import CONV_TABLE, ConvFamily


def frames_of(n, features=3, mean=5.0):
    return (np.random.default_rng(n).normal(size=(n, features)) + mean).astype(np.float32)


@given(
    rate=st.sampled_from([100.5, 199.7, 200.0, 3200.0]),
    seconds=st.floats(0.05, 3),
    fraction=st.floats(0, 1),
)
def test_kept_frames__give_any_smaller_number_of_bins_as_all_frames_do(rate, seconds, fraction):
    native = frames_of(max(int(rate * seconds), 1))
    n_kept = kept_frames(rate, native.shape[0], seconds)
    kept = to_bins(native, n_kept)
    m = 1 + round(fraction * (n_kept - 1))
    np.testing.assert_allclose(
        to_bins(kept, m), resample(native.astype(float), m, axis=0), rtol=0, atol=1e-12 * np.abs(native).max()
    )


@given(
    duration=st.floats(0.01, 30),
    lead_in=st.floats(0, 1),
    bin_width=st.floats(FINEST_BIN, 999),
    rates=st.tuples(st.sampled_from([16_000, 20_000, 24_414.0625]), st.sampled_from([8_000, 16_000, 20_000])),
)
def test_kept_frames__are_at_least_the_bins_of_sound_and_silence(duration, lead_in, bin_width, rates):
    """However samples are rounded: those of the recording, of the network and of the silence."""
    sfreq, target = rates
    heard = int(lead_in * target) + int(int(duration * sfreq) * target / sfreq)
    n_kept = kept_frames(1e6, 10**9, heard / target)
    assert n_kept % 2 == 1
    assert n_kept >= rows(duration, lead_in, bin_width)
    assert n_kept <= 100 * (duration + lead_in) + 3


@pytest.mark.parametrize(
    ("rate", "n_frames", "seconds", "expected"),
    [
        (200.0, 400, 2.0, 201),
        (200.0, 399, 1.995, 201),
        (200.0, 397, 1.99, 201),
        (200.0, 395, 1.98, 199),
        (200.0, 150, 2.0, 150),  # no more than there are
        (100.0, 400, 2.0, 400),  # no layer of 100 Hz or less is touched, whatever it gives
        (50.0, 100, 2.0, 100),
    ],
)
def test_kept_frames__are_the_smallest_odd_number_that_is_enough(rate, n_frames, seconds, expected):
    assert kept_frames(rate, n_frames, seconds) == expected


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(("n", "n_kept"), [(675, 339), (10_800, 339)])
def test_stored_frames__read_on_bins_are_those_of_all_frames_to_one_in_a_million(library, n, n_kept):
    """Calculated in double precision on the network's device, and stored in single."""
    native = frames_of(n)
    frames = torch.from_numpy(native) if library == "torch" else native
    stored = np.asarray(to_bins(frames, n_kept)).astype(np.float32)
    for m in (n_kept, 169, 68, 5):
        expected = resample(native.astype(float), m, axis=0)
        np.testing.assert_allclose(to_bins(stored, m), expected, rtol=1e-6, atol=1e-6 * expected.std())


def test_to_bins__keeps_library_and_device():
    found = to_bins(torch.ones(7, 2), 3)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_to_bins__takes_any_precision(dtype):
    frames = torch.from_numpy(frames_of(1301, 64)).to(dtype)
    expected = resample(frames.double().numpy(), 101, axis=0)
    np.testing.assert_allclose(to_bins(frames, 101), expected, rtol=0, atol=1e-12)


def test_extract__keeps_as_many_frames_of_each_sound_as_are_asked_for(monkeypatch):
    rule = ConvFamily()
    monkeypatch.setitem(registry.FAMILIES, "conv_network", rule)
    built = rule.build(CONV_TABLE, NetworkSettings(name="conv_network"), "reset", device="cpu", dtype="float32")
    built.model.fast.bias.data += 100.0  # beside it, single precision would lose the features' digits
    sounds = [np.random.default_rng(n).normal(size=n) for n in (16_000, 24_000)]
    kept = {(0, 0): 101, (0, 1): 151, (1, 0): 100, (1, 1): 75}
    native = extract(built, CONV_TABLE, "reset", sounds, CONV_TABLE.layers)
    found = extract(built, CONV_TABLE, "reset", sounds, CONV_TABLE.layers, stored=lambda layer, k: kept[layer.id, k])
    for (layer, k), n in kept.items():
        expected = resample(native[layer][k].astype(float), n, axis=0).astype(np.float32)
        assert found[layer][k].dtype == np.float32
        np.testing.assert_allclose(found[layer][k], expected, rtol=1.3e-7)  # one rounding, to single precision
    np.testing.assert_array_equal(found[1][0], native[1][0])


@pytest.mark.parametrize(("width", "n"), [(1, 40), (8, 40), (512, 40), (512, 300)])
def test_to_bins__is_the_same_by_matrix_and_by_transform(width, n, monkeypatch):
    """Which of them is taken depends on width and numbers alone."""
    frames = frames_of(301, width)
    expected = resample(frames.astype(float), n, axis=0)
    for limit in (0, resampling.MATRIX_BYTES):
        monkeypatch.setattr(resampling, "MATRIX_BYTES", limit)
        np.testing.assert_allclose(to_bins(frames, n), expected, rtol=0, atol=1e-13)


def test_resample_frames__in_single_precision_stays_so():
    frames = frames_of(301, 512)
    found = resample_frames(frames, 40)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, resample(frames, 40, axis=0), rtol=1e-6)


SIZES, BINS, SMOOTH = (30, 31, 7, 64, 30, 1, 12), (12, 31, 11, 13, 60, 3, 7), (5, 6, 7, 9, 4, 1, 30)


@pytest.mark.parametrize("steps", [(BINS,), (SMOOTH, BINS), ([1] * 7,)])
@pytest.mark.parametrize(("library", "limit"), [(np, 1 << 20), (array_api_strict, 1 << 20), (array_api_strict, 20_000)])
def test_each_to_bins__is_what_to_bins_gives_of_each(library, limit, steps, monkeypatch):
    """On a device several go through one product, as many as the limit of a matrix allows."""
    monkeypatch.setattr(resampling, "MATRIX_BYTES", limit)
    products = []
    monkeypatch.setattr(resampling, "matrices", lambda *args: products.append(args[0]) or matrices(*args))
    frames = frames_of(sum(SIZES))
    found = each_to_bins(library.asarray(frames), SIZES, *steps)
    assert len(found) == len(SIZES)
    for k, (x, own) in enumerate(zip(found, np.split(frames.astype(float), np.cumsum(SIZES)[:-1]), strict=True)):
        for step in steps:
            own = resample(own, step[k], axis=0)
        np.testing.assert_allclose(np.asarray(x), own, rtol=0, atol=1e-14)
    if library is array_api_strict:
        largest = max(len(old) for old in products)
        assert largest == 7 if limit == 1 << 20 or steps == ([1] * 7,) else 1 < largest < 7


def test_each_to_bins__no_bins_is_an_error():
    with pytest.raises(DataError, match="cannot resample to 0 bins"):
        each_to_bins(np.ones((5, 2)), [2, 3], [1, 0])


def test_each_to_bins__no_frame_is_an_error():
    for frames in (np.ones((2, 2)), array_api_strict.ones((2, 2))):
        with pytest.raises(DataError, match="no frame to resample"):
            each_to_bins(frames, [2, 0], [1, 1])
