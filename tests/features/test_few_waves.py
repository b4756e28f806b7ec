"""Magnitudes and lowest frequencies against sums over every frequency and sample."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.features import few_waves
from distributed_trf.features.few_waves import lowest_frequencies, magnitudes
from distributed_trf.features.resample import to_bins
from distributed_trf.features.spectrograms.cochleagram import resampled_cochleagram

NUMBERS = st.one_of(st.integers(1, 400), st.sampled_from([997, 1009, 1024, 1155, 1999]))
"""Few and many, with small and with large prime factors."""


def waves(n, frequencies, sign):
    """exp(2 pi i j m / n), whole numbers reduced first."""
    return np.exp(sign * 2j * np.pi / n * (np.outer(np.arange(n), frequencies) % n))


@given(n=NUMBERS, share=st.floats(0, 1), signals=st.integers(1, 5), first=st.integers(0, 9), seed=st.integers(0, 9))
def test_magnitudes__are_those_of_the_sum_of_all_waves(n, share, signals, first, seed):
    rng = np.random.default_rng(seed)
    m = round(share**3 * n)
    coefficients = rng.normal(size=(m, signals)) + 1j * rng.normal(size=(m, signals))
    expected = np.abs(waves(n, first + np.arange(m), 1) @ coefficients)
    found = magnitudes(coefficients, n)
    assert found.shape == (n, signals)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * expected.max(initial=0))


@given(n=NUMBERS, share=st.floats(0, 1), signals=st.integers(1, 5), seed=st.integers(0, 9))
def test_lowest_frequencies__are_sums_over_all_samples(n, share, signals, seed):
    samples = np.random.default_rng(seed).normal(size=(n, signals))
    highest = round(share**3 * (n // 2))
    expected = waves(n, np.arange(highest + 1), -1).T @ samples
    for least_size in (1, 1 + samples.size):  # by steps where there are any, and by a transform
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(few_waves, "LEAST_SIZE", least_size)
            found = lowest_frequencies(samples, highest)
        assert found.shape == (highest + 1, signals)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * n)


@pytest.mark.parametrize("laid", [np.ascontiguousarray, np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2]])
def test_lowest_frequencies__of_single_precision_in_any_layout_are_exact(laid):
    samples = np.random.default_rng(0).normal(size=(1009, 150)).astype(np.float32) + np.float32(100)
    found = lowest_frequencies(laid(samples), 20)
    np.testing.assert_allclose(found, np.fft.rfft(samples.astype(float), axis=0)[:21], rtol=0, atol=1e-9)


def test_magnitudes__of_nothing_are_exactly_zero():
    assert not magnitudes(np.zeros((20, 2), dtype=complex), 1000).any()
    assert not magnitudes(np.zeros((0, 2), dtype=complex), 5).any()


@pytest.fixture
def transformed(monkeypatch):
    """The numbers that Fourier transforms take in a call, and how many there are in all."""

    def count(function, *args):
        lengths, points = [], 0

        def counted(transform):
            def call(x, length=None, axis=-1, **options):
                nonlocal points
                lengths.append(length or x.shape[axis])
                points += lengths[-1] * x.size // x.shape[axis]
                return transform(x, length, axis=axis, **options)

            return call

        of_library = {name: counted(getattr(scipy.fft, name)) for name in ("fft", "ifft", "rfft")}
        with monkeypatch.context() as patch:
            counting = SimpleNamespace(**of_library, next_fast_len=scipy.fft.next_fast_len)
            patch.setattr(few_waves, "scipy", SimpleNamespace(fft=counting))  # there alone
            function(*args)
        return lengths, points

    return count


def test_cochleagram__of_a_prime_length_takes_the_transforms_of_any_other(transformed):
    """None is as long as the sound, and none has a large prime factor."""
    prime, fast = 16_001, 16_000
    lengths, points = transformed(resampled_cochleagram, np.random.default_rng(0).normal(size=prime), 101)
    assert max(lengths) < prime / 2
    assert all(largest_factor(length) <= 11 for length in lengths)
    others = transformed(resampled_cochleagram, np.random.default_rng(0).normal(size=fast), 101)[1]
    assert points == pytest.approx(others, rel=0.02)
    assert points < 0.5 * 211 * fast  # before, one transform of the whole sound for each filter


@pytest.mark.parametrize(("n", "share"), [(9721, 0.11), (9720, 0.11), (2429, 0.5), (607, 1.6)])
def test_frames_of_a_network__are_resampled_by_short_transforms(n, share, transformed):
    """Of two features at once, there and back; before, frames of a prime number took some eight times their number."""
    frames = np.random.default_rng(0).normal(size=(n, 64)).astype(np.float32)
    lengths, points = transformed(to_bins, frames, 305)
    assert all(largest_factor(length) <= 11 for length in lengths)
    assert points < share * frames.size


@pytest.mark.parametrize(("n", "lengths"), [(602, [602]), (608, [608]), (606, [924] * 3)])
def test_frames_of_a_network__of_a_number_with_small_factors_take_one_transform(n, lengths, transformed):
    """602 is 2 7 43, and 606 is 2 3 101."""
    frames = np.random.default_rng(0).normal(size=(n, 64)).astype(np.float32)
    assert transformed(to_bins, frames, 305)[0] == lengths


def largest_factor(n):
    factor = 2
    while factor * factor <= n:
        if n % factor:
            factor += 1
        else:
            n //= factor
    return n
