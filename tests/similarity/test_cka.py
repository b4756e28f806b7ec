"""Centred kernel alignment against kernels written out, what leaves it unchanged, and what it is of random numbers."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import DataError
from distributed_trf.similarity.cka import cka


def slow_cka(x, y, *, debiased):
    def kernel(a):
        n = len(a)
        if not debiased:
            centre = np.eye(n) - np.ones((n, n)) / n
            return centre @ (a @ a.T) @ centre
        return a @ a.T * (1 - np.eye(n))

    def hsic(a, b):
        k, m, n = kernel(a), kernel(b), len(a)
        trace = sum(k[i, j] * m[j, i] for i in range(n) for j in range(n))
        if not debiased:
            return trace / (n - 1) ** 2
        ones = np.ones(n)
        sums = ones @ k @ ones * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return (trace + sums - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))

    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


@given(
    n=st.integers(4, 25), p=st.integers(1, 40), q=st.integers(1, 40), seed=st.integers(0, 999), debiased=st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_cka__is_that_of_kernels_written_out(n, p, q, seed, debiased):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(3, 1, size=(n, p)), rng.normal(-1, 2, size=(n, q))
    y[:, 0] += x[:, 0]
    with np.errstate(invalid="ignore"):
        expected = slow_cka(x, y, debiased=debiased)
    norms = [slow_cka(a, a, debiased=debiased) for a in (x, y)]
    if np.isfinite(expected) and np.isfinite(norms).all():
        np.testing.assert_allclose(cka(x, y, debiased=debiased), expected, rtol=1e-7, atol=1e-9)
        strict = cka(array_api_strict.asarray(x), array_api_strict.asarray(y), debiased=debiased)
        np.testing.assert_allclose(float(strict), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("debiased", [False, True])
def test_cka__is_one_up_to_rotation_shift_and_scale(debiased):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 6))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    np.testing.assert_allclose(cka(x, 3 * x @ rotation + 100, debiased=debiased), 1, atol=1e-12)


def test_debiased__is_zero_for_random_numbers_where_the_other_is_near_one():
    rng = np.random.default_rng(2)
    pairs = [(rng.normal(size=(30, 500)), rng.normal(size=(30, 500))) for _ in range(40)]
    assert np.mean([cka(x, y, debiased=False) for x, y in pairs]) > 0.9
    debiased = [float(cka(x, y)) for x, y in pairs]
    assert abs(np.mean(debiased)) < 4 * np.std(debiased) / np.sqrt(40)


def test_unusable_representations__are_named():
    x = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(DataError, match="representations of 9 and 8 rows; expected the same stimuli"):
        cka(x, x[:8])
    with pytest.raises(DataError, match=r"shape \(3, 2\); expected \(rows, features\) with at least 4 rows"):
        cka(x[:3], x[:3])
    assert np.isnan(cka(x, np.full((9, 3), 0.1)))
