"""Products with symmetric matrices against the plain ones, below, at and beyond one block."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest

from distributed_trf.trf.scaled_gram import congruence, quadratic_forms

SIZES = [1, 255, 256, 257, 700]


def symmetric(k):
    rng = np.random.default_rng(k)
    rows = rng.normal(size=(k + 3, k))
    return rows.T @ rows, rng.normal(size=(k, k)), rng.normal(size=(k, 5))


@pytest.mark.parametrize("k", SIZES)
def test_congruence__is_the_plain_product_and_symmetric(k):
    matrix, vectors, _ = symmetric(k)
    found = congruence(matrix, vectors)
    expected = vectors.T @ matrix @ vectors
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_array_equal(found[np.triu_indices(k, k=256)], found.T[np.triu_indices(k, k=256)])


@pytest.mark.parametrize("k", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_forms__are_the_plain_ones_in_double_precision(k, dtype):
    matrix, _, vectors = (a.astype(dtype) for a in symmetric(k))
    found = quadratic_forms(matrix, vectors)
    assert found.dtype == np.float64
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(found, np.einsum("ku,kl,lu->u", vectors, matrix, vectors), rtol=tolerance)


def test_backend__follows_the_data_and_never_leaves_its_device():
    device = strict.Device("device1")
    matrix, vectors, few = symmetric(300)
    there = [strict.asarray(a, device=device) for a in (matrix, vectors, few)]
    for found, expected in (
        (congruence(there[0], there[1]), congruence(matrix, vectors)),
        (quadratic_forms(there[0], there[2]), quadratic_forms(matrix, few)),
    ):
        assert found.device == device
        back = np.asarray(found.to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(back, expected, rtol=1e-12)
