"""The matrices of the Fourier method, against ``scipy.signal.resample``, which says what the method is."""

from __future__ import annotations

from threading import Thread

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample

from distributed_trf.features import fourier_matrices
from distributed_trf.features.fourier_matrices import matrices, matrix_bytes

NUMBERS = st.integers(1, 40) | st.integers(1, 700)


@pytest.fixture
def kept(monkeypatch):
    """Matrices that are kept in this test alone."""
    monkeypatch.setattr(fourier_matrices, "_KEPT", type(fourier_matrices._KEPT)())
    return fourier_matrices._KEPT


def of_scipy(n, m):
    return resample(np.eye(n), m, axis=0)


@given(n=NUMBERS, m=NUMBERS)
def test_matrices__are_those_of_scipy(n, m):
    np.testing.assert_allclose(matrices([n], [m], np.ones(1))[0], of_scipy(n, m), rtol=0, atol=1e-14)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=2, max_size=4))
def test_matrices__of_several_sounds_have_zeros_where_one_has_fewer_frames(pairs):
    found = matrices(*zip(*pairs, strict=True), np.ones(1))
    expected = np.zeros_like(found)
    for k, (n, m) in enumerate(pairs):
        expected[k, :m, :n] = of_scipy(n, m)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("n", "m"), [(12_000, 351), (11_999, 350), (11_997, 57), (351, 12_000), (350, 11_999), (64, 63)]
)
def test_matrices__of_long_sounds_are_as_accurate(n, m):
    frames = np.random.default_rng(0).normal(size=(n, 2))
    found = matrices([n], [m], frames)[0] @ frames
    np.testing.assert_allclose(found, resample(frames, m, axis=0), rtol=0, atol=2e-14)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_matrices__to_the_same_number_change_nothing_at_all(n):
    np.testing.assert_array_equal(matrices([n, 9], [n, 5], np.ones(1))[0, :n, :n], np.eye(n))


def test_matrices__are_made_once_for_each_library_and_device(kept, monkeypatch):
    made = []
    monkeypatch.setattr(fourier_matrices, "_make", lambda old, new, reference: made.append(reference) or object())
    references = [np.ones(1), torch.ones(1), torch.ones(1, device="meta"), array_api_strict.ones(1)]
    found = [matrices([7], [3], reference) for reference in references * 2]
    assert made == references
    assert found[:4] == found[4:]
    assert len(set(found)) == 4


@pytest.mark.parametrize("library", [np, torch, array_api_strict])
def test_matrices__are_of_the_library_asked_for(library, kept):
    found = matrices([7, 4], [3, 2], library.ones(1))
    assert type(found) is type(library.ones(1))
    assert found.dtype == library.float64
    np.testing.assert_allclose(np.asarray(found[0, :, :]), of_scipy(7, 3), rtol=0, atol=1e-14)


def test_matrices__used_longest_ago_are_let_go_before_they_take_more_than_is_allowed(kept, monkeypatch):
    monkeypatch.setattr(fourier_matrices, "CACHE_BYTES", 2 * matrix_bytes([10], [5]))
    first = matrices([10], [5], np.ones(1))
    matrices([10], [4], np.ones(1))
    assert matrices([10], [5], np.ones(1)) is first
    matrices([10], [3], np.ones(1))
    assert [(old, new) for old, new, *_ in kept] == [((10,), (5,)), ((10,), (3,))]
    matrices([10], [11], np.ones(1))  # more than is allowed at all
    assert not kept


def test_matrices__are_asked_for_by_several_threads(kept, monkeypatch):
    monkeypatch.setattr(fourier_matrices, "CACHE_BYTES", matrix_bytes([9, 9], [5, 5]))
    wrong = []

    def ask(numbers):
        for m in numbers:
            if not np.allclose(matrices([9], [m], np.ones(1))[0], of_scipy(9, m)):
                wrong.append(m)

    threads = [Thread(target=ask, args=([3, 4, 5, 6, 7][k:] * 20,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(made.nbytes for made in kept.values()) <= fourier_matrices.CACHE_BYTES
